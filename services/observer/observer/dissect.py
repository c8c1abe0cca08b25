"""tshark's fields to typed frames. Pure: lines in, `Frame`s out.

One list of fields serves the interactive visit and the bulk pass alike, so a verdict never depends on which
of the two ran. tshark prints every occurrence of a field, joined by `AGGREGATOR`; where several messages share
a frame, order tells their fields apart: header lists start at a pseudo-header, resource records follow the counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from observer.messages import (
    Alert,
    ClientHello,
    DnsMessage,
    Frame,
    HandshakeType,
    HttpMessage,
    HttpVersion,
    IcmpMessage,
    QuicPackets,
    QuicPacketType,
    RecordType,
    ResourceRecord,
    ServerHello,
    StreamData,
    TcpFlags,
    TcpSegment,
    TlsMessages,
    TlsRecord,
    UdpDatagram,
)

SEPARATOR = "\t"
AGGREGATOR = "\x1e"

FIELDS: tuple[str, ...] = (
    "frame.number",
    "frame.time_epoch",
    "frame.interface_name",
    "frame.len",
    "frame.protocols",
    "_ws.col.info",
    "eth.src",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.id",
    "ip.frag_offset",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.stream",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.flags",
    "tcp.checksum",
    "tcp.options.mss_val",
    "tcp.analysis.retransmission",
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
    "tls.handshake.type",
    "tls.handshake.random",
    "tls.handshake.version",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.ciphersuite",
    "tls.handshake.extension.type",
    "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_alpn_str",
    "tls.handshake.extensions_supported_group",
    "tls.handshake.extensions_key_share_group",
    "tls.handshake.server_named_curve",
    "tls.handshake.certificate",
    "tls.alert_message.level",
    "tls.alert_message.desc",
    "quic.connection.number",
    "quic.long.packet_type",
    "quic.short",
    "quic.frame_type",
    "quic.stream.stream_id",
    "quic.stream.fin",
    "quic.stream.offset",
    "quic.stream.length",
    "quic.packet_number",
    "tls.quic.parameter.type",
    "quic.dcid",
    "quic.scid",
    "http.request.method",
    "http.request.uri",
    "http.request.line",
    "http.response.code",
    "http.response.line",
    "http2.streamid",
    "http2.type",
    "http2.flags.end_stream",
    "http2.header.name",
    "http2.header.value",
    "http3.header.header.name",
    "http3.headers.header.value",
)

_INDEX = {name: position for position, name in enumerate(FIELDS)}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_RR_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 15: "MX", 16: "TXT", 28: "AAAA", 41: "OPT", 65: "HTTPS"}
_RR_DATA = {"A": "dns.a", "AAAA": "dns.aaaa", "CNAME": "dns.cname", "NS": "dns.ns"}
_H2_DATA, _H2_HEADERS = 0, 1
_PSK_EXTENSION = 41
_SEQUENCE_SPACE = 1 << 32
_STREAM, _STREAM_BITS, _HAS_OFFSET, _HAS_LENGTH, _IS_LAST = 0x08, 0x07, 0x04, 0x02, 0x01


class DissectionError(ValueError):
    """A line of tshark's output is not what `FIELDS` asked for: which line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one frame, by tshark's names; every occurrence, in the order of the frame."""

    values: tuple[str, ...]

    def all(self, name: str) -> Sequence[str]:
        value = self.values[_INDEX[name]]
        return value.split(AGGREGATOR) if value else ()

    def first(self, name: str) -> str | None:
        value = self.values[_INDEX[name]]
        return value.split(AGGREGATOR, 1)[0] if value else None

    def number(self, name: str) -> int | None:
        value = self.first(name)
        return None if value is None else int(value, 0)

    def numbers(self, name: str) -> tuple[int, ...]:
        return tuple(int(value, 0) for value in self.all(name))

    @property
    def quotes_another(self) -> bool:
        """Whether this is ICMP: an error quotes the packet it is about, whose ports and names are not this frame's."""
        return bool(self.values[_INDEX["icmp.type"]] or self.values[_INDEX["icmpv6.type"]])

    def true(self, name: str) -> bool:
        return self.first(name) in ("True", "1")


def frames(lines: Iterable[str], link_of_interface: dict[str, str]) -> Iterator[Frame]:
    """Type every line of `tshark -T fields` output.

    Interfaces not in `link_of_interface` stand for themselves: a foreign capture's links are its interfaces.

    Raises:
        DissectionError: a line with another number of fields, or a field that cannot be read.
    """
    for position, line in enumerate(lines, start=1):
        values = tuple(line.rstrip("\n").split(SEPARATOR))
        if len(values) != len(FIELDS):
            raise DissectionError(f"tshark line {position}: expected {len(FIELDS)} fields, found {len(values)}")
        try:
            yield frame(Fields(values), link_of_interface)
        except (ValueError, IndexError) as fault:
            raise DissectionError(f"tshark line {position}, frame {values[0]}: {fault}") from fault


