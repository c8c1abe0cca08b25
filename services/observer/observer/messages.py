"""What a dissected frame says, layer by layer, in the RFCs' words. Values only: no parsing, no judgement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag


class TcpFlags(IntFlag):
    """RFC 9293, section 3.1."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


class RecordType(IntEnum):
    """TLS ContentType, RFC 8446 section 5.1."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


class HandshakeType(IntEnum):
    """TLS HandshakeType, RFC 8446 section 4 and RFC 5246 section 7.4."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    NEW_SESSION_TICKET = 4
    END_OF_EARLY_DATA = 5
    ENCRYPTED_EXTENSIONS = 8
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20
    CERTIFICATE_STATUS = 22
    KEY_UPDATE = 24


class QuicPacketType(IntEnum):
    """RFC 9000, section 17; ONE_RTT stands for the short header, which has no type field."""

    INITIAL = 0
    ZERO_RTT = 1
    HANDSHAKE = 2
    RETRY = 3
    ONE_RTT = 4


class HttpVersion(Enum):
    HTTP_1 = "1.1"
    HTTP_2 = "2"
    HTTP_3 = "3"


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """RFC 9293, section 3.2. `kinds` are all that were there, also those that are not read here; `timestamps` are the
    sender's and the one it echoes (RFC 7323)."""

    kinds: tuple[int, ...] = ()
    maximum_segment_size: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    timestamps: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """RFC 9293. Sequence numbers as on the wire; `stream` is the dissector's number of the connection on its link.

    `selective_acknowledgments` are the blocks that arrived beyond a hole: first byte, first byte after (RFC 2018).
    `lost_before`: bytes that came before these were not captured.
    """

    source_port: int
    destination_port: int
    stream: int
    sequence_number: int
    acknowledgment_number: int
    length: int
    flags: TcpFlags
    window: int = 0
    options: TcpOptions = TcpOptions()
    retransmission: bool = False
    out_of_order: bool = False
    lost_before: bool = False
    checksum: int | None = None
    selective_acknowledgments: tuple[tuple[int, int], ...] = ()

    @property
    def maximum_segment_size(self) -> int | None:
        return self.options.maximum_segment_size


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """RFC 768. `length` counts header and data; a `checksum` of 0 says that the sender computed none."""

    source_port: int
    destination_port: int
    length: int = 0
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class QuotedPacket:
    """The start of the packet that an ICMP error is about; `transport` is None where it is neither TCP nor UDP."""

    source: str
    destination: str
    transport: str | None
    source_port: int | None
    destination_port: int | None


