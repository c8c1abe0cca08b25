"""The cipher suites that the glass box speaks: what each number means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from glassbox.keyschedule.hashes import Hash
from glassbox.keyschedule.tls12 import KeyLengths

TLS_1_2 = 0x0303
TLS_1_3 = 0x0304


class Cipher(Enum):
    """What protects records: name, key length in bytes."""

    AES_128_GCM = ("AES-128-GCM", 16)
    AES_256_GCM = ("AES-256-GCM", 32)
    AES_128_CCM = ("AES-128-CCM", 16)
    AES_128_CCM_8 = ("AES-128-CCM-8", 16)
    CHACHA20_POLY1305 = ("ChaCha20-Poly1305", 32)
    AES_128_CBC = ("AES-128-CBC", 16)
    AES_256_CBC = ("AES-256-CBC", 32)

    @property
    def key_length(self) -> int:
        return self.value[1]

    @property
    def is_cbc(self) -> bool:
        return self in (Cipher.AES_128_CBC, Cipher.AES_256_CBC)


class KeyExchange(Enum):
    """How the secret comes about. TLS 1.3 suites do not say: there it is always ephemeral, or a PSK alone."""

    ANY = "TLS 1.3"
    ECDHE = "ECDHE"
    DHE = "DHE"
    RSA = "RSA"

    @property
    def is_ephemeral(self) -> bool:
        return self is not KeyExchange.RSA


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """One row of the registry."""

    number: int
    name: str
    key_exchange: KeyExchange
    cipher: Cipher
    hash: Hash
    """Of the key schedule and the transcript."""
    mac: Hash | None = None
    """Of the records, where the cipher is CBC."""

    @property
    def version(self) -> int:
        return TLS_1_3 if self.key_exchange is KeyExchange.ANY else TLS_1_2

    @property
    def key_lengths(self) -> KeyLengths:
        """Of TLS 1.2's key block: a CBC suite keeps no IV (RFC 5246, 6.2.3.2), ChaCha20 all of it (RFC 7905)."""
        iv = 12 if self.cipher is Cipher.CHACHA20_POLY1305 else 0 if self.cipher.is_cbc else 4
        return KeyLengths(self.mac.length if self.mac else 0, self.cipher.key_length, iv)


def _row(number: int, name: str, exchange: KeyExchange, cipher: Cipher, mac: Hash | None = None) -> CipherSuite:
    return CipherSuite(number, name, exchange, cipher, Hash.SHA384 if name.endswith("SHA384") else Hash.SHA256, mac)


_ANY, _ECDHE, _DHE, _RSA = KeyExchange.ANY, KeyExchange.ECDHE, KeyExchange.DHE, KeyExchange.RSA
_GCM_128, _GCM_256 = Cipher.AES_128_GCM, Cipher.AES_256_GCM
_CHACHA20 = Cipher.CHACHA20_POLY1305
_CBC_128, _CBC_256 = Cipher.AES_128_CBC, Cipher.AES_256_CBC

# In the order in which a client prefers them.
_TABLE = (
    _row(0x1301, "TLS_AES_128_GCM_SHA256", _ANY, _GCM_128),
    _row(0x1302, "TLS_AES_256_GCM_SHA384", _ANY, _GCM_256),
    _row(0x1303, "TLS_CHACHA20_POLY1305_SHA256", _ANY, _CHACHA20),
    _row(0x1304, "TLS_AES_128_CCM_SHA256", _ANY, Cipher.AES_128_CCM),
    _row(0x1305, "TLS_AES_128_CCM_8_SHA256", _ANY, Cipher.AES_128_CCM_8),
    _row(0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", _ECDHE, _GCM_128),
    _row(0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", _ECDHE, _GCM_256),
    _row(0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", _ECDHE, _CHACHA20),
    _row(0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", _ECDHE, _GCM_128),
    _row(0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", _ECDHE, _GCM_256),
    _row(0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", _ECDHE, _CHACHA20),
    _row(0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", _DHE, _GCM_128),
    _row(0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", _DHE, _GCM_256),
    _row(0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", _DHE, _CHACHA20),
    _row(0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", _ECDHE, _CBC_128, Hash.SHA256),
    _row(0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", _ECDHE, _CBC_128, Hash.SHA256),
    _row(0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", _ECDHE, _CBC_128, Hash.SHA1),
    _row(0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", _ECDHE, _CBC_128, Hash.SHA1),
    _row(0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", _ECDHE, _CBC_256, Hash.SHA1),
    _row(0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", _ECDHE, _CBC_256, Hash.SHA1),
    _row(0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", _DHE, _CBC_128, Hash.SHA256),
    _row(0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", _DHE, _CBC_128, Hash.SHA1),
    _row(0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256", _RSA, _GCM_128),
    _row(0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384", _RSA, _GCM_256),
    _row(0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256", _RSA, _CBC_128, Hash.SHA256),
    _row(0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA", _RSA, _CBC_128, Hash.SHA1),
    _row(0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", _RSA, _CBC_256, Hash.SHA1),
)
SUITES: dict[int, CipherSuite] = {suite.number: suite for suite in _TABLE}
EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF  # RFC 5746, 3.3: no suite, but a sign
