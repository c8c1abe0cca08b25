"""DNS messages, their records divided into sections by the header's counts."""

from __future__ import annotations

from observer.dissect.fields import Fields
from observer.messages import DnsMessage, ResourceRecord

_RR_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 15: "MX", 16: "TXT", 28: "AAAA", 41: "OPT", 65: "HTTPS"}
_RR_DATA = {"A": "dns.a", "AAAA": "dns.aaaa", "CNAME": "dns.cname", "NS": "dns.ns"}


def dns_message(fields: Fields) -> DnsMessage | None:
    if not fields.has("dns.id") or fields.quotes_another:
        return None
    records = _resource_records(fields)
    answers = fields.number("dns.count.answers") or 0
    authorities = answers + (fields.number("dns.count.auth_rr") or 0)
    return DnsMessage(
        id=fields.number("dns.id") or 0,
        is_response=fields.true("dns.flags.response"),
        name=fields.first("dns.qry.name") or "",
        type=_rr_type(fields.number("dns.qry.type") or 0),
        response_code=fields.number("dns.flags.rcode") or 0,
        authoritative=fields.true("dns.flags.authoritative"),
        truncated=fields.true("dns.flags.truncated"),
        recursion_desired=fields.true("dns.flags.recdesired"),
        answers=records[:answers],
        authorities=records[answers:authorities],
        additionals=records[authorities:],
    )


def _resource_records(fields: Fields) -> tuple[ResourceRecord, ...]:
    data = {kind: iter(fields.all(name)) for kind, name in _RR_DATA.items()}
    types = [_rr_type(number) for number in fields.numbers("dns.resp.type")]
    names = fields.all("dns.resp.name")
    # OPT reuses the TTL's place for flags (RFC 6891, section 6.1.3): tshark prints no TTL for it.
    lifetimes = iter(fields.numbers("dns.resp.ttl"))
    return tuple(
        ResourceRecord(
            name=name,
            type=kind,
            ttl=0 if kind == "OPT" else next(lifetimes, 0),
            data=next(data[kind], None) if kind in data else None,
        )
        for name, kind in zip(names, types, strict=False)
    )


def _rr_type(number: int) -> str:
    return _RR_TYPES.get(number, f"TYPE{number}")  # RFC 3597, section 5
