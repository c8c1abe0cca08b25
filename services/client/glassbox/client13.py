"""The client's part of a TLS 1.3 handshake after ServerHello (RFC 8446, 4 and A.1)."""

from __future__ import annotations

import hmac
from enum import Enum, auto

from glassbox import extensions as ext
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.connection import Player
from glassbox.events import HandshakeCompleted, Ticket, TicketReceived
from glassbox.groups import Group
from glassbox.handshake import Beginning, Handler, handler_for
from glassbox.keyschedule import tls13
from glassbox.messages import (
    CertificateVerify,
    Extension,
    Handshake,
    HandshakeType,
    NewSessionTicket,
    certificate_13,
    find,
    read_certificate_13,
    read_extensions,
)
from glassbox.offer import PSK_KE
from glassbox.presentation import Reader
from glassbox.secrets13 import ApplicationSecrets, HandshakeSecrets
from glassbox.signatures import certificate_verify_content, public_key, verify
from glassbox.suites import SUITES, TLS_1_3


class _State(Enum):
    WAIT_ENCRYPTED_EXTENSIONS = auto()
    WAIT_CERTIFICATE_OR_REQUEST = auto()
    WAIT_CERTIFICATE = auto()
    WAIT_CERTIFICATE_VERIFY = auto()
    WAIT_FINISHED = auto()
    CONNECTED = auto()


