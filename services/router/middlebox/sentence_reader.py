"""Sentences to faults: "drop the 3rd data segment from balancer to client". README.md has the grammar.

Pure. What is no sentence raises BadRequest with the word marked that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address

from middlebox.faults import (
    ANYONE,
    EVERY,
    LAST_BYTE,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Endpoint,
    Fault,
    Flip,
    Hold,
    Lose,
    Match,
    Positions,
    Replace,
)
from middlebox.hosts import Hosts
from middlebox.units import Unit
from middlebox.words import MOST, Words, listed, ordinal

LONGEST_DELAY_MS = 10_000
LARGEST_PAYLOAD = 65_507
"""Bytes: what IPv4 leaves to UDP."""
_NS_PER_MS = 1_000_000
_BY_LENGTH = sorted(Unit, key=lambda unit: -len(unit.value.split()))


def read_sentence(sentence: str, hosts: Hosts) -> Fault:
    """The fault that `sentence` asks for."""
    words = Words(sentence)
    verb = words.next
    if verb not in _VERBS:
        words.refuse(f"expected {listed(list(_VERBS))}")
    words.text()
    fault = _VERBS[verb](words, hosts)
    words.end("the sentence to end here")
    return fault


def _drop(words: Words, hosts: Hosts) -> Fault:
    positions, unit = _which(words)
    return Drop(_match(words, hosts, unit), positions)


def _corrupt(words: Words, hosts: Hosts) -> Fault:
    positions, unit = _which(words)
    return Corrupt(_match(words, hosts, unit), positions)


def _duplicate(words: Words, hosts: Hosts) -> Fault:
    positions, unit = _which(words)
    return Duplicate(_match(words, hosts, unit), positions)


def _lose(words: Words, hosts: Hosts) -> Fault:
    percent = words.number("a share", 0, 100)
    words.expect("%")
    unit = Unit.PACKET
    if words.take("of"):
        if not words.take("every"):
            words.take("the")
        unit = _unit(words)
    match = _match(words, hosts, unit)
    seed = 0
    if words.take("with"):
        words.expect("seed")
        seed = words.whole("a seed", 0, MOST)
    return Lose(match, float(percent), seed)


def _delay(words: Words, hosts: Hosts) -> Fault:
    positions, unit, delay_ns = EVERY, Unit.PACKET, None
    if words.next == "by" or (words.next[:1].isdigit() and not words.has_ordinal()):
        delay_ns = _duration(words)
    if words.next in ("the", "every") or words.has_ordinal():
        positions, unit = _which(words)
    match = _match(words, hosts, unit)
    if delay_ns is None:
        delay_ns = _duration(words)
    return Delay(match, delay_ns, positions)


def _duration(words: Words) -> int:
    words.take("by")
    delay_ms = words.number("a time", 0, LONGEST_DELAY_MS)
    words.expect("ms")
    return int(delay_ms * _NS_PER_MS)


def _flip(words: Words, hosts: Hosts) -> Fault:
    offset = LAST_BYTE
    if not words.take("one", "byte"):
        words.expect("the")
        if words.take("last"):
            words.expect("byte")
        elif words.has_ordinal():
            offset = -words.ordinal()
            words.expect("last", "byte")
        else:
            words.expect("byte", "at", "offset")
            offset = words.whole("an offset", 0, LARGEST_PAYLOAD)
    words.expect("in")
    positions, unit = _which(words)
    match = _match(words, hosts, unit)
    mask = 0xFF
    if words.take("with"):
        words.expect("mask")
        mask = words.whole("a mask", 1, 0xFF)
    return Flip(match, positions, offset, mask)


def _hold(words: Words, hosts: Hosts) -> Fault:
    words.expect("the")
    position = words.ordinal()
    unit = _unit(words)
    match = _match(words, hosts, unit)
    words.expect("until")
    overtaken_by = words.whole("how many overtake it", 1, MOST)
    words.expect("more")
    words.take("have")
    words.take("passed")
    return Hold(match, position, overtaken_by)


def _swap(words: Words, hosts: Hosts) -> Fault:
    words.expect("the")
    position = words.ordinal()
    words.expect("and")
    if words.ordinal() != position + 1:
        words.back()
        words.refuse(f"only neighbours can be swapped: expected {ordinal(position + 1)}")
    return Hold(_match(words, hosts, _unit(words)), position, 1)


def _replace(words: Words, hosts: Hosts) -> Fault:
    old = _quoted(words)
    if not old:
        words.back()
        words.refuse("expected the text to look for, of one byte at least")
    words.expect("by")
    new = _quoted(words)
    if len(new) != len(old):
        words.back()
        words.refuse(f"{len(new)} bytes cannot take the place of {len(old)}: TCP counts them")
    positions, unit = _which(words) if words.take("in") else (EVERY, Unit.DATA_PACKET)
    return Replace(_match(words, hosts, unit), old, new, positions)


_VERBS: dict[str, Callable[[Words, Hosts], Fault]] = {
    "drop": _drop,
    "lose": _lose,
    "delay": _delay,
    "flip": _flip,
    "corrupt": _corrupt,
    "duplicate": _duplicate,
    "hold": _hold,
    "swap": _swap,
    "replace": _replace,
}


def _quoted(words: Words) -> bytes:
    if not words.next.startswith('"'):
        words.refuse("expected a text in quotation marks")
    word = words.text()
    try:
        return str(json.loads(word)).encode()
    except (
        ValueError
    ):  # UnicodeEncodeError is one, too; no closing mark, a backslash before nothing, half a surrogate pair
        words.back()
        words.refuse("expected a text in quotation marks, escaped as in JSON")


def _which(words: Words) -> tuple[Positions, Unit]:
    if words.take("every"):
        return EVERY, _unit(words)
    words.take("the")
    if not words.has_ordinal():
        words.refuse('expected "every" or a position: the 1st, 2nd, 3rd, ...')
    first = words.ordinal()
    count: int | None = 1
    if words.take("and", "every", "later"):
        count = None
    elif words.next in ("and", "to"):
        farthest = first + 1 if words.take("and") else MOST
        words.take("to")
        words.take("the")
        last = words.ordinal()
        if not first < last <= farthest:
            words.back()
            words.refuse(f"expected {ordinal(first + 1)}{'' if farthest < MOST else ' or later'}")
        count = last - first + 1
    return Positions(first, count), _unit(words)


def _unit(words: Words) -> Unit:
    for unit in _BY_LENGTH:
        *begin, last = unit.value.split()
        if words.take(*begin, last) or words.take(*begin, f"{last}s"):
            return unit
    return words.refuse(f"expected {listed([unit.value for unit in Unit])}")


def _match(words: Words, hosts: Hosts, unit: Unit) -> Match:
    """Where to, as far as the words say so."""
    if words.take("between"):
        source = _end(words, hosts)
        words.expect("and")
        return Match(unit, source, _end(words, hosts), both_ways=True)
    source = _end(words, hosts) if words.take("from") else ANYONE
    destination = _end(words, hosts) if words.take("to") else ANYONE
    if source is ANYONE and words.take("from"):
        source = _end(words, hosts)
    return Match(unit, source, destination, both_ways=words.take("each", "way") or words.take("both", "ways"))


def _end(words: Words, hosts: Hosts) -> Endpoint:
    address = None if words.next == "port" else _address(words, hosts)
    return Endpoint(address, words.whole("a port", 1, 65_535) if words.take("port") else None)


def _address(words: Words, hosts: Hosts) -> IPv4Address:
    known = hosts.address(words.next)
    if known:
        words.text()
        return known
    try:
        address = IPv4Address(words.next)
    except AddressValueError:
        words.refuse(f"expected a host whose packets pass the isp ({listed(list(hosts.addresses))}), or an address")
    words.text()
    return address
