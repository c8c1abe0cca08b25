"""Faults as JSON objects, both ways.

    {"kind": "drop",  "match": {...}, "nth": 3, "count": 1}
    {"kind": "lose",  "match": {...}, "percent": 2.5, "seed": 7}
    {"kind": "delay", "match": {...}, "delay_ms": 25}
    {"kind": "flip",  "match": {...}, "nth": 1, "offset": 100, "mask": 255}

    match: {"protocol": "tcp"|"udp", "from": {"address": ip, "port": int}, "to": {...}, "both_ways": bool,
            "carries_data": bool}, every part of it optional

Pure. What cannot be read raises BadRequest, which names the place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from hostkit.agent import BadRequest
from middlebox.faults import Delay, Drop, Endpoint, Fault, Flip, Lose, Match
from middlebox.packet import Protocol

Json = Mapping[str, Any]

_LONGEST_DELAY_MS = 10_000
_MOST = 1 << 31
_LARGEST_PAYLOAD = 65_507
"""Bytes: what IPv4 leaves to UDP."""


def read_faults(request: Json) -> tuple[Fault, ...]:
    """The faults in {"faults": [...]}."""
    _known(request, {"faults"}, "the request")
    listed = request.get("faults")
    if not isinstance(listed, list):
        raise BadRequest(f"faults: expected a list, found {type(listed).__name__}")
    return tuple(_fault(entry, f"faults[{index}]") for index, entry in enumerate(listed))


def write_fault(fault: Fault) -> dict[str, Any]:
    """The object that `read_faults` reads as `fault`."""
    match fault:
        case Drop():
            parts: dict[str, Any] = {"kind": "drop", "nth": fault.nth, "count": fault.count}
        case Lose():
            parts = {"kind": "lose", "percent": fault.percent, "seed": fault.seed}
        case Delay():
            parts = {"kind": "delay", "delay_ms": fault.delay_ns / 1_000_000}
        case Flip():
            parts = {"kind": "flip", "nth": fault.nth, "offset": fault.offset, "mask": fault.mask}
    return {**parts, "match": _write_match(fault.match)}


def _fault(entry: object, where: str) -> Fault:
    parts = _object(entry, where)
    match = _match(parts.get("match", {}), f"{where}.match")
    kind = parts.get("kind")
    if kind == "drop":
        _known(parts, {"kind", "match", "nth", "count"}, where)
        return Drop(match, nth=_whole(parts, "nth", 1, where), count=_whole(parts, "count", 1, where))
    if kind == "lose":
        _known(parts, {"kind", "match", "percent", "seed"}, where)
        percent = _number(parts, "percent", 100, where)
        return Lose(match, percent, seed=_whole(parts, "seed", 0, where, default=0))
    if kind == "delay":
        _known(parts, {"kind", "match", "delay_ms"}, where)
        return Delay(match, round(_number(parts, "delay_ms", _LONGEST_DELAY_MS, where) * 1_000_000))
    if kind == "flip":
        _known(parts, {"kind", "match", "nth", "offset", "mask"}, where)
        return Flip(
            match,
            offset=_whole(parts, "offset", 0, where, default=None, most=_LARGEST_PAYLOAD),
            nth=_whole(parts, "nth", 1, where),
            mask=_whole(parts, "mask", 1, where, default=0xFF, most=0xFF),
        )
    raise BadRequest(f"{where}.kind: expected drop, lose, delay or flip, found {kind!r}")


def _match(entry: object, where: str) -> Match:
    parts = _object(entry, where)
    _known(parts, {"protocol", "from", "to", "both_ways", "carries_data"}, where)
    name = parts.get("protocol")
    if name not in (None, "tcp", "udp"):
        raise BadRequest(f"{where}.protocol: expected tcp or udp, found {name!r}")
    return Match(
        protocol=Protocol[name.upper()] if name else None,
        source=_endpoint(parts.get("from", {}), f"{where}.from"),
        destination=_endpoint(parts.get("to", {}), f"{where}.to"),
        both_ways=_flag(parts, "both_ways", where),
        carries_data=_flag(parts, "carries_data", where),
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
        "protocol": match.protocol.name.lower() if match.protocol else None,
        "from": _write_endpoint(match.source),
        "to": _write_endpoint(match.destination),
        "both_ways": match.both_ways,
        "carries_data": match.carries_data,
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


def _whole(parts: Json, name: str, least: int, where: str, *, default: int | None = 1, most: int = _MOST) -> int:
    value = parts.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"{where}.{name}: expected a whole number from {least} to {most}, found {value!r}")
    return value


def _number(parts: Json, name: str, most: float, where: str) -> float:
    value = parts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadRequest(f"{where}.{name}: expected a number from 0 to {most}, found {value!r}")
    return float(value)
