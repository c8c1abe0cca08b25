"""The client's part of a TLS 1.2 handshake after ServerHello (RFC 5246, 7.3; RFC 5077 for tickets)."""

from __future__ import annotations

import hmac
from enum import Enum, auto

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from glassbox import extensions as ext
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.connection import Player
from glassbox.events import HandshakeCompleted, Ticket, TicketReceived
from glassbox.groups import FiniteField, Group, KeyPair, check_field, generate
from glassbox.handshake import Beginning, Handler, handler_for
from glassbox.keyschedule import tls12
from glassbox.messages import (
    EphemeralParameters,
    Extension,
    Handshake,
    HandshakeType,
    find,
    read_certificate_12,
    read_new_session_ticket_12,
)
from glassbox.presentation import Reader, uint, vector
from glassbox.records import Protection, WriteKeys, tls12_protection
from glassbox.signatures import public_key, verify
from glassbox.suites import TLS_1_2, KeyExchange


class _State(Enum):
    WAIT_CERTIFICATE = auto()
    WAIT_KEY_EXCHANGE = auto()
    WAIT_REQUEST_OR_DONE = auto()
    WAIT_DONE = auto()
    WAIT_TICKET = auto()
    WAIT_CHANGE_CIPHER_SPEC = auto()
    WAIT_FINISHED = auto()
    CONNECTED = auto()


