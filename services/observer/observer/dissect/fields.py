"""What tshark is asked to print of each frame, and one line of its answer.

One list of fields serves the interactive visit and the bulk pass alike, so a verdict never depends on which of the
two ran. tshark prints every occurrence of a field, joined by `AGGREGATOR`, but not which belong together: where
several messages share a frame, their lengths and counts tell them apart. `len(...)` is a field of its own for
tshark 4.4: how many bytes each occurrence has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from observer.dissect.nesting import Own, own_layers

SEPARATOR = "\t"
AGGREGATOR = "\x1e"

FIELDS: tuple[str, ...] = (
    "frame.number",
    "frame.time_epoch",
    "frame.interface_name",
    "frame.len",
    "frame.cap_len",
    "frame.protocols",
    "_ws.col.info",
    "_ws.malformed",
    "eth.src",
    "eth.dst",
    "vlan.id",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.id",
    "ip.frag_offset",
    "ip.flags.mf",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "ipv6.fraghdr.offset",
    "ipv6.fraghdr.more",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.stream",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.flags",
    "tcp.checksum",
    "tcp.options.mss_val",
    "tcp.window_size_value",
    "tcp.option_kind",
    "tcp.options.wscale.shift",
    "tcp.options.timestamp.tsval",
    "tcp.options.timestamp.tsecr",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
    "tcp.analysis.out_of_order",
    "tcp.analysis.lost_segment",
    "tcp.ack",
    "tcp.options.sack_le",
    "tcp.options.sack_re",
    "udp.srcport",
    "udp.dstport",
    "udp.stream",
    "udp.length",
    "udp.checksum",
    "icmp.type",
    "icmp.code",
    "icmp.seq",
    "icmpv6.type",
    "icmpv6.code",
    "dns.id",
    "dns.flags.response",
    "dns.flags.rcode",
    "dns.flags.authoritative",
    "dns.flags.truncated",
    "dns.flags.recdesired",
    "dns.qry.name",
    "dns.qry.type",
    "dns.count.answers",
    "dns.count.auth_rr",
    "dns.resp.name",
    "dns.resp.type",
    "dns.resp.ttl",
    "dns.a",
    "dns.aaaa",
    "dns.cname",
    "dns.ns",
    "tls.record.content_type",
    "tls.record.opaque_type",
    "tls.record.length",
    "len(tls.app_data)",
    "tls.handshake.type",
    "tls.handshake.random",
    "tls.handshake.session_id",
    "tls.handshake.version",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.ciphersuite",
    "tls.handshake.extension.type",
    "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_alpn_str",
    "tls.handshake.extensions_supported_group",
    "tls.handshake.extensions_key_share_group",
    "len(tls.handshake.extensions.session_ticket)",
    "len(tls.handshake.extensions.psk.identity.identity)",
    "tls.handshake.extensions.psk.identity.selected",
    "tls.handshake.session_ticket_lifetime_hint",
    "tls.handshake.server_named_curve",
    "tls.handshake.certificate",
    "tls.alert_message.level",
    "tls.alert_message.desc",
    "quic.connection.number",
    "quic.long.packet_type",
    "quic.long.packet_type_v2",
    "quic.short",
    "quic.frame_type",
    "quic.stream.stream_id",
    "quic.stream.offset",
    "quic.stream.length",
    "quic.packet_number",
    "tls.quic.parameter.type",
    "quic.dcid",
    "quic.scid",
    "quic.cc.error_code",
    "quic.cc.error_code.app",
    "quic.cc.error_code.tls_alert",
    "quic.cc.reason_phrase",
    "len(http)",
    "http.request.method",
    "http.request.uri",
    "http.request.line",
    "http.response.code",
    "http.response.phrase",
    "http.response.line",
    "http2.streamid",
    "http2.type",
    "http2.flags.end_stream",
    "http2.header.count",
    "http2.header.name",
    "http2.header.value",
    "http3.headers.count",
    "http3.header.header.name",
    "http3.headers.header.value",
)

_INDEX = {name: position for position, name in enumerate(FIELDS)}
_PROTOCOLS = _INDEX["frame.protocols"]
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_MISSING = "<MISSING>"  # what tshark prints for a field that is there and empty


class DissectionError(ValueError):
    """A line of tshark's output is not what `FIELDS` asked for: which line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one frame, by tshark's names; every occurrence, in the order of the frame."""

    values: Sequence[str]

    def has(self, name: str) -> bool:
        return bool(self.values[_INDEX[name]])

    def all(self, name: str) -> Sequence[str]:
        value = self.values[_INDEX[name]]
        return value.split(AGGREGATOR) if value else ()

    def first(self, name: str) -> str | None:
        value = self.values[_INDEX[name]]
        return value.split(AGGREGATOR, 1)[0] if value else None

    def nth(self, name: str, place: int) -> str | None:
        """The occurrence at `place`; the last if there are fewer."""
        value = self.values[_INDEX[name]]
        if not value or not place:
            return self.first(name)
        found = value.split(AGGREGATOR)
        return found[min(place, len(found) - 1)]

    def number(self, name: str) -> int | None:
        value = self.values[_INDEX[name]]
        return int(value.split(AGGREGATOR, 1)[0], 0) if value else None

    def numbers(self, name: str) -> tuple[int, ...]:
        value = self.values[_INDEX[name]]
        return tuple(int(part, 0) for part in value.split(AGGREGATOR)) if value else ()

    def octets(self, name: str) -> bytes:
        """The first occurrence of a field that tshark prints in hexadecimal; empty if there is none."""
        value = self.first(name)
        return b"" if value is None or value == _MISSING else bytes.fromhex(value.replace(":", ""))

    def true(self, name: str) -> bool:
        return self.first(name) in ("True", "1")

    def nth_number(self, name: str, place: int) -> int | None:
        value = self.nth(name, place)
        return int(value, 0) if value else None

    @property
    def own(self) -> Own:
        """Which of its layers are the frame's own."""
        return own_layers(self.values[_PROTOCOLS])

    @property
    def quotes_another(self) -> bool:
        """Whether this is ICMP: an error quotes the packet it is about, whose ports and names are not this frame's."""
        return self.has("icmp.type") or self.has("icmpv6.type")


def nanoseconds(epoch: str) -> int:
    """Seconds since 1970 with a decimal fraction, as tshark prints them, in nanoseconds, without a float's rounding."""
    seconds, _, fraction = epoch.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or "0")


def unescaped(text: str) -> str:
    """Undo the C escapes that tshark writes in field values."""
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)
