"""The client before the version is known: ClientHello, perhaps a HelloRetryRequest, ServerHello (RFC 8446, 4.1)."""

from __future__ import annotations

import os

from glassbox import extensions as ext
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.client12 import Client12
from glassbox.client13 import Client13
from glassbox.connection import Connection, Layer, Player
from glassbox.groups import Group, KeyPair, Randomness
from glassbox.handshake import Beginning, ChainCheck
from glassbox.messages import (
    DOWNGRADES,
    Extension,
    Handshake,
    HandshakeType,
    ServerHello,
    find,
)
from glassbox.offer import FreshHellos, Hellos, Offer
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3, CipherSuite
from glassbox.transcript import Transcript


def connect(offer: Offer, check_chain: ChainCheck, randomness: Randomness = os.urandom) -> Connection:
    """A client's connection; its ClientHello waits in `bytes_to_send`. Who answers must satisfy `check_chain`."""
    return connect_with(FreshHellos(offer, randomness), check_chain, randomness)


def connect_with(hellos: Hellos, check_chain: ChainCheck, randomness: Randomness = os.urandom) -> Connection:
    """The same with ClientHellos of any origin."""
    layer = Layer()
    return Connection(layer, _WaitForServerHello(layer, hellos, check_chain, randomness))


_GROUPS = frozenset(int(group) for group in Group)
_IN_HELLO_RETRY_REQUEST = (Extension.SUPPORTED_VERSIONS, Extension.KEY_SHARE, Extension.COOKIE)


class _WaitForServerHello:
    """RFC 8446, A.1: START and WAIT_SH."""

    is_open = False

    def __init__(self, layer: Layer, hellos: Hellos, check_chain: ChainCheck, randomness: Randomness) -> None:
        self._layer = layer
        self._hellos = hellos
        self._check_chain = check_chain
        self._randomness = randomness
        self._transcript = Transcript()
        self._retry: ServerHello | None = None
        self._hello = hellos.first()
        self._send_hello()
        layer.record_version = TLS_1_2

    def on_change_cipher_spec(self) -> None:
        """A server's, for middleboxes, after its HelloRetryRequest (RFC 8446, 5)."""

    def on_handshake(self, message: Handshake) -> Player:
        if message.type != HandshakeType.SERVER_HELLO:
            text = f"expected server_hello, found handshake message {message.type}"
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, text)
        server_hello = ServerHello.read(message.body)
        suite = self._check(server_hello)
        if server_hello.is_retry:
            self._again(server_hello, suite, message)
            return self
        self._transcript.add(message)
        beginning = Beginning(
            layer=self._layer,
            transcript=self._transcript,
            hello=self._hello,
            server_hello=server_hello,
            suite=suite,
            ticket=self._hellos.ticket,
            check_chain=self._check_chain,
            randomness=self._randomness,
        )
        self._layer.ledger.note("server_random", "RFC 8446, 4.1.3", server_hello.random)
        is_1_3 = server_hello.negotiated_version == TLS_1_3
        if is_1_3 and self._retry is None:
            self._say_change_cipher_spec()
        return Client13(beginning) if is_1_3 else Client12(beginning)

    def _check(self, server_hello: ServerHello) -> CipherSuite:
        """Whether the server chose among what was offered, and stays with what it chose."""
        self._check_retry(server_hello)
        offered = self._hello.client_hello
        version = server_hello.negotiated_version
        versions = find(offered.extensions, Extension.SUPPORTED_VERSIONS)
        offered_versions = ext.read_numbers(versions, "supported_versions", 1) if versions else (TLS_1_2,)
        if version not in offered_versions:
            text = f"ServerHello: version {version:#06x}, which was not offered"
            raise TlsFault(AlertDescription.PROTOCOL_VERSION, text)
        if server_hello.cipher_suite not in offered.cipher_suites or server_hello.cipher_suite not in SUITES:
            text = f"ServerHello: cipher_suite {server_hello.cipher_suite:#06x}, which was not offered"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        suite = SUITES[server_hello.cipher_suite]
        if suite.version != version:
            text = f"ServerHello: {suite.name} does not belong to version {version:#06x}"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        if version == TLS_1_3 and server_hello.session_id != offered.session_id:
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, "ServerHello: legacy_session_id_echo: not the client's")
        if version != TLS_1_3 and TLS_1_3 in offered_versions and server_hello.random.endswith(DOWNGRADES):
            text = "ServerHello: random: the server could speak a later version; somebody took the offer away"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        return suite

    def _check_retry(self, server_hello: ServerHello) -> None:
        """RFC 8446, 4.1.4: only TLS 1.3 has a HelloRetryRequest, there is one, and what it chose stays chosen."""
        version = server_hello.negotiated_version
        if self._retry is not None and server_hello.is_retry:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, "a second HelloRetryRequest")
        if server_hello.is_retry and version != TLS_1_3:
            text = f"HelloRetryRequest: version {version:#06x}, which has none"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        if self._retry is None:
            return
        if version != TLS_1_3:
            text = f"ServerHello: version {version:#06x}: another one than in HelloRetryRequest"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        if server_hello.cipher_suite != self._retry.cipher_suite:
            text = "ServerHello: cipher_suite: another one than in HelloRetryRequest"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)

    def _again(self, retry: ServerHello, suite: CipherSuite, message: Handshake) -> None:
        """RFC 8446, 4.1.4."""
        offered = [type for type, _ in self._hello.client_hello.extensions]
        ext.only(retry.extensions, offered, _IN_HELLO_RETRY_REQUEST, "HelloRetryRequest")
        group = self._retry_group(retry)
        cookie = find(retry.extensions, Extension.COOKIE)
        if group is None and cookie is None:
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, "HelloRetryRequest: asks for no change")
        self._retry = retry
        self._layer.ledger.note("client_hello_1_hash", "RFC 8446, 4.4.1", self._transcript.hash(suite.hash))
        self._transcript.fold(suite.hash)
        self._transcript.add(message)
        self._say_change_cipher_spec()
        self._hello = self._hellos.second(self._hello, group, cookie, self._transcript)
        self._send_hello()

    def _retry_group(self, retry: ServerHello) -> int | None:
        content = find(retry.extensions, Extension.KEY_SHARE)
        if content is None:
            return None
        group = int.from_bytes(content)
        groups = find(self._hello.client_hello.extensions, Extension.SUPPORTED_GROUPS) or b"\0\0"
        has_share = group in [pair.group for pair in self._hello.key_pairs]
        offered = [number for number in ext.read_numbers(groups, "supported_groups") if number in _GROUPS]
        if group not in offered or has_share:
            text = f"HelloRetryRequest: selected_group {group:#06x}: not offered, or already shared"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        return group

    def _send_hello(self) -> None:
        hello = self._hello.client_hello
        message = hello.message()
        self._transcript.add(message)
        self._layer.ledger.note("client_random", "RFC 8446, 4.1.2", hello.random)
        for pair in self._hello.key_pairs:
            note_key_pair(self._layer, pair)
        self._layer.send_handshake(message)

    def _say_change_cipher_spec(self) -> None:
        """For middleboxes (RFC 8446, D.4): once, and only if the session id announces it."""
        if self._hello.client_hello.session_id:
            self._layer.send_change_cipher_spec()


def note_key_pair(layer: Layer, pair: KeyPair, section: str = "RFC 8446, 4.2.8") -> None:
    layer.ledger.note("client_private_value", section, pair.private_value)
    layer.ledger.note("client_public_value", section, pair.public_value)
