"""What the response of a zone's server may tell, and what in it is none of that server's business. Pure.

A server that was asked as the server of a zone is believed only about names in that zone (its bailiwick), and only
where it speaks to the question: everything else in a response is dropped here, before any cache sees it.

RFC 1034 5.3.3 (the cases), 2308 2 (negative answers), 2181 5.4.1 (glue is no answer).
"""

from __future__ import annotations

from dataclasses import dataclass

from hostkit.dns_query import Name, Rcode, Type, is_below
from hostkit.dns_reply import RRset
from resolver.messages import Question, Response


@dataclass(frozen=True, slots=True)
class Delegation:
    """Who serves `zone`: addresses that are known, and names of servers whose address has to be found out."""

    zone: Name
    addresses: tuple[str, ...]
    unaddressed: tuple[Name, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Negative:
    """There is no such name (NXDOMAIN), or no such type there (NODATA: NOERROR); with the SOA that says how long."""

    name: Name
    rcode: Rcode
    soa: RRset | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Where the question's name leads: over these aliases to records, a negative, or out of this zone (None)."""

    aliases: tuple[RRset, ...] = ()
    end: RRset | Negative | None = None


def learned(response: Response, zone: Name, question: Question) -> Finding | Delegation | None:
    """What `response` tells about `question`, from a server of `zone`; None when it is no help (a lame server)."""
    if response.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    if not response.authoritative:
        return _referral(response, zone, question.name)
    aliases, name = _follow(response.answer, zone, question)
    final = _rrset(response.answer, name, question.rtype) if is_below(name, zone) else None
    if final is not None:
        return Finding(aliases, final)
    if not is_below(name, zone):
        return Finding(aliases)
    soa = _negative_soa(response, zone, name)
    if response.rcode == Rcode.NXDOMAIN or soa is not None:
        return Finding(aliases, Negative(name, Rcode(response.rcode), soa))
    if aliases:
        return Finding(aliases)
    return _referral(response, zone, name) or Finding(end=Negative(name, Rcode.NOERROR, None))


def alias_target(cname: RRset) -> Name:
    """The name a CNAME RRset points to."""
    return _name(cname.data[0])


def _name(data: object) -> Name:
    return tuple(label.lower() for label in data.label.label)  # type: ignore[attr-defined]  # dnslib is untyped


def _rrset(section: tuple[RRset, ...], name: Name, rtype: int) -> RRset | None:
    return next((rrset for rrset in section if rrset.name == name and rrset.rtype == rtype), None)


def _follow(answer: tuple[RRset, ...], zone: Name, question: Question) -> tuple[tuple[RRset, ...], Name]:
    """The aliases from the question's name on, as far as they are in the bailiwick and no loop; and where they lead."""
    aliases: list[RRset] = []
    name = question.name
    while question.rtype != Type.CNAME and is_below(name, zone) and all(alias.name != name for alias in aliases):
        cname = _rrset(answer, name, Type.CNAME)
        if cname is None:
            break
        aliases.append(cname)
        name = alias_target(cname)
    return tuple(aliases), name


def _negative_soa(response: Response, zone: Name, name: Name) -> RRset | None:
    """The SOA of a negative answer, its TTL the negative answer's own (RFC 2308 5)."""
    for rrset in response.authority:
        if rrset.rtype == Type.SOA and is_below(rrset.name, zone) and is_below(name, rrset.name):
            minimum: int = rrset.data[0].times[4]
            return RRset(rrset.name, Type.SOA, min(rrset.ttl, minimum), rrset.data)
    return None


def _referral(response: Response, zone: Name, name: Name) -> Delegation | None:
    """The way down that `response` shows, if it leads from `zone` towards `name`."""
    for cut in response.authority:
        if cut.rtype == Type.NS and len(cut.name) > len(zone) and is_below(cut.name, zone) and is_below(name, cut.name):
            return _delegation(cut, response.additional, zone)
    return None


def _delegation(cut: RRset, additional: tuple[RRset, ...], zone: Name) -> Delegation:
    addresses: list[str] = []
    unaddressed: list[Name] = []
    ttl = cut.ttl
    for data in cut.data:
        server = _name(data)
        glue = _rrset(additional, server, Type.A) if is_below(server, zone) else None
        if glue is not None:
            addresses += [str(address) for address in glue.data]
            ttl = min(ttl, glue.ttl)
        elif not is_below(server, cut.name):  # below the cut without glue: nobody could ever be asked for it
            unaddressed.append(server)
    return Delegation(cut.name, tuple(addresses), tuple(unaddressed), ttl)
