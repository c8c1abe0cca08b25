"""Faults as JSON objects, both ways; a sentence may stand in the place of any.

    {"kind": "drop",      "match": {...}, "first": 3, "count": 1}
    {"kind": "lose",      "match": {...}, "percent": 2.5, "seed": 7}
    {"kind": "delay",     "match": {...}, "first": 1, "count": null, "delay_ms": 25}
    {"kind": "flip",      "match": {...}, "first": 5, "count": 1, "offset": -1, "mask": 255}
    {"kind": "corrupt",   "match": {...}, "first": 3, "count": 1}
    {"kind": "duplicate", "match": {...}, "first": 2, "count": 1}
    {"kind": "hold",      "match": {...}, "position": 2, "overtaken_by": 1}
    {"kind": "replace",   "match": {...}, "first": 1, "count": null, "old": "text", "new": "next"}

    match: {"unit": "data segment", "from": {"address": ip, "port": int}, "to": {...}, "both_ways": bool},
           every part of it optional; units are those of `units`
    count: null for all from the first on

Pure. What cannot be read raises BadRequest, which names the place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from hostkit.agent import BadRequest
from middlebox.faults import (
    EVERY,
    FIRST,
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
from middlebox.sentence_reader import LARGEST_PAYLOAD, LONGEST_DELAY_MS, read_sentence
from middlebox.units import Unit
from middlebox.words import MOST, listed

Json = Mapping[str, Any]


def read_faults(request: Json, hosts: Hosts) -> tuple[Fault, ...]:
    """The faults in {"faults": [...]}, each an object or a sentence."""
    _known(request, {"faults"}, "the request")
    entries = request.get("faults")
    if not isinstance(entries, list):
        raise BadRequest(f"faults: expected a list, found {type(entries).__name__}")
    return tuple(
        read_sentence(entry, hosts) if isinstance(entry, str) else _fault(entry, f"faults[{index}]")
        for index, entry in enumerate(entries)
    )


def write_fault(fault: Fault) -> dict[str, Any]:
    """The object that `read_faults` reads as `fault`."""
    parts: dict[str, Any] = {"kind": type(fault).__name__.lower(), "match": _write_match(fault.match)}
    match fault:
        case Lose():
            return {**parts, "percent": fault.percent, "seed": fault.seed}
        case Hold():
            return {**parts, "position": fault.position, "overtaken_by": fault.overtaken_by}
    parts |= {"first": fault.positions.first, "count": fault.positions.count}
    match fault:
        case Delay():
            return {**parts, "delay_ms": fault.delay_ns / 1_000_000}
        case Flip():
            return {**parts, "offset": fault.offset, "mask": fault.mask}
        case Replace():
            return {**parts, "old": fault.old.decode(), "new": fault.new.decode()}
    return parts


def _fault(entry: object, where: str) -> Fault:
    parts = _object(entry, where)
    kind = parts.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BadRequest(f"{where}.kind: expected {listed(list(_KINDS))}, found {kind!r}")
    names, read = _KINDS[kind]
    _known(parts, {"kind", "match", *names}, where)
    return read(parts, _match(parts.get("match", {}), f"{where}.match"), where)


def _lose(parts: Json, match: Match, where: str) -> Fault:
    return Lose(match, _number(parts, "percent", 100, where), _whole(parts, "seed", 0, where, default=0))


def _delay(parts: Json, match: Match, where: str) -> Fault:
    delay_ns = round(_number(parts, "delay_ms", LONGEST_DELAY_MS, where) * 1_000_000)
    return Delay(match, delay_ns, _positions(parts, EVERY, where))


def _flip(parts: Json, match: Match, where: str) -> Fault:
    offset = _whole(parts, "offset", -LARGEST_PAYLOAD, where, default=LAST_BYTE, most=LARGEST_PAYLOAD)
    mask = _whole(parts, "mask", 1, where, default=0xFF, most=0xFF)
    return Flip(match, _positions(parts, FIRST, where), offset, mask)


def _hold(parts: Json, match: Match, where: str) -> Fault:
    return Hold(match, _whole(parts, "position", 1, where), _whole(parts, "overtaken_by", 1, where))


def _replace(parts: Json, match: Match, where: str) -> Fault:
    old, new = _text(parts, "old", where), _text(parts, "new", where)
    if not old or len(old) != len(new):
        raise BadRequest(f"{where}.new: expected as many bytes as old has, at least one: {len(old)}, found {len(new)}")
    return Replace(match, old, new, _positions(parts, EVERY, where))


_PLACE = {"first", "count"}
_KINDS: dict[str, tuple[set[str], Callable[[Json, Match, str], Fault]]] = {
    "drop": (_PLACE, lambda parts, match, where: Drop(match, _positions(parts, FIRST, where))),
    "lose": ({"percent", "seed"}, _lose),
    "delay": (_PLACE | {"delay_ms"}, _delay),
    "flip": (_PLACE | {"offset", "mask"}, _flip),
    "corrupt": (_PLACE, lambda parts, match, where: Corrupt(match, _positions(parts, FIRST, where))),
    "duplicate": (_PLACE, lambda parts, match, where: Duplicate(match, _positions(parts, FIRST, where))),
    "hold": ({"position", "overtaken_by"}, _hold),
    "replace": (_PLACE | {"old", "new"}, _replace),
}
"""Per kind: what its object has beside kind and match, and who reads it."""


def _positions(parts: Json, default: Positions, where: str) -> Positions:
    first = _whole(parts, "first", 1, where, default=default.first)
    if parts.get("count", default.count) is None:
        return Positions(first, None)
    return Positions(first, _whole(parts, "count", 1, where, default=default.count))


def _match(entry: object, where: str) -> Match:
    parts = _object(entry, where)
    _known(parts, {"unit", "from", "to", "both_ways"}, where)
    name = parts.get("unit", Unit.PACKET.value)
    if name not in [unit.value for unit in Unit]:
        raise BadRequest(f"{where}.unit: expected {listed([unit.value for unit in Unit])}, found {name!r}")
    return Match(
        Unit(name),
        source=_endpoint(parts.get("from", {}), f"{where}.from"),
        destination=_endpoint(parts.get("to", {}), f"{where}.to"),
        both_ways=_flag(parts, "both_ways", where),
    )


def _endpoint(entry: object, where: str) -> Endpoint:
    parts = _object(entry, where)
    _known(parts, {"address", "port"}, where)
    text = parts.get("address")
    try:
        address = None if text is None else IPv4Address(text if isinstance(text, str) else repr(text))
    except AddressValueError:
        raise BadRequest(f"{where}.address: expected an IPv4 address, found {text!r}") from None
    return Endpoint(address, _whole(parts, "port", 1, where, most=65_535) if "port" in parts else None)


def _write_match(match: Match) -> dict[str, Any]:
    return {
        "unit": match.unit.value,
        "from": _write_endpoint(match.source),
        "to": _write_endpoint(match.destination),
        "both_ways": match.both_ways,
    }


def _write_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address = {"address": str(endpoint.address)} if endpoint.address else {}
    port = {"port": endpoint.port} if endpoint.port else {}
    return {**address, **port}


def _object(entry: object, where: str) -> Json:
    if not isinstance(entry, dict):
        raise BadRequest(f"{where}: expected an object, found {type(entry).__name__}")
    return entry


def _known(parts: Json, names: Collection[str], where: str) -> None:
    unknown = sorted(set(parts) - set(names))
    if unknown:
        raise BadRequest(f"{where}: unknown {unknown[0]!r}; known: {', '.join(sorted(names))}")


def _flag(parts: Json, name: str, where: str) -> bool:
    value = parts.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{where}.{name}: expected true or false, found {value!r}")
    return value


def _whole(parts: Json, name: str, least: int, where: str, *, default: int | None = 1, most: int = MOST) -> int:
    value = parts.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"{where}.{name}: expected a whole number from {least} to {most}, found {value!r}")
    return value


def _number(parts: Json, name: str, most: float, where: str) -> float:
    value = parts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadRequest(f"{where}.{name}: expected a number from 0 to {most}, found {value!r}")
    return float(value)


def _text(parts: Json, name: str, where: str) -> bytes:
    value = parts.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{where}.{name}: expected a text, found {value!r}")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{where}.{name}: expected a text, found half a surrogate pair") from None
