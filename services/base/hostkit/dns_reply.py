"""From resource records to the octets of an answer: case echoed, EDNS, truncation. Pure; needs dnslib.

RFC 1035 4.1, 2181 9 (TC), 6891 (EDNS), 8482 (ANY).
"""

from __future__ import annotations

from dataclasses import dataclass

from dnslib import RD as Data
from dnslib import RR, DNSHeader, DNSLabel, DNSQuestion, DNSRecord

from hostkit.dns_query import AA, HEADER, RA, TC, Name, Query, Rcode, Type, error, opt_record, response_flags

LARGEST_MESSAGE = 0x3FFF  # octets; a compression pointer reaches no further, and dnslib would write it all the same


@dataclass(frozen=True, slots=True)
class RRset:
    """All records of one name and type (RFC 2181 5); TTL in seconds, data as dnslib's RD objects, never changed."""

    name: Name
    rtype: int
    ttl: int
    data: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it has a wire format."""

    rcode: Rcode
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    authoritative: bool = False
    recursion_available: bool = False


def pack(query: Query, reply: Reply, limit: int) -> bytes:
    """The octets of `reply` to `query`, at most `limit` of them.

    What does not fit is left out altogether and TC set: the requestor asks again over TCP (RFC 2181 9). An
    answer over `LARGEST_MESSAGE` becomes SERVFAIL.
    """
    message = _pack_whole(query, reply)
    if len(message) > LARGEST_MESSAGE:
        return error(query, Rcode.SERVFAIL, recursion_available=reply.recursion_available)
    if len(message) <= limit:
        return message
    return HEADER.pack(query.id, _flags(query, reply) | TC, 1, 0, 0, 0 if query.edns is None else 1) + (
        query.question + opt_record(query, reply.rcode)
    )


def minimal_any(name: Name) -> RRset:
    """The answer to a question for ANY (RFC 8482 4.2): says why there is no more, and is short."""
    return RRset(name, Type.HINFO, 3600, (Data(b"\x07RFC8482\x00"),))


def _flags(query: Query, reply: Reply) -> int:
    flags = response_flags(query, reply.rcode)
    return flags | (AA if reply.authoritative else 0) | (RA if reply.recursion_available else 0)


def _pack_whole(query: Query, reply: Reply) -> bytes:
    record = DNSRecord(
        DNSHeader(id=query.id, bitmap=_flags(query, reply)),
        questions=[DNSQuestion(DNSLabel(query.name), query.rtype, query.rclass)],
        rr=_records(reply.answer),
        auth=_records(reply.authority),
        ar=_records(reply.additional),
    )
    message = bytes(record.pack())
    if query.edns is not None:
        message = (
            message[:10] + (record.header.ar + 1).to_bytes(2, "big") + message[12:] + opt_record(query, reply.rcode)
        )
    # Packed with the name in lower case, so that dnslib's compression, which minds case, finds it again;
    # owner names then point at the requestor's own spelling.
    return message[: HEADER.size] + query.question + message[HEADER.size + len(query.question) :]


def _records(rrsets: tuple[RRset, ...]) -> list[RR]:
    return [RR(DNSLabel(rrset.name), rrset.rtype, ttl=rrset.ttl, rdata=data) for rrset in rrsets for data in rrset.data]
