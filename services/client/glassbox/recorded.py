"""A connection that was recorded, read with a secret that came to light: every record by hand, in both directions.

What the two streams hold is all that somebody on the path has. The secret decides what can be read of it:

- TLS 1.2: the pre-master secret or the master secret gives everything (RFC 5246, 8.1; RFC 7627, 4).
- TLS 1.3: the (EC)DHE shared secret (and the PSK, if one was used) gives everything (RFC 8446, 7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from glassbox.alerts import TlsFault
from glassbox.intermediate import Ledger
from glassbox.keyschedule import tls12, tls13
from glassbox.messages import (
    ClientHello,
    EphemeralParameters,
    Extension,
    Handshake,
    HandshakeType,
    ServerHello,
    find,
    split_handshakes,
)
from glassbox.presentation import Reader
from glassbox.records import (
    ContentType,
    Protection,
    Record,
    Tls13Protection,
    WriteKeys,
    split_records,
    tls12_protection,
)
from glassbox.secrets13 import HandshakeSecrets
from glassbox.suites import SUITES, TLS_1_3, CipherSuite, KeyExchange
from glassbox.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Opened:
    """What both sides sent: content type and plaintext, record by record."""

    client: tuple[tuple[int, bytes], ...]
    server: tuple[tuple[int, bytes], ...]

    @property
    def client_data(self) -> bytes:
        return _data(self.client)

    @property
    def server_data(self) -> bytes:
        return _data(self.server)


def _data(records: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(content for type, content in records if type == ContentType.APPLICATION_DATA)


class Recorded:
    """The bytes that each side sent, as TCP carried them. Raises TlsFault where they are no TLS."""

    def __init__(self, client: bytes, server: bytes) -> None:
        self._client = split_records(client)[0]
        self._server = split_records(server)[0]

    @cached_property
    def client_messages(self) -> list[Handshake]:
        """What the client sent in the clear."""
        return _clear_messages(self._client, self.is_1_3)

    @cached_property
    def server_messages(self) -> list[Handshake]:
        """What the server sent in the clear."""
        return _clear_messages(self._server, self.is_1_3)

    @cached_property
    def is_1_3(self) -> bool:
        first = _last(_clear_messages(self._server, False)[:1], HandshakeType.SERVER_HELLO)
        return ServerHello.read(first.body).negotiated_version == TLS_1_3

    @property
    def client_hello(self) -> ClientHello:
        """The last one: the one that was answered by a ServerHello."""
        return ClientHello.read(_last(self.client_messages, HandshakeType.CLIENT_HELLO).body)

    @property
    def server_hello(self) -> ServerHello:
        return ServerHello.read(_last(self.server_messages, HandshakeType.SERVER_HELLO).body)

    @property
    def suite(self) -> CipherSuite:
        return SUITES[self.server_hello.cipher_suite]

    @property
    def encrypted_pre_master_secret(self) -> bytes:
        """What RSA key exchange sends (RFC 5246, 7.4.7.1)."""
        reader = Reader(_last(self.client_messages, HandshakeType.CLIENT_KEY_EXCHANGE).body, "ClientKeyExchange")
        return reader.vector(2, "encrypted_pre_master_secret")

    @property
    def server_ephemeral(self) -> EphemeralParameters:
        """TLS 1.2's ServerKeyExchange."""
        body = _last(self.server_messages, HandshakeType.SERVER_KEY_EXCHANGE).body
        is_dhe = self.suite.key_exchange is KeyExchange.DHE
        return EphemeralParameters.read_dhe(body) if is_dhe else EphemeralParameters.read_ecdhe(body)

    @property
    def ticket_12(self) -> bytes:
        """The ticket in TLS 1.2's NewSessionTicket (RFC 5077, 3.3), which goes in the clear."""
        reader = Reader(_last(self.server_messages, HandshakeType.NEW_SESSION_TICKET).body, "NewSessionTicket")
        reader.uint(4, "ticket_lifetime_hint")
        return reader.vector(2, "ticket")

    # ------------------------------------------------------------------ TLS 1.2

    def master_secret(self, pre_master_secret: bytes, ledger: Ledger) -> bytes:
        """From the pre-master secret and what was in the clear."""
        hash_ = self.suite.hash
        ledger.note("pre_master_secret", "RFC 5246, 8.1", pre_master_secret)
        if find(self.server_hello.extensions, Extension.EXTENDED_MASTER_SECRET) is None:
            client, server = self.client_hello.random, self.server_hello.random
            master = tls12.master_secret(hash_, pre_master_secret, client, server)
            ledger.note("master_secret", "RFC 5246, 8.1", master)
            return master
        hello, *others = self.client_messages
        flight = [each for each in self.server_messages if each.type != HandshakeType.NEW_SESSION_TICKET]
        session_hash = hash_.digest(b"".join(each.raw for each in (hello, *flight, *others)))
        ledger.note("session_hash", "RFC 7627, 3", session_hash)
        master = tls12.extended_master_secret(hash_, pre_master_secret, session_hash)
        ledger.note("master_secret", "RFC 7627, 4", master)
        return master

    def open_12(self, master_secret: bytes, ledger: Ledger) -> Opened:
        """Raises TlsFault(bad_record_mac) when this is not the connection's master secret."""
        server_hello, suite = self.server_hello, self.suite
        keys = tls12.key_block(
            suite.hash, master_secret, self.client_hello.random, server_hello.random, suite.key_lengths
        )
        ledger.note_stage(keys)
        is_later_mac = find(server_hello.extensions, Extension.ENCRYPT_THEN_MAC) is not None
        sides = (
            (self._client, WriteKeys(keys.client_write_mac_key, keys.client_write_key, keys.client_write_iv)),
            (self._server, WriteKeys(keys.server_write_mac_key, keys.server_write_key, keys.server_write_iv)),
        )
        opened = []
        for records, own in sides:
            protection = tls12_protection(suite, own, _no_randomness, encrypt_then_mac=is_later_mac)
            opened.append(tuple(protection.open(record) for record in _after_change_cipher_spec(records)))
        return Opened(*opened)

    # ------------------------------------------------------------------ TLS 1.3

    def transcript(self) -> Transcript:
        """From the first ClientHello to ServerHello."""
        transcript = Transcript()
        hellos = [each for each in self.client_messages if each.type == HandshakeType.CLIENT_HELLO]
        answers = [each for each in self.server_messages if each.type == HandshakeType.SERVER_HELLO]
        for number, (hello, answer) in enumerate(zip(hellos, answers, strict=True)):
            transcript.add(hello)
            if number < len(answers) - 1:
                transcript.fold(self.suite.hash)
            transcript.add(answer)
        return transcript

    def open_13(self, shared_secret: bytes | None, ledger: Ledger, psk: bytes | None = None) -> Opened:
        """Raises TlsFault(bad_record_mac) when these are not the connection's secrets."""
        transcript = self.transcript()
        handshake = HandshakeSecrets(
            self.suite,
            ledger,
            psk=psk,
            shared_secret=shared_secret,
            server_hello_hash=transcript.hash(self.suite.hash),
        )
        server = _Reading(_protected(self._server), handshake.server_protection())
        server.to_finished(transcript)
        application = handshake.application(transcript.hash(self.suite.hash))
        server.go_on(application.protection("server"))
        client = _Reading(_protected(self._client), handshake.client_protection())
        client.to_finished(transcript)
        client.go_on(application.protection("client"))
        application.resumption_master_secret(transcript.hash(self.suite.hash))
        return Opened(tuple(client.opened), tuple(server.opened))

    def open_13_with(self, traffic_secret: Callable[[str], bytes]) -> Opened:
        """From the four traffic secrets alone, as a key log has them: `traffic_secret` by the key log's label."""
        opened = []
        for records, who in ((self._client, "CLIENT"), (self._server, "SERVER")):
            reading = _Reading(_protected(records), self._protection(traffic_secret(f"{who}_HANDSHAKE_TRAFFIC_SECRET")))
            reading.to_finished(Transcript())
            reading.go_on(self._protection(traffic_secret(f"{who}_TRAFFIC_SECRET_0")))
            opened.append(tuple(reading.opened))
        return Opened(*opened)

    def _protection(self, secret: bytes) -> Tls13Protection:
        keys = tls13.traffic_keys(self.suite.hash, secret, self.suite.cipher.key_length)
        return Tls13Protection(self.suite.cipher, keys.key, keys.iv)


