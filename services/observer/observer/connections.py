"""Frames grouped into connections, and one connection recognised on every link it crosses. Pure.

Through NAT a connection's addresses and ports change; its identity does not: a TCP connection keeps its
client's initial sequence number, a QUIC connection the destination connection id of the first Initial packet
(RFC 9000, section 7.2). Both are drawn at random by the client, so two connections of one capture do not share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from observer.messages import ClientHello, Frame, HandshakeType, QuicPacketType, RecordType, ServerHello, TcpFlags


class Transport(Enum):
    TCP = "TCP"
    QUIC = "QUIC"


class Resumption(Enum):
    """How a session is continued without proving anew who is who."""

    PSK = "pre-shared key"  # RFC 8446, section 2.2
    SESSION_ID = "session id"  # RFC 5246, section 7.3
    TICKET = "session ticket"  # RFC 5077


_TLS_1_2 = 0x0303
_SEQUENCE_SPACE = 1 << 32


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Connection:
    """One TCP or QUIC connection on one link. `identity` is equal on every link, None if its start was not seen."""

    link: str
    transport: Transport
    number: int
    client: Endpoint
    server: Endpoint
    identity: str | None
    frames: tuple[Frame, ...]

    def from_client(self, frame: Frame) -> bool:
        if self.transport is Transport.QUIC:
            # A client may move to another address or port, and its server may not (RFC 9000, section 9).
            return _sender(frame) != self.server
        return _sender(frame) == self.client

    def from_server(self, frame: Frame) -> bool:
        return _sender(frame) == self.server

    @property
    def opening(self) -> tuple[Frame, ...]:
        """SYN, SYN-ACK and ACK (RFC 9293, section 3.5), as far as they were seen; empty for QUIC."""
        frames = iter(self.frames)  # one for all three: each is looked for after the one before it
        syn = next((f for f in frames if _flags(f) == TcpFlags.SYN), None)
        syn_ack = next((f for f in frames if _flags(f) == TcpFlags.SYN | TcpFlags.ACK), None)
        ack = next((f for f in frames if self.from_client(f) and _flags(f) & ~TcpFlags.FIN == TcpFlags.ACK), None)
        return tuple(frame for frame in (syn, syn_ack, ack) if frame)

    @property
    def refusal(self) -> Frame | None:
        """The RST with which the server answered a SYN that was seen (RFC 9293, section 3.10.7.1): its first word."""
        if len(self.opening) != 1:
            return None
        answer = self._first(self.from_server)
        syns = (f for f in self.frames if _flags(f) == TcpFlags.SYN)
        return answer if answer and any(_refuses(answer, syn) for syn in syns) else None

    @property
    def round_trip_ns(self) -> int | None:
        """SYN to SYN-ACK; None after a retransmitted SYN: nobody knows which was answered (RFC 6298, section 3)."""
        syns = [f for f in self.frames if _flags(f) == TcpFlags.SYN]
        return self.opening[1].time_ns - syns[0].time_ns if len(syns) == 1 and len(self.opening) > 1 else None

    @cached_property
    def client_hello(self) -> tuple[Frame, ClientHello] | None:
        return next(((f, f.tls.client_hello) for f in self.frames if f.tls and f.tls.client_hello), None)

    @property
    def server_hello(self) -> tuple[Frame, ServerHello] | None:
        """The ServerHello that ends the negotiation; a HelloRetryRequest asks for another ClientHello."""
        found = [(f, f.tls.server_hello) for f in self.frames if f.tls and f.tls.server_hello]
        return next(((f, hello) for f, hello in reversed(found) if not hello.is_hello_retry_request), None)

    @property
    def hello_retry_request(self) -> tuple[Frame, ServerHello] | None:
        """RFC 8446, section 4.1.4: the client offered no key share that the server takes, and has to try again."""
        found = ((f, f.tls.server_hello) for f in self.frames if f.tls and f.tls.server_hello)
        return next(((f, hello) for f, hello in found if hello.is_hello_retry_request), None)

    @property
    def resumption(self) -> Resumption | None:
        """By what this connection continues an earlier session; None if it does not, or nobody can tell."""
        hello, server = self.client_hello, self.server_hello
        if hello is None or server is None:
            return None
        if server[1].version != _TLS_1_2:
            return Resumption.PSK if server[1].uses_psk else None
        sent = {kind for f in self.frames if f.tls and self.from_server(f) for kind in f.tls.handshake}
        # In a full handshake certificate and key exchange follow the hello, in the clear (RFC 5246, section 7.3).
        if sent & {HandshakeType.CERTIFICATE, HandshakeType.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_HELLO_DONE}:
            return None
        if not hello[1].session_id or hello[1].session_id != server[1].session_id:
            return None
        # With a ticket the client makes up a session id, by whose echo it knows the answer (RFC 5077, section 3.4).
        return Resumption.TICKET if hello[1].ticket_length else Resumption.SESSION_ID

    @property
    def finished(self) -> tuple[Frame, ...]:
        """The frames that carry each side's Finished, in order; none while they could not be decrypted."""
        return tuple(f for f in self.frames if f.tls and HandshakeType.FINISHED in f.tls.handshake)

    @property
    def closing(self) -> tuple[Frame, ...]:
        """The frames by which either side ends the connection, the first announcement first."""
        return tuple(f for f in self.frames if closing_words(f))

    def carries_application_data(self, frame: Frame) -> bool:
        """Whether a TCP segment carries bytes of HTTP: application data under TLS, any payload without it."""
        if not frame.tcp or not frame.tcp.length or frame.tcp.retransmission:
            return False
        if self.client_hello is None:
            return True
        return frame.tls is None or any(r.inner_type == RecordType.APPLICATION_DATA for r in frame.tls.records)

    def _first(self, wanted: Callable[[Frame], bool]) -> Frame | None:
        return next((f for f in self.frames if wanted(f)), None)