def frame(fields: Fields, link_of_interface: dict[str, str]) -> Frame:
    """One frame with every layer the lab knows; other layers stay visible in `protocols` and `info`."""
    interface = fields.first("frame.interface_name") or "link"
    protocols = fields.first("frame.protocols") or ""
    http = tuple(_http1(fields) + _http2(fields) + _http3(fields))
    return Frame(
        number=int(fields.values[0]),
        time_ns=nanoseconds(fields.values[1]),
        link=link_of_interface.get(interface, interface),
        length=int(fields.values[3]),
        protocols=protocols,
        info=unescaped(fields.values[_INDEX["_ws.col.info"]]),
        source=fields.first("ip.src") or fields.first("ipv6.src") or fields.first("eth.src") or "",
        destination=fields.first("ip.dst") or fields.first("ipv6.dst") or fields.first("eth.dst") or "",
        ttl=fields.number("ip.ttl") or fields.number("ipv6.hlim"),
        hardware_source=fields.first("eth.src") or "",
        hardware_destination=fields.first("eth.dst") or "",
        identification=fields.number("ip.id"),
        fragment_offset=fields.number("ip.frag_offset") or 0,
        tcp=_tcp(fields),
        udp=_udp(fields),
        icmp=_icmp(fields),
        dns=_dns(fields),
        tls=_tls(fields),
        quic=_quic(fields),
        http=http,
        http2_frame_types=fields.numbers("http2.type"),
        http2_stream_ids=fields.numbers("http2.streamid"),
        ended_streams=_ended_streams(fields),
    )


def nanoseconds(epoch: str) -> int:
    """Seconds since 1970 with a decimal fraction, as tshark prints them, in nanoseconds, without a float's rounding."""
    seconds, _, fraction = epoch.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or "0")


def unescaped(text: str) -> str:
    """Undo the C escapes that tshark writes in field values."""
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)


def _tcp(fields: Fields) -> TcpSegment | None:
    stream = fields.number("tcp.stream")
    if stream is None or fields.quotes_another:
        return None
    return TcpSegment(
        source_port=fields.number("tcp.srcport") or 0,
        destination_port=fields.number("tcp.dstport") or 0,
        stream=stream,
        sequence_number=fields.number("tcp.seq_raw") or 0,
        acknowledgment_number=fields.number("tcp.ack_raw") or 0,
        length=fields.number("tcp.len") or 0,
        flags=TcpFlags((fields.number("tcp.flags") or 0) & 0x1F),
        maximum_segment_size=fields.number("tcp.options.mss_val"),
        retransmission=bool(fields.values[_INDEX["tcp.analysis.retransmission"]]),
        selective_acknowledgments=_selective_acknowledgments(fields),
        checksum=fields.number("tcp.checksum"),
    )


def _selective_acknowledgments(fields: Fields) -> tuple[tuple[int, int], ...]:
    """As on the wire: tshark prints the edges, as it does `tcp.ack`, relative to the initial sequence number."""
    edges = zip(fields.numbers("tcp.options.sack_le"), fields.numbers("tcp.options.sack_re"), strict=False)
    base = (fields.number("tcp.ack_raw") or 0) - (fields.number("tcp.ack") or 0)
    return tuple(((left + base) % _SEQUENCE_SPACE, (right + base) % _SEQUENCE_SPACE) for left, right in edges)


def _udp(fields: Fields) -> UdpDatagram | None:
    stream = fields.number("udp.stream")
    if stream is None or fields.quotes_another:
        return None
    return UdpDatagram(
        source_port=fields.number("udp.srcport") or 0,
        destination_port=fields.number("udp.dstport") or 0,
        stream=stream,
        length=fields.number("udp.length") or 0,
        checksum=fields.number("udp.checksum"),
    )


def _icmp(fields: Fields) -> IcmpMessage | None:
    version = "icmp" if fields.values[_INDEX["icmp.type"]] else "icmpv6"
    kind = fields.number(f"{version}.type")
    if kind is None:
        return None
    return IcmpMessage(kind, fields.number(f"{version}.code") or 0, fields.number("icmp.seq"))


def _dns(fields: Fields) -> DnsMessage | None:
    if not fields.values[_INDEX["dns.id"]] or fields.quotes_another:
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


