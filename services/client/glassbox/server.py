"""The server's half of TLS 1.3, as much as an experiment needs to see both sides' secrets.

X25519, P-256 or ffdhe2048, an ECDSA certificate, the suite that the client likes best; no tickets, no retry. It notes
what the client's half notes.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from cryptography.hazmat.primitives.asymmetric import ec

from glassbox import extensions as ext
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.connection import Connection, Layer, Player
from glassbox.events import HandshakeCompleted
from glassbox.groups import Group, Randomness, generate
from glassbox.handshake import Handler, handler_for
from glassbox.messages import (
    ClientHello,
    Extension,
    Handshake,
    HandshakeType,
    ServerHello,
    certificate_13,
    find,
)
from glassbox.presentation import uint, vector
from glassbox.secrets13 import ApplicationSecrets, HandshakeSecrets
from glassbox.signatures import certificate_verify_content, sign_ecdsa
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3, CipherSuite
from glassbox.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server proves itself with: certificates (DER, its own first), and the key of the first."""

    chain: Sequence[bytes]
    key: ec.EllipticCurvePrivateKey


def accept(
    identity: Identity, protocols: Sequence[str] = ("http/1.1",), randomness: Randomness = os.urandom
) -> Connection:
    """A server's connection: it waits for a ClientHello."""
    layer = Layer()
    return Connection(layer, Server13(layer, identity, protocols, randomness))


class _State(Enum):
    WAIT_CLIENT_HELLO = auto()
    WAIT_FINISHED = auto()
    CONNECTED = auto()


