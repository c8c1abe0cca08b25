"""One connection: bytes in, events and bytes out. No sockets, no clock.

The record layer (RFC 8446, 5; RFC 5246, 6) is here; which handshake plays on it, this file does not know. A player gets
whole handshake messages, answers through the layer, and may hand over to another player.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from glassbox.alerts import AlertDescription, AlertLevel, TlsFault
from glassbox.events import ConnectionFailed, DataReceived, Event, PeerClosed, failed
from glassbox.intermediate import Ledger
from glassbox.messages import Handshake, first_handshake
from glassbox.records import LARGEST_FRAGMENT, ContentType, Protection, Record, split_records
from glassbox.suites import TLS_1_2

_LARGEST_HANDSHAKE = 1 << 17  # bytes; far more than any chain of the lab needs


class Layer:
    """What a player does to the wire. Protections are None while records are plain."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.record_version = 0x0301  # of a first ClientHello (RFC 8446, 5.1); afterwards 3.3
        self._out = bytearray()
        self._events: list[Event] = []
        self._handshake = b""
        self._read: Protection | None = None
        self._write: Protection | None = None

    def send(self, type: ContentType, content: bytes) -> None:
        for at in range(0, len(content), LARGEST_FRAGMENT):
            fragment = content[at : at + LARGEST_FRAGMENT]
            plain = Record(type, self.record_version, fragment)
            self._out += (self._write.seal(type, fragment) if self._write else plain).encode()

    def send_handshake(self, *messages: Handshake) -> None:
        self.send(ContentType.HANDSHAKE, b"".join(message.raw for message in messages))

    def send_change_cipher_spec(self) -> None:
        """Never protected here: TLS 1.3 sends it for middleboxes only, and TLS 1.2 before the first keys."""
        self._out += Record(ContentType.CHANGE_CIPHER_SPEC, TLS_1_2, b"\1").encode()

    def send_alert(self, level: AlertLevel, description: AlertDescription) -> None:
        self.send(ContentType.ALERT, bytes([level, description]))

    def write_with(self, protection: Protection) -> None:
        self._write = protection

    def read_with(self, protection: Protection) -> None:
        """Raises TlsFault(unexpected_message) unless the message before ended its record (RFC 8446, 5.1)."""
        if self._handshake:
            text = f"a key change inside a record: {len(self._handshake)} bytes behind the message before it"
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, text)
        self._read = protection

    def emit(self, event: Event) -> None:
        self._events.append(event)

    def open(self, record: Record) -> tuple[int, bytes]:
        """Content type and plaintext. Raises TlsFault."""
        is_plain = self._read is None or record.type == ContentType.CHANGE_CIPHER_SPEC
        type, content = (record.type, record.fragment) if is_plain or not self._read else self._read.open(record)
        if len(content) > LARGEST_FRAGMENT:
            raise TlsFault(AlertDescription.RECORD_OVERFLOW, f"record: {len(content)} bytes of plaintext")
        return type, content

    def handshakes(self, content: bytes) -> Iterator[Handshake]:
        """The messages that are whole with `content`, one by one: `read_with` sees whether more stands behind one."""
        message, self._handshake = first_handshake(self._handshake + content)
        while message:
            yield message
            message, self._handshake = first_handshake(self._handshake)
        if len(self._handshake) > _LARGEST_HANDSHAKE:
            raise TlsFault(AlertDescription.DECODE_ERROR, f"handshake message: more than {_LARGEST_HANDSHAKE} bytes")

    @property
    def is_between_messages(self) -> bool:
        return not self._handshake

    def take_bytes(self) -> bytes:
        taken, self._out = bytes(self._out), bytearray()
        return taken

    def take_events(self) -> list[Event]:
        taken, self._events = self._events, []
        return taken


class Player(Protocol):
    """One side's handshake in one version, or what comes before the version is known."""

    @property
    def is_open(self) -> bool:
        """Whether application data may come and go."""

    def on_handshake(self, message: Handshake) -> Player:
        """Who plays on. Raises TlsFault."""

    def on_change_cipher_spec(self) -> None:
        """Raises TlsFault."""


class Connection:
    """A TLS connection as one side sees it. After ConnectionFailed nothing more comes of it."""

    def __init__(self, layer: Layer, player: Player) -> None:
        self._layer = layer
        self._player = player
        self._unread = b""
        # close_notify ends one direction only (RFC 8446, 6.1), a fatal alert both.
        self._peer_has_ended = False
        self._have_ended = False

    @property
    def ledger(self) -> Ledger:
        """All intermediates so far."""
        return self._layer.ledger

    @property
    def is_open(self) -> bool:
        """Whether `send` may be called."""
        return self._player.is_open and not self._have_ended

    def receive(self, data: bytes) -> list[Event]:
        """What the bytes from the peer bring about; an empty `data` is the end of its stream."""
        try:
            if not data and not self._peer_has_ended:
                self._end()
                text = "the peer ended the connection without close_notify"
                self._layer.emit(ConnectionFailed(AlertDescription.CLOSE_NOTIFY, text, by_us=False))
            records, self._unread = split_records(self._unread + data)
            for record in records:
                if not self._peer_has_ended:
                    self._on_record(record)
        except TlsFault as fault:
            self._fail(fault)
        return self._layer.take_events()

    def send(self, data: bytes) -> None:
        """Protect application data. Raises ValueError before the handshake is complete, or after the end."""
        if not self.is_open:
            raise ValueError("no application data now: the handshake is not complete, or the connection is over")
        self._layer.send(ContentType.APPLICATION_DATA, data)

    def close(self) -> None:
        """Say close_notify (RFC 8446, 6.1), once; what the peer still sends is taken."""
        if not self._have_ended:
            self._layer.send_alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
        self._have_ended = True

    def bytes_to_send(self) -> bytes:
        return self._layer.take_bytes()

    def _on_record(self, record: Record) -> None:
        type, content = self._layer.open(record)
        if type != ContentType.HANDSHAKE and not self._layer.is_between_messages:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"a record of type {type} inside a handshake message")
        match type:
            case ContentType.HANDSHAKE:
                for message in self._layer.handshakes(content):
                    self._player = self._player.on_handshake(message)
            case ContentType.CHANGE_CIPHER_SPEC:
                if content != b"\1":
                    raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"change_cipher_spec: found {content.hex()}")
                self._player.on_change_cipher_spec()
            case ContentType.ALERT:
                self._on_alert(content)
            case ContentType.APPLICATION_DATA if self._player.is_open:
                self._layer.emit(DataReceived(content))
            case _:
                raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"a record of type {type} during the handshake")

    def _on_alert(self, content: bytes) -> None:
        if len(content) != 2:
            raise TlsFault(AlertDescription.DECODE_ERROR, f"alert: expected 2 bytes, found {len(content)}")
        level, description = content
        if description == AlertDescription.CLOSE_NOTIFY:
            self._peer_has_ended = True
            self._layer.emit(PeerClosed())
        elif level == AlertLevel.FATAL or description != AlertDescription.USER_CANCELED:
            # TLS 1.3 ignores the level (RFC 8446, 6); of TLS 1.2's warnings none may be passed over here.
            self._end()
            self._layer.emit(ConnectionFailed(description, "", by_us=False))

    def _fail(self, fault: TlsFault) -> None:
        if not self._have_ended:
            self._layer.send_alert(AlertLevel.FATAL, fault.alert)
        if not self._peer_has_ended:
            self._layer.emit(failed(fault.alert, str(fault)))
        self._end()

    def _end(self) -> None:
        self._peer_has_ended = self._have_ended = True