def _tls(fields: Fields) -> TlsMessages | None:
    records = _tls_records(fields)
    handshake = fields.numbers("tls.handshake.type")
    if not records and not handshake:
        return None
    from_client = HandshakeType.CLIENT_HELLO in handshake
    protocols = fields.all("tls.handshake.extensions_alpn_str")
    return TlsMessages(
        records=records,
        handshake=handshake,
        client_hello=_client_hello(fields) if from_client else None,
        server_hello=_server_hello(fields) if HandshakeType.SERVER_HELLO in handshake else None,
        key_exchange_group=fields.number("tls.handshake.server_named_curve"),
        certificates=tuple(bytes.fromhex(value.replace(":", "")) for value in fields.all("tls.handshake.certificate")),
        selected_protocol=protocols[0] if protocols and not from_client else None,
        alerts=_alerts(fields),
        extensions=fields.numbers("tls.handshake.extension.type"),
        transport_parameters=fields.numbers("tls.quic.parameter.type"),
    )


def _tls_records(fields: Fields) -> tuple[TlsRecord, ...]:
    """Join outer and inner types: tshark prints an encrypted record's outer type as opaque_type (23) and, once
    decrypted, what it held as content_type."""
    inner = list(fields.numbers("tls.record.content_type"))
    opaque = len(fields.all("tls.record.opaque_type"))
    clear = len(inner) - opaque
    if clear < 0:  # some could not be decrypted; which ones, the flat list does not say
        return tuple(TlsRecord(RecordType.APPLICATION_DATA, None) for _ in range(opaque))
    # Records in the clear come first: once keys are in place a connection does not go back (RFC 8446, section 5).
    return tuple(TlsRecord(kind, kind) for kind in inner[:clear]) + tuple(
        TlsRecord(RecordType.APPLICATION_DATA, kind) for kind in inner[clear:]
    )


def _client_hello(fields: Fields) -> ClientHello:
    random = fields.first("tls.handshake.random") or ""
    return ClientHello(
        random=bytes.fromhex(random.replace(":", "")),
        versions=fields.numbers("tls.handshake.extensions.supported_version")
        or fields.numbers("tls.handshake.version")[:1],
        cipher_suites=fields.numbers("tls.handshake.ciphersuite"),
        server_name=fields.first("tls.handshake.extensions_server_name"),
        protocols=tuple(fields.all("tls.handshake.extensions_alpn_str")),
        groups=fields.numbers("tls.handshake.extensions_supported_group"),
        key_share_groups=fields.numbers("tls.handshake.extensions_key_share_group"),
        offers_psk=_PSK_EXTENSION in fields.numbers("tls.handshake.extension.type"),
    )


def _server_hello(fields: Fields) -> ServerHello:
    random = fields.first("tls.handshake.random") or ""
    return ServerHello(
        random=bytes.fromhex(random.replace(":", "")),
        version=fields.number("tls.handshake.extensions.supported_version")
        or fields.number("tls.handshake.version")
        or 0,
        cipher_suite=fields.number("tls.handshake.ciphersuite") or 0,
        group=fields.number("tls.handshake.extensions_key_share_group"),
        uses_psk=_PSK_EXTENSION in fields.numbers("tls.handshake.extension.type"),
    )


def _alerts(fields: Fields) -> tuple[Alert, ...]:
    levels = fields.numbers("tls.alert_message.level")
    descriptions = fields.numbers("tls.alert_message.desc")
    return tuple(Alert(level, description) for level, description in zip(levels, descriptions, strict=False))


def _quic(fields: Fields) -> QuicPackets | None:
    connection = fields.number("quic.connection.number")
    if connection is None or _udp(fields) is None:
        return None
    long_headers = tuple(QuicPacketType(number) for number in fields.numbers("quic.long.packet_type"))
    short_headers = (QuicPacketType.ONE_RTT,) * len(fields.all("quic.short"))
    return QuicPackets(
        connection=connection,
        packet_types=long_headers + short_headers,
        frame_types=fields.numbers("quic.frame_type"),
        stream_ids=fields.numbers("quic.stream.stream_id"),
        destination_connection_id=fields.first("quic.dcid"),
        source_connection_id=fields.first("quic.scid"),
        packet_numbers=fields.numbers("quic.packet_number"),
        stream_data=_stream_data(fields),
    )


def _stream_data(fields: Fields) -> tuple[StreamData, ...]:
    """The STREAM frames: the low bits of a frame's type say whether it has an offset and a length (RFC 9000, 19.8)."""
    types = [kind for kind in fields.numbers("quic.frame_type") if kind & ~_STREAM_BITS == _STREAM]
    offsets, lengths = iter(fields.numbers("quic.stream.offset")), iter(fields.numbers("quic.stream.length"))
    return tuple(
        StreamData(
            stream,
            next(offsets, 0) if kind & _HAS_OFFSET else 0,
            next(lengths, None) if kind & _HAS_LENGTH else None,
            bool(kind & _IS_LAST),
        )
        for stream, kind in zip(fields.numbers("quic.stream.stream_id"), types, strict=False)
    )