@dataclass(frozen=True, slots=True)
class IcmpMessage:
    """RFC 792, RFC 4443. Only echo messages and their kin have a sequence number; only errors are about a packet."""

    type: int
    code: int
    sequence_number: int | None = None
    about: QuotedPacket | None = None


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """RFC 1035, section 3.2.1; `data` in presentation form, None where the lab does not read that type."""

    name: str
    type: str
    ttl: int
    data: str | None


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """RFC 1035, section 4."""

    id: int
    is_response: bool
    name: str
    type: str
    response_code: int
    authoritative: bool
    truncated: bool
    recursion_desired: bool
    answers: tuple[ResourceRecord, ...] = ()
    authorities: tuple[ResourceRecord, ...] = ()
    additionals: tuple[ResourceRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsRecord:
    """`type` is what the record header says; `inner_type` what it held, None while it could not be decrypted.

    Before TLS 1.3 the header says openly what a record holds, encrypted or not: then both are the same.
    """

    type: int
    inner_type: int | None


@dataclass(frozen=True, slots=True)
class ClientHello:
    """RFC 8446, section 4.1.2; numbers as registered, not yet names.

    `ticket_length` is that of the ticket offered for TLS 1.2 (RFC 5077): 0 asks for one, None knows of none."""

    random: bytes
    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    server_name: str | None
    protocols: tuple[str, ...]
    groups: tuple[int, ...]
    key_share_groups: tuple[int, ...]
    offers_psk: bool
    session_id: bytes = b""
    ticket_length: int | None = None
    psk_identities: int = 0


# RFC 8446, section 4.1.3: the Random by which a ServerHello says that it is a HelloRetryRequest.
_HELLO_RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@dataclass(frozen=True, slots=True)
class ServerHello:
    """RFC 8446, section 4.1.3. `group` and `uses_psk` come from extensions; TLS 1.2 names its group elsewhere."""

    random: bytes
    version: int
    cipher_suite: int
    group: int | None
    uses_psk: bool
    session_id: bytes = b""
    selected_psk: int | None = None

    @property
    def is_hello_retry_request(self) -> bool:
        return self.random == _HELLO_RETRY_REQUEST


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """RFC 8446, section 4.6.1, and RFC 5077, section 3.3. `lifetime_s` is the longest time it may be used."""

    lifetime_s: int


@dataclass(frozen=True, slots=True)
class Alert:
    """RFC 8446, section 6. One that came in QUIC's CONNECTION_CLOSE has no level (RFC 9001, section 4.8)."""

    level: int | None
    description: int


@dataclass(frozen=True, slots=True)
class TlsMessages:
    """Everything TLS in one frame, in wire order; inside QUIC there are handshake messages but no records."""

    records: tuple[TlsRecord, ...] = ()
    handshake: tuple[int, ...] = ()
    client_hello: ClientHello | None = None
    server_hello: ServerHello | None = None
    key_exchange_group: int | None = None
    certificates: tuple[bytes, ...] = ()
    selected_protocol: str | None = None
    alerts: tuple[Alert, ...] = ()
    tickets: tuple[NewSessionTicket, ...] = ()
    extensions: tuple[int, ...] = ()
    """Of all its messages, in order, as registered (RFC 8446, section 4.2), also those that are not read here."""
    transport_parameters: tuple[int, ...] = ()
    """Inside QUIC (RFC 9000, section 18.2)."""


@dataclass(frozen=True, slots=True)
class StreamData:
    """A QUIC STREAM frame (RFC 9000, section 19.8), offset and length in bytes.

    `length` None: up to the end of its packet. `last`: the stream ends here (FIN).
    """

    stream: int
    offset: int
    length: int | None
    last: bool


@dataclass(frozen=True, slots=True)
class QuicClose:
    """CONNECTION_CLOSE, RFC 9000 section 19.19: of the transport, or of the application above it."""

    error_code: int
    by_application: bool
    reason: str


@dataclass(frozen=True, slots=True)
class QuicPackets:
    """The QUIC packets coalesced into one datagram (RFC 9000, section 12.2)."""

    connection: int
    packet_types: tuple[QuicPacketType, ...]
    frame_types: tuple[int, ...]
    stream_ids: tuple[int, ...]
    destination_connection_id: str | None
    source_connection_id: str | None
    packet_numbers: tuple[int, ...] = ()
    stream_data: tuple[StreamData, ...] = ()
    close: QuicClose | None = None


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """One request or response of RFC 9110, whichever version carried it; `stream` is None in HTTP/1.1.

    A message with neither method nor status is a trailer section (RFC 9110, section 6.5). Where messages share a frame
    and the dissector does not say which headers are whose, `headers_known` is False and there are none; where it does
    not say on which stream one came, `stream` is None.
    """

    version: HttpVersion
    stream: int | None
    method: str | None
    path: str | None
    authority: str | None
    status: int | None
    headers: tuple[tuple[str, str], ...]
    headers_known: bool = True

    @property
    def is_trailer(self) -> bool:
        return self.method is None and self.status is None

    @property
    def is_request(self) -> bool:
        return self.method is not None

    def header(self, name: str) -> str | None:
        """The first value of header `name` (in lower case), or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one link. `number` counts from 1 in the file the frames came from.

    `source` and `destination` are IP addresses where there is IP, else hardware addresses. `identification` and
    `fragment_offset` (in bytes) are IPv4's (RFC 791, section 3.1), or of IPv6's Fragment header. A frame of which the
    capture holds only the beginning has a `captured_length` below its `length`; one whose bytes break a protocol's
    rules is `malformed`, as far as the dissector noticed. Protocols that no layer here stands for are in `protocols`.

    `http2_stream_ids` has the stream of each of `http2_frame_types`; both are told where a frame's last byte is.
    `ended_streams` are the HTTP/2 and HTTP/3 streams whose sender says here that it sends no more on them.
    """

    number: int
    time_ns: int
    link: str
    length: int
    protocols: str
    info: str
    source: str = ""
    destination: str = ""
    ttl: int | None = None
    hardware_source: str = ""
    hardware_destination: str = ""
    identification: int | None = None
    fragment_offset: int = 0
    more_fragments: bool = False
    captured_length: int | None = None
    malformed: bool = False
    vlans: tuple[int, ...] = ()
    tcp: TcpSegment | None = None
    udp: UdpDatagram | None = None
    icmp: IcmpMessage | None = None
    dns: DnsMessage | None = None
    tls: TlsMessages | None = None
    quic: QuicPackets | None = None
    http: tuple[HttpMessage, ...] = ()
    http2_frame_types: tuple[int, ...] = ()
    http2_stream_ids: tuple[int, ...] = ()
    ended_streams: tuple[int, ...] = ()
