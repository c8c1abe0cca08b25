"""Handshake messages (RFC 8446, 4; RFC 5246, 7.4) to values and back. Unknown extensions are kept as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.presentation import Reader, numbers, uint, vector

HANDSHAKE_HEADER_LENGTH = 4
HELLO_RETRY_REQUEST_RANDOM = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")
"""SHA-256 of "HelloRetryRequest": the Random that makes a ServerHello one (RFC 8446, 4.1.3)."""
DOWNGRADES = (b"DOWNGRD\x01", b"DOWNGRD\x00")
"""The end of a ServerHello's Random when the server could have spoken more (RFC 8446, 4.1.3): in one for TLS 1.2, and
in one for 1.1 or below. A client of 1.3 refuses both in 1.2."""


class HandshakeType(IntEnum):
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
    MESSAGE_HASH = 254


class Extension(IntEnum):
    """Those that the glass box reads or writes (RFC 8446, 4.2)."""

    SERVER_NAME = 0
    SUPPORTED_GROUPS = 10
    EC_POINT_FORMATS = 11
    SIGNATURE_ALGORITHMS = 13
    ALPN = 16
    ENCRYPT_THEN_MAC = 22
    EXTENDED_MASTER_SECRET = 23
    SESSION_TICKET = 35
    PRE_SHARED_KEY = 41
    EARLY_DATA = 42
    SUPPORTED_VERSIONS = 43
    COOKIE = 44
    PSK_KEY_EXCHANGE_MODES = 45
    KEY_SHARE = 51
    RENEGOTIATION_INFO = 0xFF01


Extensions = tuple[tuple[int, bytes], ...]
"""Type and content, in the order on the wire."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake message; `raw` is all of it, as transcripts cover it."""

    type: int
    body: bytes

    @property
    def raw(self) -> bytes:
        return uint(self.type, 1) + vector(3, self.body)


def first_handshake(data: bytes) -> tuple[Handshake | None, bytes]:
    """The message at the front of `data`, None while it is not whole, and what is left."""
    end = HANDSHAKE_HEADER_LENGTH + int.from_bytes(data[1:HANDSHAKE_HEADER_LENGTH])
    if len(data) < end:
        return None, data
    return Handshake(data[0], data[HANDSHAKE_HEADER_LENGTH:end]), data[end:]


def split_handshakes(data: bytes) -> tuple[list[Handshake], bytes]:
    """The whole messages at the front of `data`, and what is left."""
    found = []
    message, left = first_handshake(data)
    while message:
        found.append(message)
        message, left = first_handshake(left)
    return found, left


def encode_extensions(extensions: Iterable[tuple[int, bytes]]) -> bytes:
    return vector(2, b"".join(uint(type, 2) + vector(2, content) for type, content in extensions))


def read_extensions(data: bytes, what: str) -> Extensions:
    """The extensions of one message. Raises TlsFault: decode_error, or illegal_parameter for one given twice."""
    reader, found = Reader(data, what), []
    while reader.left:
        found.append((reader.uint(2, "extension type"), reader.vector(2, "extension")))
    if len({type for type, _ in found}) != len(found):
        raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, f"{what}: an extension stands there twice")
    return tuple(found)


def find(extensions: Extensions, type: int) -> bytes | None:
    return next((content for each, content in extensions if each == type), None)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """RFC 8446, 4.1.2. `extensions` None: the message ends before them, as old clients' do."""

    random: bytes
    session_id: bytes
    cipher_suites: tuple[int, ...]
    extensions: Extensions
    version: int = 0x0303
    compression_methods: bytes = b"\0"

    def message(self) -> Handshake:
        suites = b"".join(uint(number, 2) for number in self.cipher_suites)
        head = uint(self.version, 2) + self.random + vector(1, self.session_id) + vector(2, suites)
        body = head + vector(1, self.compression_methods) + encode_extensions(self.extensions)
        return Handshake(HandshakeType.CLIENT_HELLO, body)

    @classmethod
    def read(cls, body: bytes) -> ClientHello:
        reader = Reader(body, "ClientHello")
        version, random = reader.uint(2, "legacy_version"), reader.take(32, "random")
        session_id = reader.vector(1, "legacy_session_id")
        suites = numbers(reader.vector(2, "cipher_suites", 2), "ClientHello: cipher_suites")
        compression = reader.vector(1, "legacy_compression_methods", 1)
        extensions = read_extensions(reader.vector(2, "extensions"), "ClientHello") if reader.left else ()
        reader.finish()
        return cls(random, session_id, suites, extensions, version, compression)