class _Reading:
    """One direction of TLS 1.3, opened up to Finished and then on."""

    def __init__(self, records: list[Record], protection: Protection) -> None:
        self._records = records
        self._protection = protection
        self.opened: list[tuple[int, bytes]] = []

    def to_finished(self, transcript: Transcript) -> None:
        unread = b""
        while self._records:
            type, content = self._protection.open(self._records.pop(0))
            self.opened.append((type, content))
            if type != ContentType.HANDSHAKE:
                continue
            messages, unread = split_handshakes(unread + content)
            for message in messages:
                transcript.add(message)
            if any(message.type == HandshakeType.FINISHED for message in messages):
                return

    def go_on(self, protection: Protection) -> None:
        self.opened += [protection.open(record) for record in self._records]


def opens(attempt: Callable[[], Opened]) -> Opened | None:
    """What a key opens, or None: with any other key the first record already fails."""
    try:
        return attempt()
    except TlsFault:
        return None


def _clear_messages(records: list[Record], is_1_3: bool) -> list[Handshake]:
    """Up to change_cipher_spec in TLS 1.2; in TLS 1.3, where it says nothing, up to the first protected record."""
    data = b""
    for record in records:
        if record.type == ContentType.HANDSHAKE:
            data += record.fragment
        elif record.type != ContentType.CHANGE_CIPHER_SPEC or not is_1_3:
            break
    return split_handshakes(data)[0]


def _last(messages: list[Handshake], type: HandshakeType) -> Handshake:
    found = [message for message in messages if message.type == type]
    if not found:
        raise ValueError(f"no {type.name.lower()} was recorded in the clear")
    return found[-1]


def _after_change_cipher_spec(records: list[Record]) -> list[Record]:
    for at, record in enumerate(records):
        if record.type == ContentType.CHANGE_CIPHER_SPEC:
            return records[at + 1 :]
    return []


def _protected(records: list[Record]) -> list[Record]:
    return [record for record in records if record.type == ContentType.APPLICATION_DATA]


def _no_randomness(length: int) -> bytes:
    raise AssertionError("opening needs no randomness")