class Server13:
    """RFC 8446, A.2."""

    def __init__(self, layer: Layer, identity: Identity, protocols: Sequence[str], randomness: Randomness) -> None:
        self._layer = layer
        self._identity = identity
        self._protocols = protocols
        self._randomness = randomness
        self._transcript = Transcript()
        self._state = _State.WAIT_CLIENT_HELLO
        self._handshake: HandshakeSecrets | None = None
        self._application: ApplicationSecrets | None = None
        self._completed: HandshakeCompleted | None = None
        layer.record_version = TLS_1_2

    @property
    def is_open(self) -> bool:
        return self._state is _State.CONNECTED

    def on_change_cipher_spec(self) -> None:
        if self.is_open:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, "change_cipher_spec after the handshake")

    def on_handshake(self, message: Handshake) -> Player:
        self._state = handler_for(_TABLE, self._state, message)(self, message)
        return self

    def _on_client_hello(self, message: Handshake) -> _State:
        hello = ClientHello.read(message.body)
        self._transcript.add(message)
        suite, group, public = _suite(hello), *_share(hello)
        self._layer.ledger.note("client_random", "RFC 8446, 4.1.2", hello.random)
        self._layer.ledger.note("client_public_value", "RFC 8446, 4.2.8", public)
        pair = generate(group, self._randomness)
        shared_secret = pair.shared_secret(public)
        random = self._randomness(32)
        self._layer.ledger.note("server_random", "RFC 8446, 4.1.3", random)
        self._layer.ledger.note("server_private_value", "RFC 8446, 4.2.8", pair.private_value)
        self._layer.ledger.note("server_public_value", "RFC 8446, 4.2.8", pair.public_value)
        extensions = (
            (int(Extension.SUPPORTED_VERSIONS), uint(TLS_1_3, 2)),
            (int(Extension.KEY_SHARE), ext.key_share(group, pair.public_value)),
        )
        self._send(ServerHello(random, hello.session_id, suite.number, extensions).message())
        if hello.session_id:
            self._layer.send_change_cipher_spec()
        self._handshake = HandshakeSecrets(
            suite,
            self._layer.ledger,
            psk=None,
            shared_secret=shared_secret,
            server_hello_hash=self._hash(suite),
        )
        # Writing first: an alert about bytes behind ClientHello comes after ServerHello, so under these keys.
        self._layer.write_with(self._handshake.server_protection())
        self._layer.read_with(self._handshake.client_protection())
        self._send_flight(hello, suite, self._handshake)
        self._completed = HandshakeCompleted("TLS 1.3", suite.name, pair.name, self._protocol(hello), False, ())
        return _State.WAIT_FINISHED

    def _send_flight(self, hello: ClientHello, suite: CipherSuite, handshake: HandshakeSecrets) -> None:
        """EncryptedExtensions to Finished."""
        protocol = self._protocol(hello)
        chosen = [(int(Extension.ALPN), ext.alpn([protocol]))] if protocol else []
        content = b"".join(uint(type, 2) + vector(2, each) for type, each in chosen)
        self._send(Handshake(HandshakeType.ENCRYPTED_EXTENSIONS, vector(2, content)))
        self._send(certificate_13(self._identity.chain))
        algorithm, signature = sign_ecdsa(self._identity.key, certificate_verify_content(self._hash(suite)))
        self._send(Handshake(HandshakeType.CERTIFICATE_VERIFY, uint(algorithm, 2) + vector(2, signature)))
        self._send(Handshake(HandshakeType.FINISHED, handshake.server_verify_data(self._hash(suite))))
        self._application = handshake.application(self._hash(suite))
        self._layer.write_with(self._application.protection("server"))

    def _on_finished(self, message: Handshake) -> _State:
        handshake, application = self._handshake, self._application
        assert handshake is not None and application is not None, "the state machine saw ClientHello"
        expected = handshake.client_verify_data(self._hash(handshake.suite))
        if not hmac.compare_digest(expected, message.body):
            raise TlsFault(AlertDescription.DECRYPT_ERROR, "Finished: verify_data is not what this transcript gives")
        self._transcript.add(message)
        self._layer.read_with(application.protection("client"))
        application.resumption_master_secret(self._hash(handshake.suite))
        if self._completed:
            self._layer.emit(self._completed)
        return _State.CONNECTED

    def _protocol(self, hello: ClientHello) -> str | None:
        offered = find(hello.extensions, Extension.ALPN) or b""
        return next((name for name in self._protocols if vector(1, name.encode()) in offered), None)

    def _hash(self, suite: CipherSuite) -> bytes:
        return self._transcript.hash(suite.hash)

    def _send(self, message: Handshake) -> None:
        self._transcript.add(message)
        self._layer.send_handshake(message)


def _suite(hello: ClientHello) -> CipherSuite:
    versions = find(hello.extensions, Extension.SUPPORTED_VERSIONS)
    if versions is None or TLS_1_3 not in ext.read_numbers(versions, "supported_versions", 1):
        raise TlsFault(AlertDescription.PROTOCOL_VERSION, "ClientHello: supported_versions: without TLS 1.3")
    known = (SUITES[number] for number in hello.cipher_suites if number in SUITES)
    found = next((suite for suite in known if suite.version == TLS_1_3), None)
    if found is None:
        raise TlsFault(AlertDescription.HANDSHAKE_FAILURE, "ClientHello: cipher_suites: none that is spoken here")
    return found


def _share(hello: ClientHello) -> tuple[Group, bytes]:
    shares = ext.read_key_shares(ext.required(hello.extensions, Extension.KEY_SHARE, "ClientHello"))
    known = {int(group): group for group in Group}
    for number, public in shares:
        if number in known:
            return known[number], public
    raise TlsFault(AlertDescription.HANDSHAKE_FAILURE, "ClientHello: key_share: no group that is spoken here")


_TABLE: dict[_State, dict[HandshakeType, Handler]] = {
    _State.WAIT_CLIENT_HELLO: {HandshakeType.CLIENT_HELLO: Server13._on_client_hello},
    _State.WAIT_FINISHED: {HandshakeType.FINISHED: Server13._on_finished},
    _State.CONNECTED: {},
}
