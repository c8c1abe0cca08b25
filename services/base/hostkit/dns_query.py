"""What a DNS server must know of a query before it looks for an answer, and the answers that need no looking.

Pure: bytes in, values or bytes out. It reads the wire format itself, without dnslib, because a server meets any
bytes at all and has to tell "malformed" from its own faults: `judge` never raises.

RFC 1035 4.1 (message format), 6891 (EDNS), 9619 (a query has exactly one question).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

Name = tuple[bytes, ...]
"""Labels in lower case, most specific first; () is the root. RFC 4343: names compare without case."""

CLASS_IN = 1
OUR_PAYLOAD = 1232  # octets; what fits a 1280 octet IPv6 MTU, and any path of ours, without fragments

HEADER = struct.Struct("!HHHHHH")
_QUESTION_TAIL = struct.Struct("!HH")
_RECORD_FIXED = struct.Struct("!HHIH")  # TYPE, CLASS, TTL, RDLENGTH
_OPT = struct.Struct("!BHHIH")

QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
_OPCODE_MASK = 0x7800
_DNSSEC_OK = 0x8000


class Rcode(IntEnum):
    """RFC 6895 2.3; BADVERS does not fit the header and needs an OPT record."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Type(IntEnum):
    """The record types that the lab's servers treat in a way of their own; any other number is served as data."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    HINFO = 13
    OPT = 41
    DS = 43
    ANY = 255


META_TYPES = frozenset((0, Type.OPT, *range(249, 255)))
"""Types that are never data of a name (RFC 6895 3.1): OPT, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA."""


class MalformedMessage(ValueError):
    """The octets are no DNS message; the text says where they stop being one."""


@dataclass(frozen=True, slots=True)
class Edns:
    """What the requestor's OPT record said: UDP payload size in octets, and whether it takes DNSSEC records."""

    payload: int
    dnssec_ok: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A well-formed standard query. `question` is its question section as sent, the name in the requestor's case."""

    id: int
    flags: int
    question: bytes
    name: Name
    rtype: int
    rclass: int
    edns: Edns | None

    @property
    def recursion_desired(self) -> bool:
        return bool(self.flags & RD)

    @property
    def udp_limit(self) -> int:
        """Octets an answer over UDP may have (RFC 1035 4.2.1, RFC 6891 6.2.5)."""
        return 512 if self.edns is None else min(max(self.edns.payload, 512), OUR_PAYLOAD)


def judge(wire: bytes) -> Query | bytes | None:
    """The query in these octets; or, if they hold none, the answer that says so; or None: let them go unanswered.

    Unanswered are what has no header, and responses: answering those would let two servers talk for ever.
    """
    if len(wire) < HEADER.size:
        return None
    identifier, flags, questions, *counts = HEADER.unpack_from(wire)
    if flags & QR:
        return None
    if flags & _OPCODE_MASK:
        return bare_error(wire, Rcode.NOTIMP)
    if questions != 1:
        return bare_error(wire, Rcode.FORMERR)
    try:
        name, end = _read_qname(wire)
        rtype, rclass = _unpack(_QUESTION_TAIL, wire, end)
        end += _QUESTION_TAIL.size
        opt = _find_opt(wire, end, *counts)
    except MalformedMessage:
        return bare_error(wire, Rcode.FORMERR)
    edns = None if opt is None else Edns(opt.rclass, bool(opt.ttl & _DNSSEC_OK))
    query = Query(identifier, flags, wire[HEADER.size : end], name, rtype, rclass, edns)
    version = 0 if opt is None else opt.ttl >> 16 & 0xFF
    return query if version == 0 else error(query, Rcode.BADVERS)


def bare_error(wire: bytes, rcode: Rcode) -> bytes:
    """A header that says `rcode` to a message of which nothing else than its header is to be trusted."""
    identifier, flags = struct.unpack_from("!HH", wire)
    return HEADER.pack(identifier, QR | flags & (_OPCODE_MASK | RD) | rcode, 0, 0, 0, 0)


def error(query: Query, rcode: Rcode, *, recursion_available: bool = False) -> bytes:
    """An answer without records: header, question and, if the query had one, an OPT record."""
    flags = response_flags(query, rcode) | (RA if recursion_available else 0)
    header = HEADER.pack(query.id, flags, 1, 0, 0, 0 if query.edns is None else 1)
    return header + query.question + opt_record(query, rcode)


