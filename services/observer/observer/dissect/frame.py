"""One line of tshark's output as one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from observer.dissect import http1, http_streams
from observer.dissect.dns import dns_message
from observer.dissect.fields import FIELDS, SEPARATOR, DissectionError, Fields, nanoseconds, unescaped
from observer.dissect.quic import quic_packets
from observer.dissect.tls import tls_messages
from observer.dissect.transport import fragment_offset, icmp_message, more_fragments, tcp_segment, udp_datagram
from observer.messages import Frame


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """Type every line of `tshark -T fields` output.

    A frame's link is the interface it was captured on.

    Raises:
        DissectionError: a line with another number of fields, or a field that cannot be read.
    """
    return each_line(lines, lambda values: frame(Fields(values)))


_Read = TypeVar("_Read")
Take = Callable[[list[str]], bool]
"""Sees every line's fields first and may change them; False for those that nobody is to read any more."""


def each_line(lines: Iterable[str], read: Callable[[list[str]], _Read], take: Take | None = None) -> Iterator[_Read]:
    """What `read` makes of each line's fields, if `take` takes them. Raises DissectionError as `frames` does."""
    for position, line in enumerate(lines, start=1):
        values = line.rstrip("\n").split(SEPARATOR)
        if len(values) != len(FIELDS):
            raise DissectionError(f"tshark line {position}: expected {len(FIELDS)} fields, found {len(values)}")
        try:
            if take is None or take(values):
                yield read(values)
        except (ValueError, IndexError) as fault:
            raise DissectionError(f"tshark line {position}, frame {values[0]}: {fault}") from fault


def frame(fields: Fields) -> Frame:
    """One frame with every layer the lab knows; other layers stay visible in `protocols` and `info`. Of a packet in a
    packet it is the one inside (see `nesting`), but for the fragments that the outer one came in."""
    found = _frame(fields)
    return _inside(found, fields) if fields.own.in_tunnel else found


def _inside(found: Frame, fields: Fields) -> Frame:
    """The frame with what the IP header says that is its own, and not the first."""
    around, is_6 = fields.own.ips_around, fields.own.ip == "ipv6"
    return replace(
        found,
        source=source_inside(fields),
        destination=fields.nth(f"{fields.own.ip}.dst", around) or found.destination,
        ttl=fields.nth_number("ipv6.hlim" if is_6 else "ip.ttl", around),
        identification=None if is_6 else fields.nth_number("ip.id", around),
    )


def source_inside(fields: Fields) -> str:
    """The sender of a packet in a packet."""
    own = fields.own
    inside = fields.nth(f"{own.ip}.src", own.ips_around) if own.ip else None
    return inside or fields.first("ip.src") or fields.first("ipv6.src") or ""


def _frame(fields: Fields) -> Frame:
    length = int(fields.first("frame.len") or "")
    http = (*http1.messages(fields), *http_streams.http2_messages(fields), *http_streams.http3_messages(fields))
    return Frame(
        number=int(fields.values[0]),
        time_ns=nanoseconds(fields.first("frame.time_epoch") or ""),
        link=fields.first("frame.interface_name") or "link",
        length=length,
        captured_length=fields.number("frame.cap_len") if fields.has("frame.cap_len") else length,
        protocols=fields.first("frame.protocols") or "",
        info=unescaped(fields.first("_ws.col.info") or ""),
        malformed=fields.has("_ws.malformed"),
        source=fields.first("ip.src") or fields.first("ipv6.src") or fields.first("eth.src") or "",
        destination=fields.first("ip.dst") or fields.first("ipv6.dst") or fields.first("eth.dst") or "",
        ttl=fields.number("ip.ttl") or fields.number("ipv6.hlim"),
        hardware_source=fields.first("eth.src") or "",
        hardware_destination=fields.first("eth.dst") or "",
        vlans=fields.numbers("vlan.id"),
        identification=fields.number("ip.id"),
        fragment_offset=fragment_offset(fields),
        more_fragments=more_fragments(fields),
        tcp=tcp_segment(fields),
        udp=udp_datagram(fields),
        icmp=icmp_message(fields),
        dns=dns_message(fields),
        tls=tls_messages(fields),
        quic=quic_packets(fields),
        http=http,
        http2_frame_types=fields.numbers("http2.type"),
        http2_stream_ids=fields.numbers("http2.streamid"),
        ended_streams=http_streams.ended_streams(fields),
    )
