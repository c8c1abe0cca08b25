"""What an authoritative server answers to a well-formed query. Pure: RFC 1034 4.3.2, 2308, 4592, 8482."""

from __future__ import annotations

from collections.abc import Mapping

from hostkit.dns_query import CLASS_IN, META_TYPES, Name, Query, Rcode, Type
from hostkit.dns_reply import Reply, RRset, minimal_any
from nameserver.zonefile import Node, Zone, delegation_above, glue, target

Zones = Mapping[Name, Zone]
"""Zones by the name of their apex."""


def reply_to(query: Query, zones: Zones) -> Reply:
    """The reply to `query`: from these zones, a referral below them, or REFUSED."""
    zone = _zone_of(query.name, zones)
    if zone is None or query.rclass != CLASS_IN or query.rtype in META_TYPES:
        return Reply(Rcode.REFUSED)
    cut = delegation_above(zone, query.name)
    if cut is not None and not (query.rtype == Type.DS and query.name == cut.name):
        return Reply(Rcode.NOERROR, authority=(cut,), additional=glue(zone, cut))
    return _authoritative(query.name, query.rtype, zones)


def _zone_of(name: Name, zones: Zones) -> Zone | None:
    """The deepest of our zones that `name` lies in."""
    for depth in range(len(name) + 1):
        zone = zones.get(name[depth:])
        if zone is not None:
            return zone
    return None


def _authoritative(name: Name, rtype: int, zones: Zones) -> Reply:
    chain: list[RRset] = []
    while True:
        zone = _zone_of(name, zones)
        if zone is None or (chain and delegation_above(zone, name) is not None):
            return Reply(Rcode.NOERROR, tuple(chain), authoritative=True)  # the rest is for others to say
        node = _node(zone, name)
        if node is None:
            return Reply(Rcode.NXDOMAIN, tuple(chain), (_negative_soa(zone),), authoritative=True)
        if rtype == Type.ANY and node:
            return Reply(Rcode.NOERROR, (*chain, minimal_any(name)), authoritative=True)
        if rtype in node:
            answer = node[rtype]
            additional = glue(zone, answer) if rtype == Type.NS else ()
            return Reply(Rcode.NOERROR, (*chain, answer), additional=additional, authoritative=True)
        if Type.CNAME not in node:
            return Reply(Rcode.NOERROR, tuple(chain), (_negative_soa(zone),), authoritative=True)
        chain.append(node[Type.CNAME])
        name = target(node[Type.CNAME].data[0])
        if any(name == alias.name for alias in chain):
            return Reply(Rcode.NOERROR, tuple(chain), authoritative=True)  # a loop: the requestor sees that it is one


def _node(zone: Zone, name: Name) -> Node | None:
    """The node of `name`, or one made from the wildcard at its closest encloser (RFC 4592 3.3.1)."""
    if name in zone.nodes:
        return zone.nodes[name]
    depth = next(depth for depth in range(1, len(name) + 1) if name[depth:] in zone.nodes)
    wildcard = zone.nodes.get((b"*", *name[depth:]))
    if wildcard is None:
        return None
    return {rtype: RRset(name, rtype, rrset.ttl, rrset.data) for rtype, rrset in wildcard.items()}


def _negative_soa(zone: Zone) -> RRset:
    """The SOA that says how long an answer's "there is no such thing" holds (RFC 2308 3)."""
    minimum: int = zone.soa.data[0].times[4]
    return RRset(zone.apex, Type.SOA, min(zone.soa.ttl, minimum), zone.soa.data)