def response_flags(query: Query, rcode: Rcode) -> int:
    """QR, what is copied from the query (RD, CD) and the header's four bits of `rcode`. AD is never claimed."""
    return QR | query.flags & (RD | CD) | rcode & 0xF


def opt_record(query: Query, rcode: Rcode) -> bytes:
    """The OPT record for an answer: there if and only if the query had one (RFC 6891 6.1.1)."""
    if query.edns is None:
        return b""
    return _OPT.pack(0, Type.OPT, OUR_PAYLOAD, (rcode >> 4) << 24 | query.edns.dnssec_ok * _DNSSEC_OK, 0)


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int  # of its owner name
    fixed: int  # offset of TYPE
    rtype: int
    rclass: int
    ttl: int


def ttl_offsets(message: bytes) -> tuple[int, ...]:
    """Where in a well-formed message the TTL fields of its records stand; an OPT record has none (RFC 6891 6.1.3).

    Raises MalformedMessage when the message ends before its records do.
    """
    _, _, questions, *counts = _unpack(HEADER, message, 0)
    offset = HEADER.size
    for _ in range(questions):
        offset = _skip_name(message, offset) + _QUESTION_TAIL.size
    return tuple(r.fixed + 4 for r in _records(message, offset, sum(counts)) if r.rtype != Type.OPT)


def is_below(name: Name, zone: Name) -> bool:
    """Whether `name` is `zone` or lies under it."""
    return not zone or name[-len(zone) :] == zone


def name_from_text(text: str) -> Name:
    """The name that `text` ("www.example.org.", ASCII, without escapes) writes."""
    return tuple(label for label in text.lower().encode("ascii").split(b".") if label)


def name_to_text(name: Name) -> str:
    """The name as people write it, with octets that are not printable ASCII escaped (RFC 1035 5.1)."""
    return "".join("".join(_printable(octet) for octet in label) + "." for label in name) or "."


def _printable(octet: int) -> str:
    if octet in b".\\":
        return "\\" + chr(octet)
    return chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"


def _find_opt(wire: bytes, offset: int, answers: int, authorities: int, additionals: int) -> _Record | None:
    opt: _Record | None = None
    for position, record in enumerate(_records(wire, offset, answers + authorities + additionals)):
        if record.rtype != Type.OPT:
            continue
        if opt is not None or wire[record.offset] != 0 or position < answers + authorities:
            raise MalformedMessage(
                f"octet {record.offset}: an OPT record that is not the one of the root, in additional"
            )
        opt = record
    return opt


def _records(wire: bytes, offset: int, count: int) -> Iterator[_Record]:
    for _ in range(count):
        fixed = _skip_name(wire, offset)
        rtype, rclass, ttl, rdlength = _unpack(_RECORD_FIXED, wire, fixed)
        end = fixed + _RECORD_FIXED.size + rdlength
        if end > len(wire):
            raise MalformedMessage(f"octet {fixed}: RDLENGTH {rdlength}, and {len(wire)} octets in all")
        yield _Record(offset, fixed, rtype, rclass, ttl)
        offset = end


def _read_qname(wire: bytes) -> tuple[Name, int]:
    """The question's name and the offset after it. No compression: there is no earlier name to point to."""
    labels: list[bytes] = []
    offset = HEADER.size
    while length := _octet(wire, offset):
        if length > 63:
            raise MalformedMessage(f"octet {offset}: a label of {length} octets, the most is 63")
        labels.append(wire[offset + 1 : offset + 1 + length].lower())
        offset += 1 + length
    if offset + 1 - HEADER.size > 255:
        raise MalformedMessage(f"a name of {offset + 1 - HEADER.size} octets, the most is 255")
    return tuple(labels), offset + 1


def _skip_name(wire: bytes, offset: int) -> int:
    while length := _octet(wire, offset):
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            raise MalformedMessage(f"octet {offset}: a label of {length} octets, the most is 63")
        offset += 1 + length
    return offset + 1


def _octet(wire: bytes, offset: int) -> int:
    if offset >= len(wire):
        raise MalformedMessage(f"cut short: octet {offset} of {len(wire)}")
    return wire[offset]


def _unpack(layout: struct.Struct, wire: bytes, offset: int) -> tuple[int, ...]:
    if offset + layout.size > len(wire):
        raise MalformedMessage(f"cut short: octets {offset} to {offset + layout.size} of {len(wire)}")
    return layout.unpack_from(wire, offset)