class Client12:
    """Plays from ServerHello to the end of the connection."""

    def __init__(self, beginning: Beginning) -> None:
        self._begun = beginning
        self._layer = beginning.layer
        self._suite = beginning.suite
        self._transcript = beginning.transcript
        self._client_random = beginning.hello.client_hello.random
        self._server_random = beginning.server_hello.random
        extensions = beginning.server_hello.extensions
        offered = (*beginning.offered_extensions, Extension.RENEGOTIATION_INFO)  # offered as a suite (RFC 5746, 3.3)
        ext.only(extensions, offered, _IN_SERVER_HELLO, "ServerHello")
        _check_renegotiation_info(find(extensions, Extension.RENEGOTIATION_INFO))
        alpn = find(extensions, Extension.ALPN)
        self._protocol = None if alpn is None else ext.read_alpn(alpn)
        self._is_extended = find(extensions, Extension.EXTENDED_MASTER_SECRET) is not None
        self._encrypt_then_mac = find(extensions, Extension.ENCRYPT_THEN_MAC) is not None
        self._chain: tuple[bytes, ...] = ()
        self._group: str | None = None
        self._server_key: tuple[KeyPair, bytes] | None = None
        self._is_asked_for_certificate = False
        self._master_secret = b""
        self._keys: tls12.KeyBlock | None = None
        self._ticket: tuple[int, bytes] | None = None
        self._is_resumed = self._resumes()
        sends_ticket = find(extensions, Extension.SESSION_TICKET) is not None
        self._before_finished = _State.WAIT_TICKET if sends_ticket else _State.WAIT_CHANGE_CIPHER_SPEC
        self._state = self._before_finished if self._is_resumed else _State.WAIT_CERTIFICATE

    @property
    def is_open(self) -> bool:
        return self._state is _State.CONNECTED

    def on_handshake(self, message: Handshake) -> Player:
        self._state = handler_for(_TABLE, self._state, message)(self, message)
        return self

    def on_change_cipher_spec(self) -> None:
        if self._state is not _State.WAIT_CHANGE_CIPHER_SPEC:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"change_cipher_spec in {self._state.name.lower()}")
        self._layer.read_with(self._protection("server"))
        self._state = _State.WAIT_FINISHED

    def _resumes(self) -> bool:
        """Whether the server echoes the session id that came with a ticket (RFC 5077, 3.4)."""
        ticket, session_id = self._begun.ticket, self._begun.hello.client_hello.session_id
        if not session_id or self._begun.server_hello.session_id != session_id:
            return False
        if ticket is None or ticket.version != TLS_1_2 or ticket.suite != self._suite.number:
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, "ServerHello: session_id: resumes what was not offered")
        if ticket.has_extended_master_secret != self._is_extended:  # RFC 7627, 5.3
            raise TlsFault(AlertDescription.HANDSHAKE_FAILURE, "ServerHello: extended_master_secret changed")
        self._set_master_secret(ticket.secret)
        return True

    def _on_certificate(self, message: Handshake) -> _State:
        self._chain = read_certificate_12(message.body)
        if not self._chain:
            raise TlsFault(AlertDescription.DECODE_ERROR, "Certificate: certificate_list: expected one at least")
        self._begun.check_chain(self._chain)
        self._transcript.add(message)
        is_ephemeral = self._suite.key_exchange.is_ephemeral
        return _State.WAIT_KEY_EXCHANGE if is_ephemeral else _State.WAIT_REQUEST_OR_DONE

    def _on_certificate_status(self, message: Handshake) -> _State:
        self._transcript.add(message)
        return self._state

    def _on_server_key_exchange(self, message: Handshake) -> _State:
        is_dhe = self._suite.key_exchange is KeyExchange.DHE
        read = EphemeralParameters.read_dhe if is_dhe else EphemeralParameters.read_ecdhe
        offered = read(message.body)
        signed = self._client_random + self._server_random + offered.signed
        verify(public_key(self._chain[0]), offered.algorithm, offered.signature, signed, is_tls_1_3=False)
        group: Group | FiniteField
        if is_dhe:
            group = FiniteField(offered.p, offered.g)
            check_field(group)
        elif offered.group in self._offered_curves():
            group = Group(offered.group)
        else:
            text = f"ServerKeyExchange: namedcurve: {offered.group}, which was not offered"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        self._server_key = generate(group, self._begun.randomness), offered.public_value
        self._group = self._server_key[0].name
        self._layer.ledger.note("server_public_value", "RFC 5246, 7.4.3", offered.public_value)
        self._transcript.add(message)
        return _State.WAIT_REQUEST_OR_DONE

    def _offered_curves(self) -> list[int]:
        offered = find(self._begun.hello.client_hello.extensions, Extension.SUPPORTED_GROUPS)
        groups = ext.read_numbers(offered, "supported_groups") if offered else ()
        return [group for group in groups if group in (Group.X25519, Group.SECP256R1)]

    def _on_certificate_request(self, message: Handshake) -> _State:
        self._is_asked_for_certificate = True
        self._transcript.add(message)
        return _State.WAIT_DONE

    def _on_server_hello_done(self, message: Handshake) -> _State:
        Reader(message.body, "ServerHelloDone").finish()
        self._transcript.add(message)
        if self._is_asked_for_certificate:
            self._reply(Handshake(HandshakeType.CERTIFICATE, vector(3, b"")))
        pre_master_secret, exchange = self._ephemeral_exchange() if self._server_key else self._rsa_exchange()
        self._layer.ledger.note("pre_master_secret", "RFC 5246, 8.1", pre_master_secret)
        self._reply(Handshake(HandshakeType.CLIENT_KEY_EXCHANGE, exchange))
        self._set_master_secret(self._new_master_secret(pre_master_secret))
        self._finish()
        return self._before_finished

    def _ephemeral_exchange(self) -> tuple[bytes, bytes]:
        assert self._server_key is not None, "the state machine saw ServerKeyExchange"
        pair, peer = self._server_key
        self._layer.ledger.note("client_private_value", "RFC 5246, 7.4.7", pair.private_value)
        self._layer.ledger.note("client_public_value", "RFC 5246, 7.4.7", pair.public_value)
        secret = pair.shared_secret(peer)
        self._layer.ledger.note("shared_secret", "RFC 5246, 8.1", secret)
        if isinstance(pair.group, FiniteField):
            return secret.lstrip(b"\0"), vector(2, pair.public_value)  # RFC 5246, 8.1.2
        return secret, vector(1, pair.public_value)

    def _rsa_exchange(self) -> tuple[bytes, bytes]:
        """RFC 5246, 7.4.7.1: the secret goes over the wire, under the key of the certificate."""
        key = public_key(self._chain[0])
        if not isinstance(key, rsa.RSAPublicKey):
            text = f"{self._suite.name} needs an RSA certificate, found {type(key).__name__}"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        pre_master_secret = uint(TLS_1_2, 2) + self._begun.randomness(46)
        try:
            encrypted = key.encrypt(pre_master_secret, padding.PKCS1v15())
        except ValueError as fault:
            text = f"{self._suite.name}: a key of {key.key_size} bits is too short for the pre-master secret"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text) from fault
        self._layer.ledger.note("encrypted_pre_master_secret", "RFC 5246, 7.4.7.1", encrypted)
        return pre_master_secret, vector(2, encrypted)

    def _new_master_secret(self, pre_master_secret: bytes) -> bytes:
        hash_ = self._suite.hash
        if not self._is_extended:
            return tls12.master_secret(hash_, pre_master_secret, self._client_random, self._server_random)
        session_hash = self._transcript.hash(hash_)
        self._layer.ledger.note("session_hash", "RFC 7627, 3", session_hash)
        return tls12.extended_master_secret(hash_, pre_master_secret, session_hash)

    def _set_master_secret(self, master_secret: bytes) -> None:
        section = "RFC 7627, 4" if self._is_extended else "RFC 5246, 8.1"
        self._layer.ledger.note("master_secret", section, master_secret)
        self._master_secret = master_secret
        self._keys = tls12.key_block(
            self._suite.hash, master_secret, self._client_random, self._server_random, self._suite.key_lengths
        )
        self._layer.ledger.note_stage(self._keys)

    def _protection(self, who: str) -> Protection:
        keys = self._keys
        assert keys is not None, "keys come before change_cipher_spec"
        client = WriteKeys(keys.client_write_mac_key, keys.client_write_key, keys.client_write_iv)
        server = WriteKeys(keys.server_write_mac_key, keys.server_write_key, keys.server_write_iv)
        return tls12_protection(
            self._suite,
            client if who == "client" else server,
            self._begun.randomness,
            encrypt_then_mac=self._encrypt_then_mac,
        )

    def _finish(self) -> None:
        """change_cipher_spec and Finished."""
        self._layer.send_change_cipher_spec()
        self._layer.write_with(self._protection("client"))
        self._reply(Handshake(HandshakeType.FINISHED, self._verify_data("client")))

    def _verify_data(self, who: str) -> bytes:
        transcript_hash = self._transcript.hash(self._suite.hash)
        value = tls12.verify_data(self._suite.hash, self._master_secret, f"{who} finished", transcript_hash)
        self._layer.ledger.note(f"transcript_hash_before_{who}_finished", "RFC 5246, 7.4.9", transcript_hash)
        self._layer.ledger.note(f"{who}_verify_data", "RFC 5246, 7.4.9", value)
        return value

    def _reply(self, message: Handshake) -> None:
        self._transcript.add(message)
        self._layer.send_handshake(message)

    def _on_new_session_ticket(self, message: Handshake) -> _State:
        self._ticket = read_new_session_ticket_12(message.body)
        self._transcript.add(message)
        return _State.WAIT_CHANGE_CIPHER_SPEC

    def _on_finished(self, message: Handshake) -> _State:
        if not hmac.compare_digest(self._verify_data("server"), message.body):
            raise TlsFault(AlertDescription.DECRYPT_ERROR, "Finished: verify_data is not what this transcript gives")
        self._transcript.add(message)
        if self._is_resumed:
            self._finish()
        self._layer.emit(
            HandshakeCompleted("TLS 1.2", self._suite.name, self._group, self._protocol, self._is_resumed, self._chain)
        )
        if self._ticket and self._ticket[1]:
            lifetime, identity = self._ticket
            ticket = Ticket(
                TLS_1_2,
                self._suite.number,
                identity,
                self._master_secret,
                lifetime,
                has_extended_master_secret=self._is_extended,
            )
            self._layer.emit(TicketReceived(ticket))
        return _State.CONNECTED

    def _on_hello_request(self, message: Handshake) -> _State:
        raise TlsFault(AlertDescription.NO_RENEGOTIATION, "HelloRequest: the glass box does not renegotiate")


