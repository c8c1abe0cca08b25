"""From a master file (RFC 1035 5) to a zone that can be served. Pure: text and a mapping of variables in.

The text is dnslib's dialect of a master file, with ${VARIABLE} replaced first. A name-server with a zone that
contradicts itself would answer wrongly for ever, so everything that can be told at start is told then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dnslib import RR, ZoneParser

from hostkit.dns_query import CLASS_IN, Name, Type, is_below, name_to_text
from hostkit.dns_reply import RRset

Node = Mapping[int, RRset]
"""The RRsets of one name, by type; empty for a name that only has names below it (RFC 8020)."""


class ZoneError(ValueError):
    """The master file cannot be served; the text says which record or variable is wrong, and why."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: the name at its top, its SOA, and the node of every name in it, glue and empty ones included."""

    apex: Name
    soa: RRset
    nodes: Mapping[Name, Node]


def zone_from_text(text: str, variables: Mapping[str, str]) -> Zone:
    """The zone that the master file `text` describes. Raises ZoneError."""
    records = list(_records(_filled_in(text, variables)))
    apexes = [_owner(record) for record in records if record.rtype == Type.SOA]
    if len(apexes) != 1:
        raise ZoneError(f"expected exactly one SOA record, found {len(apexes)}")
    apex = apexes[0]
    nodes: dict[Name, dict[int, RRset]] = {}
    for record in records:
        _add(nodes, record, apex)
    for name in list(nodes):
        for depth in range(1, len(name) - len(apex)):
            nodes.setdefault(name[depth:], {})
    zone = Zone(apex, nodes[apex][Type.SOA], nodes)
    _check(zone)
    return zone


def delegation_above(zone: Zone, name: Name) -> RRset | None:
    """The NS RRset of the zone cut at or over `name`, the one nearest the apex; None when `zone` itself has it."""
    for depth in range(len(name) - len(zone.apex) - 1, -1, -1):
        cut = zone.nodes.get(name[depth:], {}).get(Type.NS)
        if cut is not None:
            return cut
    return None


def glue(zone: Zone, name_servers: RRset) -> tuple[RRset, ...]:
    """The addresses that `zone` knows of these name servers."""
    found = (zone.nodes.get(target(data), {}).get(Type.A) for data in name_servers.data)
    return tuple(addresses for addresses in found if addresses is not None)


def target(data: object) -> Name:
    """The name that NS or CNAME data holds."""
    return tuple(label.lower() for label in data.label.label)  # type: ignore[attr-defined]  # dnslib is untyped


def _filled_in(text: str, variables: Mapping[str, str]) -> str:
    """The text with each ${VARIABLE} replaced; $TTL and $ORIGIN are the master file's own words."""

    def value(variable: re.Match[str]) -> str:
        if variable[1] not in variables:
            line = text.count("\n", 0, variable.start()) + 1
            raise ZoneError(f"line {line}: {variable[0]} is not in the environment")
        return variables[variable[1]]

    return re.sub(r"\$\{([^}\n]*)\}?", value, text)


def _records(text: str) -> Iterator[RR]:
    # dnslib takes a line of blanks, or an indented comment, for a record without a type.
    parser = ZoneParser(re.sub(r"^[ \t]+(;.*)?$", "", text, flags=re.MULTILINE))
    last = "the start of the file"
    records = iter(parser)
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except Exception as fault:  # dnslib raises what its parts raise: ValueError, IndexError, DNSError, ...
            raise ZoneError(f"cannot read the record after {last}: {fault}") from fault
        last = str(record)
        yield record


def _owner(record: RR) -> Name:
    return tuple(label.lower() for label in record.rname.label)


def _add(nodes: dict[Name, dict[int, RRset]], record: RR, apex: Name) -> None:
    name = _owner(record)
    if not is_below(name, apex):
        raise ZoneError(f"{record}: not in zone {name_to_text(apex)}")
    if record.rclass != CLASS_IN:
        raise ZoneError(f"{record}: only class IN is served")
    if record.rtype in (Type.NS, Type.CNAME) and target(record.rdata)[:1] == (b"@",):
        raise ZoneError(f"{record}: dnslib knows @ only as a record's owner; write {name_to_text(apex)}")
    node = nodes.setdefault(name, {})
    known = node.get(record.rtype)
    if known is not None and known.ttl != record.ttl:
        raise ZoneError(f"{record}: its RRset has TTL {known.ttl} already (RFC 2181 5.2)")
    data = (record.rdata,) if known is None else (*known.data, record.rdata)
    node[record.rtype] = RRset(name, record.rtype, record.ttl, data)


def _check(zone: Zone) -> None:
    if Type.NS not in zone.nodes[zone.apex]:
        raise ZoneError(f"{name_to_text(zone.apex)} has no NS record")
    for name, node in zone.nodes.items():
        if Type.CNAME in node and (len(node) > 1 or len(node[Type.CNAME].data) > 1):
            raise ZoneError(f"{name_to_text(name)} has a CNAME and other data (RFC 1034 3.6.2)")
    for cut in _name_servers(zone.nodes.values()):
        for data in cut.data:
            if is_below(target(data), cut.name) and Type.A not in zone.nodes.get(target(data), {}):
                server = name_to_text(target(data))
                raise ZoneError(f"{name_to_text(cut.name)} NS {server}: its A record is missing, and only we have it")


def _name_servers(nodes: Iterable[Node]) -> Iterator[RRset]:
    return (node[Type.NS] for node in nodes if Type.NS in node)