class Client13:
    """Plays from ServerHello to the end of the connection."""

    def __init__(self, beginning: Beginning) -> None:
        self._begun = beginning
        self._layer = beginning.layer
        self._suite = beginning.suite
        self._transcript = beginning.transcript
        self._state = _State.WAIT_ENCRYPTED_EXTENSIONS
        self._protocol: str | None = None
        self._chain: tuple[bytes, ...] = ()
        self._request_context: bytes | None = None
        self._application: ApplicationSecrets | None = None
        self._resumption_secret = b""
        extensions = beginning.server_hello.extensions
        allowed = (Extension.SUPPORTED_VERSIONS, Extension.KEY_SHARE, Extension.PRE_SHARED_KEY)
        ext.only(extensions, beginning.offered_extensions, allowed, "ServerHello")
        psk = self._psk()
        self._is_resumed = psk is not None
        self._group, shared_secret = self._shared_secret()
        self._handshake = HandshakeSecrets(
            self._suite,
            self._layer.ledger,
            psk=psk,
            shared_secret=shared_secret,
            server_hello_hash=self._hash(),
        )
        # Writing first: after ServerHello the server reads an alert under these keys.
        self._layer.write_with(self._handshake.client_protection())
        self._layer.read_with(self._handshake.server_protection())

    @property
    def is_open(self) -> bool:
        return self._state is _State.CONNECTED

    def on_change_cipher_spec(self) -> None:
        """Dropped during the handshake (RFC 8446, 5), refused after it."""
        if self.is_open:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, "change_cipher_spec after the handshake")

    def on_handshake(self, message: Handshake) -> Player:
        self._state = handler_for(_TABLE, self._state, message)(self, message)
        return self

    def _hash(self) -> bytes:
        return self._transcript.hash(self._suite.hash)

    def _psk(self) -> bytes | None:
        selected = find(self._begun.server_hello.extensions, Extension.PRE_SHARED_KEY)
        if selected is None:
            return None
        ticket = self._begun.ticket
        if int.from_bytes(selected) != 0 or ticket is None:
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, "ServerHello: selected_identity: no such identity")
        bound = SUITES[ticket.suite]
        if bound.hash is not self._suite.hash:  # RFC 8446, 4.2.11
            text = f"ServerHello: cipher_suite: {self._suite.name} has another hash than the PSK's {bound.name}"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        return ticket.secret

    def _shared_secret(self) -> tuple[str | None, bytes | None]:
        """Group and secret; neither when a PSK stands alone (psk_ke)."""
        extensions = self._begun.server_hello.extensions
        if self._is_resumed and find(extensions, Extension.KEY_SHARE) is None:
            self._check_psk_alone()
            return None, None
        group, public = ext.read_key_share(ext.required(extensions, Extension.KEY_SHARE, "ServerHello"))
        pair = next((pair for pair in self._begun.hello.key_pairs if pair.group == group), None)
        if pair is None:
            text = f"ServerHello: key_share: group {group:#06x}, for which no share was sent"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        self._layer.ledger.note("server_public_value", "RFC 8446, 4.2.8", public)
        return Group(group).name.lower(), pair.shared_secret(public)

    def _check_psk_alone(self) -> None:
        """RFC 8446, 4.2.11."""
        modes = find(self._begun.hello.client_hello.extensions, Extension.PSK_KEY_EXCHANGE_MODES)
        if modes is None or PSK_KE not in ext.read_psk_modes(modes):
            text = "ServerHello: key_share is missing: a PSK alone (psk_ke) was not offered"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)

    def _on_encrypted_extensions(self, message: Handshake) -> _State:
        reader = Reader(message.body, "EncryptedExtensions")
        extensions = read_extensions(reader.vector(2, "extensions"), "EncryptedExtensions")
        reader.finish()
        ext.only(extensions, self._begun.offered_extensions, _IN_ENCRYPTED_EXTENSIONS, "EncryptedExtensions")
        alpn = find(extensions, Extension.ALPN)
        self._protocol = None if alpn is None else ext.read_alpn(alpn)
        self._transcript.add(message)
        return _State.WAIT_FINISHED if self._is_resumed else _State.WAIT_CERTIFICATE_OR_REQUEST

    def _on_certificate_request(self, message: Handshake) -> _State:
        reader = Reader(message.body, "CertificateRequest")
        self._request_context = reader.vector(1, "certificate_request_context")
        read_extensions(reader.vector(2, "extensions"), "CertificateRequest")
        reader.finish()
        self._transcript.add(message)
        return _State.WAIT_CERTIFICATE

    def _on_certificate(self, message: Handshake) -> _State:
        self._chain = read_certificate_13(message.body)
        if not self._chain:
            raise TlsFault(AlertDescription.DECODE_ERROR, "Certificate: certificate_list: expected one at least")
        self._begun.check_chain(self._chain)
        self._transcript.add(message)
        return _State.WAIT_CERTIFICATE_VERIFY

    def _on_certificate_verify(self, message: Handshake) -> _State:
        made = CertificateVerify.read(message.body)
        transcript_hash = self._hash()
        self._layer.ledger.note("transcript_hash_to_server_certificate", "RFC 8446, 4.4.1", transcript_hash)
        content = certificate_verify_content(transcript_hash)
        verify(public_key(self._chain[0]), made.algorithm, made.signature, content, is_tls_1_3=True)
        self._transcript.add(message)
        return _State.WAIT_FINISHED

    def _on_finished(self, message: Handshake) -> _State:
        expected = self._handshake.server_verify_data(self._hash())
        if not hmac.compare_digest(expected, message.body):
            raise TlsFault(AlertDescription.DECRYPT_ERROR, "Finished: verify_data is not what this transcript gives")
        self._transcript.add(message)
        self._application = self._handshake.application(self._hash())
        self._layer.read_with(self._application.protection("server"))
        if self._request_context is not None:
            self._reply(certificate_13((), self._request_context))
        self._reply(Handshake(HandshakeType.FINISHED, self._handshake.client_verify_data(self._hash())))
        self._layer.write_with(self._application.protection("client"))
        self._resumption_secret = self._application.resumption_master_secret(self._hash())
        self._layer.emit(
            HandshakeCompleted("TLS 1.3", self._suite.name, self._group, self._protocol, self._is_resumed, self._chain)
        )
        return _State.CONNECTED

    def _reply(self, message: Handshake) -> None:
        self._transcript.add(message)
        self._layer.send_handshake(message)

    def _on_new_session_ticket(self, message: Handshake) -> _State:
        told = NewSessionTicket.read(message.body)
        psk = tls13.resumption_psk(self._suite.hash, self._resumption_secret, told.nonce)
        self._layer.ledger.note("resumption_psk", "RFC 8446, 4.6.1", psk)
        ticket = Ticket(TLS_1_3, self._suite.number, told.ticket, psk, told.lifetime, told.age_add)
        self._layer.emit(TicketReceived(ticket))
        return _State.CONNECTED

    def _on_key_update(self, message: Handshake) -> _State:
        assert self._application is not None, "only a connected client gets here"
        if message.body not in (b"\0", b"\1"):
            text = f"KeyUpdate: request_update: expected 0 or 1, found {message.body.hex()}"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        self._layer.read_with(self._application.updated_protection("server"))
        if message.body == b"\1":
            self._layer.send_handshake(Handshake(HandshakeType.KEY_UPDATE, b"\0"))
            self._layer.write_with(self._application.updated_protection("client"))
        return _State.CONNECTED


_IN_ENCRYPTED_EXTENSIONS = (
    Extension.SERVER_NAME,
    Extension.SUPPORTED_GROUPS,
    Extension.ALPN,
    Extension.EARLY_DATA,
    28,  # record_size_limit, RFC 8449
)
_TABLE: dict[_State, dict[HandshakeType, Handler]] = {
    _State.WAIT_ENCRYPTED_EXTENSIONS: {HandshakeType.ENCRYPTED_EXTENSIONS: Client13._on_encrypted_extensions},
    _State.WAIT_CERTIFICATE_OR_REQUEST: {
        HandshakeType.CERTIFICATE: Client13._on_certificate,
        HandshakeType.CERTIFICATE_REQUEST: Client13._on_certificate_request,
    },
    _State.WAIT_CERTIFICATE: {HandshakeType.CERTIFICATE: Client13._on_certificate},
    _State.WAIT_CERTIFICATE_VERIFY: {HandshakeType.CERTIFICATE_VERIFY: Client13._on_certificate_verify},
    _State.WAIT_FINISHED: {HandshakeType.FINISHED: Client13._on_finished},
    _State.CONNECTED: {
        HandshakeType.NEW_SESSION_TICKET: Client13._on_new_session_ticket,
        HandshakeType.KEY_UPDATE: Client13._on_key_update,
    },
}
