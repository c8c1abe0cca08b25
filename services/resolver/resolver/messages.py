"""The resolver's own queries and the responses to them, between octets and frozen types. Pure.

RFC 1035 4.1; 5452 9.1 (which response belongs to a query); 6891 (EDNS).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dnslib import RR, DNSRecord

from hostkit.dns_query import AA, CLASS_IN, HEADER, OUR_PAYLOAD, QR, TC, Name, Rcode, Type
from hostkit.dns_reply import LARGEST_MESSAGE, RRset

LONGEST_TTL = 86400  # seconds that anything is kept; RFC 8767 4 asks for some such bound
_OPCODE_AND_RCODE = 0x780F


class NotTheAnswer(ValueError):
    """These octets are not a response to the query that was sent; the text says in what they differ."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in class IN."""

    name: Name
    rtype: int


@dataclass(frozen=True, slots=True)
class Response:
    """A server's response. Without sections when it is truncated: those are asked for again over TCP."""

    rcode: int
    authoritative: bool = False
    truncated: bool = False
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()


def pack_query(question: Question, identifier: int, *, edns: bool) -> bytes:
    """A query that asks for no recursion: the walk is the resolver's own work."""
    opt = struct.pack("!BHHIH", 0, Type.OPT, OUR_PAYLOAD, 0, 0) if edns else b""
    return HEADER.pack(identifier, 0, 1, 0, 0, 1 if edns else 0) + _wire_question(question) + opt


def read_response(wire: bytes, question: Question, identifier: int) -> Response:
    """The response in these octets. Raises NotTheAnswer for any octets that are not one to this query."""
    if not HEADER.size <= len(wire) <= LARGEST_MESSAGE:
        raise NotTheAnswer(f"{len(wire)} octets, expected {HEADER.size} to {LARGEST_MESSAGE}")
    found, flags, questions = struct.unpack_from("!HHH", wire)
    if found != identifier or not flags & QR or flags & _OPCODE_AND_RCODE & ~0xF:
        raise NotTheAnswer(f"ID {found:#06x}, flags {flags:#06x}: expected a response with ID {identifier:#06x}")
    rcode = flags & 0xF
    if questions == 0 and rcode in (Rcode.FORMERR, Rcode.NOTIMP):
        return Response(rcode)  # the server could not read as far as the question
    expected = _wire_question(question)
    if questions != 1 or wire[HEADER.size : HEADER.size + len(expected)].lower() != expected.lower():
        raise NotTheAnswer(f"expected the question {expected!r}, found {wire[HEADER.size :][: len(expected)]!r}")
    if flags & TC:
        return Response(rcode, truncated=True)
    try:
        message = DNSRecord.parse(wire)
    except Exception as fault:  # dnslib raises what its parts raise: DNSError, UnicodeDecodeError, IndexError, ...
        raise NotTheAnswer(f"malformed: {type(fault).__name__}: {fault}") from fault
    sections = (_rrsets(section) for section in (message.rr, message.auth, message.ar))
    return Response(rcode, bool(flags & AA), False, *sections)


def _wire_question(question: Question) -> bytes:
    name = b"".join(bytes((len(label),)) + label for label in question.name) + b"\x00"
    return name + struct.pack("!HH", question.rtype, CLASS_IN)


def _rrsets(records: list[RR]) -> tuple[RRset, ...]:
    """Records of class IN by name and type, in the order of their first; an RRset's TTL is its smallest."""
    grouped: dict[tuple[Name, int], list[RR]] = {}
    for record in records:
        if record.rtype != Type.OPT and record.rclass == CLASS_IN:
            name = tuple(label.lower() for label in record.rname.label)
            grouped.setdefault((name, record.rtype), []).append(record)
    return tuple(
        RRset(name, rtype, min(_ttl(r.ttl) for r in group), tuple(r.rdata for r in group))
        for (name, rtype), group in grouped.items()
    )


def _ttl(on_the_wire: int) -> int:
    """RFC 2181 8: with the top bit set it counts as zero."""
    return 0 if on_the_wire >> 31 else min(on_the_wire, LONGEST_TTL)