def _check_renegotiation_info(content: bytes | None) -> None:
    """RFC 5746, 3.4: an initial handshake has nothing to tell of one before, and there is no other here."""
    if content is None:
        return
    reader = Reader(content, "renegotiation_info")
    told = reader.vector(1, "renegotiated_connection")
    reader.finish()
    if told:
        text = f"ServerHello: renegotiation_info: expected 0 bytes of a handshake before, found {len(told)}"
        raise TlsFault(AlertDescription.HANDSHAKE_FAILURE, text)


_IN_SERVER_HELLO = (
    Extension.SERVER_NAME,
    Extension.EC_POINT_FORMATS,
    Extension.ALPN,
    Extension.ENCRYPT_THEN_MAC,
    Extension.EXTENDED_MASTER_SECRET,
    Extension.SESSION_TICKET,
    Extension.RENEGOTIATION_INFO,
)
_REQUEST_OR_DONE: dict[HandshakeType, Handler] = {
    HandshakeType.CERTIFICATE_REQUEST: Client12._on_certificate_request,
    HandshakeType.SERVER_HELLO_DONE: Client12._on_server_hello_done,
}
_STATUS: dict[HandshakeType, Handler] = {HandshakeType.CERTIFICATE_STATUS: Client12._on_certificate_status}
_TABLE: dict[_State, dict[HandshakeType, Handler]] = {
    _State.WAIT_CERTIFICATE: {HandshakeType.CERTIFICATE: Client12._on_certificate},
    _State.WAIT_KEY_EXCHANGE: {**_STATUS, HandshakeType.SERVER_KEY_EXCHANGE: Client12._on_server_key_exchange},
    _State.WAIT_REQUEST_OR_DONE: {**_STATUS, **_REQUEST_OR_DONE},
    _State.WAIT_DONE: {HandshakeType.SERVER_HELLO_DONE: Client12._on_server_hello_done},
    _State.WAIT_TICKET: {HandshakeType.NEW_SESSION_TICKET: Client12._on_new_session_ticket},
    _State.WAIT_CHANGE_CIPHER_SPEC: {},
    _State.WAIT_FINISHED: {HandshakeType.FINISHED: Client12._on_finished},
    _State.CONNECTED: {HandshakeType.HELLO_REQUEST: Client12._on_hello_request},
}
