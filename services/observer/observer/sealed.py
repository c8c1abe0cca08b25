"""What of a connection stayed closed to the dissector, for want of keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from observer.messages import Frame, HandshakeType, RecordType
from observer.registries import TLS_VERSIONS, name_of

_TLS_1_2 = 0x0303


@dataclass(frozen=True, slots=True)
class Sealed:
    """TLS records over TCP that were not decrypted, or QUIC datagrams of which nothing was; `version` None where no
    ServerHello was seen."""

    records: int
    datagrams: int
    version: int | None

    def __bool__(self) -> bool:
        return bool(self.records or self.datagrams)

    def __str__(self) -> str:
        if self.datagrams:
            return f"QUIC, {_counted(self.datagrams, 'datagram')}, no keys"
        version = "TLS" if self.version is None else name_of(self.version, TLS_VERSIONS)
        return f"{version}, application data, {_counted(self.records, 'record')}, no keys"


class Seal:
    """Counts a connection's closed records and datagrams, frame by frame.

    TLS 1.3 hides what a record holds, so one whose inside is known was decrypted. Before, the header says it openly:
    there a sender's records are closed if its Finished, the first encrypted message, could not be read, and in a
    capture that began too late to see it, if no HTTP was found in them.
    """

    def __init__(self) -> None:
        self._version: int | None = None
        self._hidden = 0
        self._datagrams = 0
        self._open = 0
        self._by_sender: dict[tuple[str, int], int] = {}
        self._read_finished: set[tuple[str, int]] = set()

    def add(self, frame: Frame) -> None:
        if frame.quic:
            self._datagrams += not frame.quic.frame_types
        if frame.http or frame.http2_frame_types:
            self._open += 1
        if not frame.tls or not frame.tcp:
            return
        if frame.tls.server_hello:
            self._version = frame.tls.server_hello.version
        sender = (frame.source, frame.tcp.source_port)
        if HandshakeType.FINISHED in frame.tls.handshake:
            self._read_finished.add(sender)
        for record in frame.tls.records:
            if record.inner_type is None:
                self._hidden += 1
            elif record.inner_type == RecordType.APPLICATION_DATA:
                self._by_sender[sender] = self._by_sender.get(sender, 0) + 1

    def add_records(self, sender: tuple[str, int], hidden: int, shown: int, read_http: bool) -> None:
        """The same of a segment of which no more is known: records that stayed closed, and that say they hold data."""
        self._hidden += hidden
        self._open += read_http
        if shown:
            self._by_sender[sender] = self._by_sender.get(sender, 0) + shown

    @property
    def sealed(self) -> Sealed:
        if self._version is None:
            told = 0 if self._open or self._hidden or self._read_finished else sum(self._by_sender.values())
        elif self._version <= _TLS_1_2:
            told = sum(n for sender, n in self._by_sender.items() if sender not in self._read_finished)
        else:
            told = 0
        return Sealed(self._hidden + told, self._datagrams, self._version)


def sealed(frames: Iterable[Frame]) -> Sealed:
    seal = Seal()
    for frame in frames:
        seal.add(frame)
    return seal.sealed


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