@dataclass(frozen=True, slots=True)
class ServerHello:
    """RFC 8446, 4.1.3; a HelloRetryRequest too."""

    random: bytes
    session_id: bytes
    cipher_suite: int
    extensions: Extensions
    version: int = 0x0303

    @property
    def is_retry(self) -> bool:
        return self.random == HELLO_RETRY_REQUEST_RANDOM

    @property
    def negotiated_version(self) -> int:
        selected = find(self.extensions, Extension.SUPPORTED_VERSIONS)
        return self.version if selected is None else int.from_bytes(selected)

    def message(self) -> Handshake:
        head = uint(self.version, 2) + self.random + vector(1, self.session_id) + uint(self.cipher_suite, 2)
        return Handshake(HandshakeType.SERVER_HELLO, head + b"\0" + encode_extensions(self.extensions))

    @classmethod
    def read(cls, body: bytes) -> ServerHello:
        reader = Reader(body, "ServerHello")
        version, random = reader.uint(2, "legacy_version"), reader.take(32, "random")
        session_id = reader.vector(1, "legacy_session_id_echo")
        suite = reader.uint(2, "cipher_suite")
        compression = reader.uint(1, "legacy_compression_method")
        extensions = read_extensions(reader.vector(2, "extensions"), "ServerHello") if reader.left else ()
        reader.finish()
        if compression:
            raise TlsFault(
                AlertDescription.ILLEGAL_PARAMETER, f"ServerHello: compression {compression}; only 0 is left"
            )
        return cls(random, session_id, suite, extensions, version)


def read_certificate_13(body: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) in Certificate, RFC 8446, 4.4.2, the end entity's first."""
    reader = Reader(body, "Certificate")
    reader.vector(1, "certificate_request_context")
    entries, found = Reader(reader.vector(3, "certificate_list"), "Certificate: certificate_list"), []
    while entries.left:
        found.append(entries.vector(3, "cert_data", 1))
        entries.vector(2, "extensions")
    reader.finish()
    return tuple(found)


def certificate_13(chain: Iterable[bytes], context: bytes = b"") -> Handshake:
    entries = b"".join(vector(3, der) + vector(2, b"") for der in chain)
    return Handshake(HandshakeType.CERTIFICATE, vector(1, context) + vector(3, entries))


def read_certificate_12(body: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) in Certificate, RFC 5246, 7.4.2."""
    reader = Reader(body, "Certificate")
    entries, found = Reader(reader.vector(3, "certificate_list"), "Certificate: certificate_list"), []
    while entries.left:
        found.append(entries.vector(3, "certificate", 1))
    reader.finish()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """RFC 8446, 4.4.3."""

    algorithm: int
    signature: bytes

    @classmethod
    def read(cls, body: bytes) -> CertificateVerify:
        reader = Reader(body, "CertificateVerify")
        found = cls(reader.uint(2, "algorithm"), reader.vector(2, "signature"))
        reader.finish()
        return found


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """RFC 8446, 4.6.1. `lifetime` in seconds."""

    lifetime: int
    age_add: int
    nonce: bytes
    ticket: bytes
    extensions: Extensions

    @classmethod
    def read(cls, body: bytes) -> NewSessionTicket:
        reader = Reader(body, "NewSessionTicket")
        lifetime, age_add = reader.uint(4, "ticket_lifetime"), reader.uint(4, "ticket_age_add")
        nonce, ticket = reader.vector(1, "ticket_nonce"), reader.vector(2, "ticket", 1)
        extensions = read_extensions(reader.vector(2, "extensions"), "NewSessionTicket")
        reader.finish()
        return cls(lifetime, age_add, nonce, ticket, extensions)


def read_new_session_ticket_12(body: bytes) -> tuple[int, bytes]:
    """Lifetime hint in seconds, and the ticket (RFC 5077, 3.3)."""
    reader = Reader(body, "NewSessionTicket")
    lifetime, ticket = reader.uint(4, "ticket_lifetime_hint"), reader.vector(2, "ticket")
    reader.finish()
    return lifetime, ticket


@dataclass(frozen=True, slots=True)
class EphemeralParameters:
    """What ServerKeyExchange offers and signs: a named group (RFC 8422, 5.4), or prime and generator (RFC 5246, 7.4.3).

    `signed` is what the signature covers, after both randoms.
    """

    group: int | None
    p: int
    g: int
    public_value: bytes
    signed: bytes
    algorithm: int
    signature: bytes

    @classmethod
    def read_ecdhe(cls, body: bytes) -> EphemeralParameters:
        reader = Reader(body, "ServerKeyExchange")
        curve_type = reader.uint(1, "curve_type")
        if curve_type != 3:
            text = f"ServerKeyExchange: curve_type: expected 3 (named_curve), found {curve_type}"
            raise TlsFault(AlertDescription.ILLEGAL_PARAMETER, text)
        group, point = reader.uint(2, "namedcurve"), reader.vector(1, "point", 1)
        signed = body[: len(body) - reader.left]
        algorithm, signature = _signature(reader)
        return cls(group, 0, 0, point, signed, algorithm, signature)

    @classmethod
    def read_dhe(cls, body: bytes) -> EphemeralParameters:
        reader = Reader(body, "ServerKeyExchange")
        p, g = reader.vector(2, "dh_p", 1), reader.vector(2, "dh_g", 1)
        public = reader.vector(2, "dh_Ys", 1)
        signed = body[: len(body) - reader.left]
        algorithm, signature = _signature(reader)
        return cls(None, int.from_bytes(p), int.from_bytes(g), public, signed, algorithm, signature)


def _signature(reader: Reader) -> tuple[int, bytes]:
    found = reader.uint(2, "algorithm"), reader.vector(2, "signature")
    reader.finish()
    return found