def _http1(fields: Fields) -> list[HttpMessage]:
    method, status = fields.first("http.request.method"), fields.number("http.response.code")
    if method is None and status is None:
        return []
    lines = fields.all("http.request.line") if method is not None else fields.all("http.response.line")
    headers = tuple(_header_line(unescaped(line)) for line in lines)
    authority = next((value for name, value in headers if name.lower() == "host"), None)
    return [
        HttpMessage(
            version=HttpVersion.HTTP_1,
            stream=None,
            method=method,
            path=unescaped(fields.first("http.request.uri") or "") if method is not None else None,
            authority=authority if method is not None else None,
            status=None if method is not None else status,
            headers=headers,
        )
    ]


def _header_line(line: str) -> tuple[str, str]:
    name, _, value = line.strip("\r\n").partition(":")
    return name, value.strip()


def _http2(fields: Fields) -> list[HttpMessage]:
    if not fields.values[_INDEX["http2.header.name"]]:
        return []
    streams = [
        stream
        for stream, kind in zip(fields.numbers("http2.streamid"), fields.numbers("http2.type"), strict=False)
        if kind == _H2_HEADERS
    ]
    blocks = _header_blocks(fields.all("http2.header.name"), fields.all("http2.header.value"))
    return [_from_pseudo_headers(HttpVersion.HTTP_2, s, b) for s, b in zip(streams, blocks, strict=False)]


def _http3(fields: Fields) -> list[HttpMessage]:
    if not fields.values[_INDEX["http3.header.header.name"]]:
        return []
    blocks = _header_blocks(fields.all("http3.header.header.name"), fields.all("http3.headers.header.value"))
    streams = _streams_with_headers(unescaped(fields.values[_INDEX["_ws.col.info"]]))
    if len(streams) != len(blocks):
        # Requests travel on client-initiated bidirectional streams: the ids divisible by four (RFC 9000, section 2.1).
        streams = [stream for stream in fields.numbers("quic.stream.stream_id") if stream % 4 == 0]
    return [_from_pseudo_headers(HttpVersion.HTTP_3, s, b) for s, b in zip(streams, blocks, strict=False)]


def _streams_with_headers(info: str) -> list[int]:
    """The stream of each header block: of a datagram's QUIC and HTTP/3 frames only tshark's summary keeps the order,
    as in "STREAM(8), DATA, STREAM(0), HEADERS: 200 OK"."""
    streams: list[int] = []
    current = None
    for word in info.split(", "):
        if stream := re.fullmatch(r"STREAM\((\d+)\)", word):
            current = int(stream[1])
        elif current is not None and re.match(r"HEADERS\b", word):
            streams.append(current)
    return streams


def _header_blocks(names: Sequence[str], values: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Cut one flat list of headers into the blocks it came from: pseudo-headers stand only at a block's start
    (RFC 9113, section 8.3), so one that follows an ordinary header opens the next block."""
    blocks: list[list[tuple[str, str]]] = []
    previous_was_pseudo = False
    for name, value in zip(names, values, strict=False):
        is_pseudo = name.startswith(":")
        if not blocks or (is_pseudo and (not previous_was_pseudo or name in dict(blocks[-1]))):
            blocks.append([])
        blocks[-1].append((unescaped(name), unescaped(value)))
        previous_was_pseudo = is_pseudo
    return blocks


def _from_pseudo_headers(version: HttpVersion, stream: int, block: list[tuple[str, str]]) -> HttpMessage:
    pseudo = {name: value for name, value in block if name.startswith(":")}
    status = pseudo.get(":status")
    return HttpMessage(
        version=version,
        stream=stream,
        method=pseudo.get(":method"),
        path=pseudo.get(":path"),
        authority=pseudo.get(":authority"),
        status=None if status is None else int(status),
        headers=tuple((name, value) for name, value in block if not name.startswith(":")),
    )


def _ended_streams(fields: Fields) -> tuple[int, ...]:
    h2 = zip(fields.numbers("http2.streamid"), fields.numbers("http2.type"), strict=False)
    with_flag = [stream for stream, kind in h2 if kind in (_H2_DATA, _H2_HEADERS)]
    flags = fields.all("http2.flags.end_stream")
    ended = [s for s, flag in zip(with_flag, flags, strict=False) if flag in ("True", "1")]
    fins = zip(fields.numbers("quic.stream.stream_id"), fields.all("quic.stream.fin"), strict=False)
    return tuple(ended + [s for s, flag in fins if flag in ("True", "1")])
