"""TCP segments, UDP datagrams, ICMP messages, and the fragments of what carries them."""

from __future__ import annotations

from observer.dissect.fields import Fields
from observer.messages import IcmpMessage, QuotedPacket, TcpFlags, TcpOptions, TcpSegment, UdpDatagram

_SACK_PERMITTED = 4  # TCP option kind, RFC 2018 section 2
_SEQUENCE_SPACE = 1 << 32
_RETRANSMISSIONS = (
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
)


def tcp_segment(fields: Fields) -> TcpSegment | None:
    if not fields.has("tcp.stream") or fields.quotes_another:
        return None
    return TcpSegment(
        source_port=fields.number("tcp.srcport") or 0,
        destination_port=fields.number("tcp.dstport") or 0,
        stream=fields.number("tcp.stream") or 0,
        sequence_number=fields.number("tcp.seq_raw") or 0,
        acknowledgment_number=fields.number("tcp.ack_raw") or 0,
        length=fields.number("tcp.len") or 0,
        flags=TcpFlags((fields.number("tcp.flags") or 0) & 0x1F),
        window=fields.number("tcp.window_size_value") or 0,
        options=_options(fields) if fields.has("tcp.option_kind") else TcpOptions(),
        retransmission=any(fields.has(name) for name in _RETRANSMISSIONS),
        out_of_order=fields.has("tcp.analysis.out_of_order"),
        lost_before=fields.has("tcp.analysis.lost_segment"),
        checksum=fields.number("tcp.checksum"),
        selective_acknowledgments=_selective_acknowledgments(fields) if fields.has("tcp.options.sack_le") else (),
    )


def _selective_acknowledgments(fields: Fields) -> tuple[tuple[int, int], ...]:
    """As on the wire: tshark prints the edges, as it does `tcp.ack`, relative to the initial sequence number."""
    edges = zip(fields.numbers("tcp.options.sack_le"), fields.numbers("tcp.options.sack_re"), strict=False)
    base = (fields.number("tcp.ack_raw") or 0) - (fields.number("tcp.ack") or 0)
    return tuple(((left + base) % _SEQUENCE_SPACE, (right + base) % _SEQUENCE_SPACE) for left, right in edges)


def _options(fields: Fields) -> TcpOptions:
    kinds = fields.numbers("tcp.option_kind")
    sent, echoed = fields.number("tcp.options.timestamp.tsval"), fields.number("tcp.options.timestamp.tsecr")
    return TcpOptions(
        kinds=kinds,
        maximum_segment_size=fields.number("tcp.options.mss_val"),
        window_scale=fields.number("tcp.options.wscale.shift"),
        sack_permitted=_SACK_PERMITTED in kinds,
        timestamps=None if sent is None or echoed is None else (sent, echoed),
    )


def udp_datagram(fields: Fields) -> UdpDatagram | None:
    own = fields.own
    if not fields.has("udp.stream") or fields.quotes_another:
        return None
    if own.transport == "tcp" and fields.has("tcp.stream"):
        return None  # it only carries what the frame is told as
    around = own.datagrams_around
    return UdpDatagram(
        source_port=fields.nth_number("udp.srcport", around) or 0,
        destination_port=fields.nth_number("udp.dstport", around) or 0,
        length=fields.nth_number("udp.length", around) or 0,
        checksum=fields.nth_number("udp.checksum", around),
    )


def icmp_message(fields: Fields) -> IcmpMessage | None:
    if not fields.quotes_another:
        return None
    version = "icmp" if fields.has("icmp.type") else "icmpv6"
    kind, code = fields.number(f"{version}.type") or 0, fields.number(f"{version}.code") or 0
    return IcmpMessage(kind, code, fields.number("icmp.seq"), _quoted(fields))


def _quoted(fields: Fields) -> QuotedPacket | None:
    """The packet inside an error: the IP header after the frame's own, and the ports that follow it."""
    own = fields.own
    version = own.ip or ("ip" if len(fields.all("ip.src")) > 1 else "ipv6")
    sources = fields.all(f"{version}.src")[own.ips_around + 1 :]
    destinations = fields.all(f"{version}.dst")[own.ips_around + 1 :]
    if not sources or not destinations:
        return None
    transport = "tcp" if fields.has("tcp.srcport") else "udp"
    ports = [fields.numbers(f"{transport}.{end}")[own.datagrams_around :] for end in ("srcport", "dstport")]
    return QuotedPacket(
        source=sources[0],
        destination=destinations[0],
        transport=transport.upper() if all(ports) else None,
        source_port=ports[0][0] if all(ports) else None,
        destination_port=ports[1][0] if all(ports) else None,
    )


def fragment_offset(fields: Fields) -> int:
    """In bytes; IPv6's field counts in units of eight (RFC 8200, section 4.5)."""
    return fields.number("ip.frag_offset") or 8 * (fields.number("ipv6.fraghdr.offset") or 0)


def more_fragments(fields: Fields) -> bool:
    return fields.true("ip.flags.mf") or fields.true("ipv6.fraghdr.more")
