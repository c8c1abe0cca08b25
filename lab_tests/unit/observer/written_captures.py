"""Captures written down frame by frame: one link, a client that looks names up and asks servers in plain HTTP."""

from __future__ import annotations

from dataclasses import replace

from observer.messages import (
    DnsMessage,
    Frame,
    HttpMessage,
    HttpVersion,
    ResourceRecord,
    TcpFlags,
    TcpSegment,
    UdpDatagram,
)

LINK, CLIENT, SERVER, RESOLVER = "eth0", "192.0.2.1", "192.0.2.80", "192.0.2.53"
MS = 1_000_000


class Written:
    """Times are milliseconds since the capture began; what is said at the same time is said in order."""

    def __init__(self, client: str = CLIENT) -> None:
        self._frames: list[Frame] = []
        self._client = client
        self._servers: dict[int, str] = {}  # by the client's port

    def frames(self) -> list[Frame]:
        """In order of time, numbered from 1."""
        ordered = sorted(self._frames, key=lambda frame: frame.time_ns)
        return [replace(frame, number=number) for number, frame in enumerate(ordered, start=1)]

    def looks_up(
        self, name: str, at: float, answered: float | None, port: int, type: str = "A", id: int | None = None
    ) -> Written:
        """A question, and its answer at `answered`; None: it has none."""
        question = DnsMessage(port if id is None else id, False, name, type, 0, False, False, True)
        self._add(at, CLIENT, RESOLVER, udp=UdpDatagram(port, 53), dns=question)
        if answered is not None:
            record = ResourceRecord(name, type, 300, SERVER if type == "A" else None)
            answer = replace(question, is_response=True, answers=(record,))
            self._add(answered, RESOLVER, CLIENT, udp=UdpDatagram(53, port), dns=answer)
        return self

    def opens(self, port: int, at: float, *, server: str = SERVER, seen: bool = True) -> Written:
        """The three packets by which a connection from `port` is opened; without `seen` nothing of them."""
        self._servers[port] = server
        if seen:
            self._segment(port, at, True, TcpFlags.SYN)
            self._segment(port, at, False, TcpFlags.SYN | TcpFlags.ACK)
            self._segment(port, at, True, TcpFlags.ACK)
        return self

    def asks(
        self, port: int, at: float, host: str | None, target: str = "/", method: str = "GET", id: str | None = None
    ) -> Written:
        headers = (("X-Request-ID", id),) if id else ()
        return self._says(port, at, True, HttpMessage(HttpVersion.HTTP_1, None, method, target, host, None, headers))

    def answers(
        self, port: int, at: float, status: int = 200, id: str | None = None, location: str | None = None
    ) -> Written:
        given = (("x-request-id", id), ("location", location))
        headers = tuple((name, value) for name, value in given if value)
        return self._says(port, at, False, HttpMessage(HttpVersion.HTTP_1, None, None, None, None, status, headers))

    def visits(self, name: str, port: int, at: float, server: str = SERVER) -> Written:
        """A whole exchange on a connection of its own."""
        return self.opens(port, at, server=server).asks(port, at + 1, name).answers(port, at + 2)

    def _says(self, port: int, at: float, by_client: bool, message: HttpMessage) -> Written:
        return self._segment(port, at, by_client, TcpFlags.ACK, message)

    def _segment(self, port: int, at: float, by_client: bool, flags: TcpFlags, *said: HttpMessage) -> Written:
        ports, ends = (port, 80), (self._client, self._servers[port])
        if not by_client:
            ports, ends = ports[::-1], ends[::-1]
        first = 1000 * port + (0 if by_client else 500)  # a sequence number that no other connection has
        segment = TcpSegment(*ports, list(self._servers).index(port), first, 0, 100 if said else 0, flags)
        return self._add(at, *ends, tcp=segment, http=said)

    def _add(
        self,
        at: float,
        source: str,
        destination: str,
        tcp: TcpSegment | None = None,
        udp: UdpDatagram | None = None,
        dns: DnsMessage | None = None,
        http: tuple[HttpMessage, ...] = (),
    ) -> Written:
        time_ns = 1_700_000_000_000 * MS + int(at * MS)
        frame = Frame(0, time_ns, LINK, 60, "", "", source, destination, tcp=tcp, udp=udp, dns=dns, http=http)
        self._frames.append(frame)
        return self