_CONNECTION_CLOSE = {0x1C, 0x1D}  # RFC 9000, section 19.19
_ENDS = int(TcpFlags.FIN | TcpFlags.RST)
_SYN_ACK = int(TcpFlags.SYN | TcpFlags.ACK)
_GOAWAY = 7  # RFC 9113, section 6.8
_CLOSE_NOTIFY = 0  # RFC 8446, section 6.1


def closing_words(frame: Frame) -> tuple[str, ...]:
    """By what `frame` ends its connection, layer by layer from the top; empty if it does not."""
    words = []
    if _GOAWAY in frame.http2_frame_types:
        words.append("GOAWAY")
    if frame.tls and any(alert.description == _CLOSE_NOTIFY for alert in frame.tls.alerts):
        words.append("close_notify")
    if frame.quic and _CONNECTION_CLOSE & set(frame.quic.frame_types):
        words.append("CONNECTION_CLOSE")
    if frame.tcp and int(frame.tcp.flags) & _ENDS:  # an enum's own arithmetic is slow, and most segments end nothing
        words += [flag.name for flag in (TcpFlags.FIN, TcpFlags.RST) if frame.tcp.flags & flag and flag.name]
    return tuple(words)


def connections(frames: Iterable[Frame]) -> tuple[Connection, ...]:
    """Every TCP and QUIC connection in `frames`, in the order of their first frames."""
    grouped: dict[tuple[str, Transport, int], list[Frame]] = {}
    for frame in frames:
        if frame.tcp:
            grouped.setdefault((frame.link, Transport.TCP, frame.tcp.stream), []).append(frame)
        elif frame.quic:
            grouped.setdefault((frame.link, Transport.QUIC, frame.quic.connection), []).append(frame)
    return tuple(_connection(*key, tuple(group)) for key, group in grouped.items())


def across_links(connection: Connection, candidates: Iterable[Connection]) -> tuple[Connection, ...]:
    """The same connection on every link, `connection` included, in the order of the candidates."""
    if connection.identity is None:
        return (connection,)
    return tuple(
        other
        for other in candidates
        if other.identity == connection.identity
        # Two on one link that share it were given it by a careless client: they are two all the same.
        and (other.link != connection.link or other.number == connection.number)
    )


def opens(frame: Frame) -> bool:
    """Whether a client may have opened a connection with `frame`: a SYN alone, or a QUIC Initial packet for a
    connection id, which a client has to make up (RFC 9000, section 7.2)."""
    if frame.tcp:
        return bool(frame.tcp.flags & TcpFlags.SYN) and not frame.tcp.flags & TcpFlags.ACK
    quic = frame.quic
    return bool(quic and quic.packet_types[:1] == (QuicPacketType.INITIAL,) and quic.destination_connection_id)


