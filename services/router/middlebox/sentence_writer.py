"""Faults to sentences: the one spelling that `sentence_reader` reads back as the same fault. Pure."""

from __future__ import annotations

import json
from decimal import Decimal

from middlebox.faults import (
    ANYONE,
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
from middlebox.words import ordinal

_NS_PER_MS = 1_000_000


def write_sentence(fault: Fault, hosts: Hosts) -> str:
    """`fault` as a person would ask for it."""
    route = _route(fault.match, hosts)
    unit = fault.match.unit.value
    match fault:
        case Lose():
            seed = f" with seed {fault.seed}" if fault.seed else ""
            return f"lose {_plain(Decimal(repr(fault.percent)))} % of every {unit}{route}{seed}"
        case Hold(overtaken_by=1):
            return f"swap the {ordinal(fault.position)} and {ordinal(fault.position + 1)} {unit}{route}"
        case Hold():
            return f"hold the {ordinal(fault.position)} {unit}{route} until {fault.overtaken_by} more have passed"
        case _:
            which = f"{_which(fault.positions)} {unit}{route}"
    match fault:
        case Drop():
            return f"drop {which}"
        case Delay():
            return f"delay {which} by {_plain(Decimal(fault.delay_ns) / _NS_PER_MS)} ms"
        case Flip():
            mask = f" with mask {fault.mask}" if fault.mask != 0xFF else ""
            return f"flip {_byte(fault.offset)} in {which}{mask}"
        case Corrupt():
            return f"corrupt {which}"
        case Duplicate():
            return f"duplicate {which}"
        case Replace():
            return f"replace {_quoted(fault.old)} by {_quoted(fault.new)} in {which}"


def _which(positions: Positions) -> str:
    first = ordinal(positions.first)
    match positions:
        case Positions(first=1, count=None):
            return "every"
        case Positions(count=None):
            return f"the {first} and every later"
        case Positions(count=1):
            return f"the {first}"
        case Positions(count=int(count)):
            between = "and" if count == 2 else "to"
            return f"the {first} {between} {ordinal(positions.first + count - 1)}"
    raise AssertionError(positions)


def _byte(offset: int) -> str:
    if offset == LAST_BYTE:
        return "one byte"
    return f"the byte at offset {offset}" if offset >= 0 else f"the {ordinal(-offset)} last byte"


def _route(match: Match, hosts: Hosts) -> str:
    if match.both_ways and ANYONE not in (match.source, match.destination):
        return f" between {_end(match.source, hosts)} and {_end(match.destination, hosts)}"
    source = "" if match.source == ANYONE else f" from {_end(match.source, hosts)}"
    destination = "" if match.destination == ANYONE else f" to {_end(match.destination, hosts)}"
    return f"{source}{destination}{' each way' if match.both_ways else ''}"


def _end(endpoint: Endpoint, hosts: Hosts) -> str:
    host = "" if endpoint.address is None else hosts.name(endpoint.address) or str(endpoint.address)
    port = "" if endpoint.port is None else f"port {endpoint.port}"
    return " ".join(part for part in (host, port) if part)


def _quoted(text: bytes) -> str:
    return json.dumps(text.decode(), ensure_ascii=False)


def _plain(number: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