def identity_of(opening: Frame) -> str | None:
    """What is equal on every link that the connection opened by this frame crosses; None if it opens none."""
    if not opens(opening):
        return None
    if opening.tcp:
        return f"tcp:{opening.tcp.sequence_number}:{opening.tcp.destination_port}"
    return f"quic:{opening.quic.destination_connection_id}" if opening.quic else None


def _connection(link: str, transport: Transport, number: int, frames: tuple[Frame, ...]) -> Connection:
    opening = _quic_opening(frames) if transport is Transport.QUIC else next((f for f in frames if opens(f)), None)
    client, server = _ends(opening or frames[0])
    if opening is None and client == _server(frames):
        client, server = server, client
    return Connection(link, transport, number, client, server, identity_of(opening) if opening else None, frames)


def tells_ends(frame: Frame) -> bool:
    """Whether the frame alone says which end of its connection is the client's."""
    return opens(frame) or _server_told_by(frame) is not None


def _server(frames: tuple[Frame, ...]) -> Endpoint:
    """The server of a connection whose start was not seen: told by what only one side says, or else by the port, for
    the well-known one is the server's."""
    told = next((server for server in map(_server_told_by, frames) if server), None)
    return told or min(reversed(_ends(frames[0])), key=lambda end: end.port)


def _server_told_by(frame: Frame) -> Endpoint | None:
    if _only_a_server_says(frame):
        return _ends(frame)[0]
    return _ends(frame)[1] if _only_a_client_says(frame) else None


def _quic_opening(frames: tuple[Frame, ...]) -> Frame | None:
    """The client's first Initial packet, told by what it and its answers say: a server's port may be the higher one."""
    hello = next((f for f in frames if f.tls and f.tls.client_hello), None)
    if hello:
        return next((f for f in frames if opens(f) and _sender(f) == _sender(hello)), None)
    first = frames[0]
    if not opens(first) or _only_a_server_says(first):
        return None
    # The connection id that a client makes up is nobody's own; a server's first packet is for one of the client's own.
    names = {f.quic.source_connection_id for f in frames if f.quic and _sender(f) != _sender(first)}
    if not names and first.quic and not first.quic.frame_types:
        return None  # what a client says first, everybody can decrypt (RFC 9001, section 5.2)
    return None if first.quic and first.quic.destination_connection_id in names else first


_NEW_TOKEN, _HANDSHAKE_DONE = 0x07, 0x1E  # RFC 9000, sections 19.7 and 19.20
_PUSH_PROMISE = 5  # RFC 9113, section 6.6


def _only_a_client_says(frame: Frame) -> bool:
    if frame.tls and frame.tls.client_hello:
        return True
    # A promise looks like the request that it stands for, and a server makes it.
    return any(message.is_request for message in frame.http) and _PUSH_PROMISE not in frame.http2_frame_types


def _only_a_server_says(frame: Frame) -> bool:
    if frame.tls and frame.tls.server_hello:
        return True
    if frame.tcp and int(frame.tcp.flags) & _SYN_ACK == _SYN_ACK:
        return True
    if any(message.status is not None for message in frame.http):
        return True
    quic = frame.quic
    return bool(
        quic and (QuicPacketType.RETRY in quic.packet_types or {_NEW_TOKEN, _HANDSHAKE_DONE} & set(quic.frame_types))
    )


def _ends(frame: Frame) -> tuple[Endpoint, Endpoint]:
    ports = frame.tcp or frame.udp
    assert ports is not None, "a connection's frame has ports"
    return Endpoint(frame.source, ports.source_port), Endpoint(frame.destination, ports.destination_port)


def _sender(frame: Frame) -> Endpoint:
    return _ends(frame)[0]


def _refuses(answer: Frame, syn: Frame) -> bool:
    """Whether `answer` is an RST that acknowledges the SYN, or what came with it (RFC 7413), and nothing later."""
    if not answer.tcp or not syn.tcp or answer.tcp.flags & (TcpFlags.RST | TcpFlags.ACK) != TcpFlags.RST | TcpFlags.ACK:
        return False
    return (answer.tcp.acknowledgment_number - syn.tcp.sequence_number - 1) % _SEQUENCE_SPACE <= syn.tcp.length


def _flags(frame: Frame) -> TcpFlags:
    return frame.tcp.flags & ~TcpFlags.PSH if frame.tcp else TcpFlags(0)
