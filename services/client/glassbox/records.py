"""Protecting and opening records: TLS 1.3 (RFC 8446, 5.2), TLS 1.2 with an AEAD (RFC 5246, 6.2.3.3; RFC 5288; RFC 7905)
and with CBC (RFC 5246, 6.2.3.2; encrypt-then-MAC, RFC 7366).

A protection is one direction of one connection under one key: it counts its records.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.groups import Randomness
from glassbox.keyschedule.hashes import Hash
from glassbox.presentation import uint, vector
from glassbox.suites import TLS_1_2, Cipher, CipherSuite

HEADER_LENGTH = 5
LARGEST_FRAGMENT = 1 << 14  # bytes of plaintext, RFC 8446, 5.1
_BLOCK = 16  # bytes, AES
_EXPLICIT_NONCE = 8  # bytes, RFC 5288, 3


class ContentType(IntEnum):
    """RFC 8446, 5.1."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


@dataclass(frozen=True, slots=True)
class Record:
    """One record as on the wire; `fragment` is protected, or not."""

    type: int
    version: int
    fragment: bytes

    def encode(self) -> bytes:
        return uint(self.type, 1) + uint(self.version, 2) + vector(2, self.fragment)


class Protection(Protocol):
    """One direction's keys."""

    def seal(self, type: int, fragment: bytes) -> Record:
        """The protected record."""

    def open(self, record: Record) -> tuple[int, bytes]:
        """Content type and plaintext. Raises TlsFault(bad_record_mac) for what nobody with the key has sealed."""


def _bad_record_mac(number: int) -> TlsFault:
    return TlsFault(AlertDescription.BAD_RECORD_MAC, f"record {number} of this key: what came is not what was sealed")


def _aead(cipher: Cipher, key: bytes) -> AESGCM | AESCCM | ChaCha20Poly1305:
    match cipher:
        case Cipher.AES_128_GCM | Cipher.AES_256_GCM:
            return AESGCM(key)
        case Cipher.AES_128_CCM:
            return AESCCM(key, 16)
        case Cipher.AES_128_CCM_8:
            return AESCCM(key, 8)
        case Cipher.CHACHA20_POLY1305:
            return ChaCha20Poly1305(key)
    raise ValueError(f"{cipher.name} is no AEAD")


def _mixed(iv: bytes, number: int) -> bytes:
    """The nonce of TLS 1.3 (RFC 8446, 5.3) and of ChaCha20 in TLS 1.2 (RFC 7905, 2): the IV, XORed with the number."""
    return (int.from_bytes(iv) ^ number).to_bytes(len(iv))


class Tls13Protection:
    """RFC 8446, 5.2."""

    def __init__(self, cipher: Cipher, key: bytes, iv: bytes) -> None:
        self._aead = _aead(cipher, key)
        self._tag_length = 8 if cipher is Cipher.AES_128_CCM_8 else 16
        self._iv = iv
        self._number = 0

    def seal(self, type: int, fragment: bytes) -> Record:
        inner = fragment + uint(type, 1)
        header = uint(ContentType.APPLICATION_DATA, 1) + uint(TLS_1_2, 2) + uint(len(inner) + self._tag_length, 2)
        sealed = self._aead.encrypt(_mixed(self._iv, self._number), inner, header)
        self._number += 1
        return Record(ContentType.APPLICATION_DATA, TLS_1_2, sealed)

    def open(self, record: Record) -> tuple[int, bytes]:
        if record.type != ContentType.APPLICATION_DATA:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, f"a record of type {record.type} that is not protected")
        header = record.encode()[:HEADER_LENGTH]
        try:
            inner = self._aead.decrypt(_mixed(self._iv, self._number), record.fragment, header)
        except (InvalidTag, ValueError):
            raise _bad_record_mac(self._number) from None
        self._number += 1
        content = inner.rstrip(b"\0")  # padding
        if not content:
            raise TlsFault(AlertDescription.UNEXPECTED_MESSAGE, "a record of padding alone")
        return content[-1], content[:-1]


class Tls12AeadProtection:
    """RFC 5246, 6.2.3.3. GCM and CCM send half of the nonce (RFC 5288, 3), ChaCha20-Poly1305 none (RFC 7905, 2)."""

    def __init__(self, cipher: Cipher, key: bytes, iv: bytes) -> None:
        self._aead = _aead(cipher, key)
        self._is_explicit = cipher is not Cipher.CHACHA20_POLY1305
        self._iv = iv
        self._number = 0

    def seal(self, type: int, fragment: bytes) -> Record:
        explicit = uint(self._number, 8) if self._is_explicit else b""
        nonce = self._iv + explicit if self._is_explicit else _mixed(self._iv, self._number)
        sealed = self._aead.encrypt(nonce, fragment, _covered(self._number, type, len(fragment)))
        self._number += 1
        return Record(type, TLS_1_2, explicit + sealed)

    def open(self, record: Record) -> tuple[int, bytes]:
        cut = _EXPLICIT_NONCE if self._is_explicit else 0
        explicit, sealed = record.fragment[:cut], record.fragment[cut:]
        nonce = self._iv + explicit if self._is_explicit else _mixed(self._iv, self._number)
        length = len(sealed) - 16
        try:
            if length < 0:
                raise InvalidTag
            plain = self._aead.decrypt(nonce, sealed, _covered(self._number, record.type, length))
        except InvalidTag:
            raise _bad_record_mac(self._number) from None
        self._number += 1
        return record.type, plain


def _covered(number: int, type: int, length: int) -> bytes:
    """What tag or MAC protect beside the content, RFC 5246, 6.2.3.3 and 6.2.3.1."""
    return uint(number, 8) + uint(type, 1) + uint(TLS_1_2, 2) + uint(length, 2)


@dataclass(frozen=True, slots=True)
class CbcKeys:
    """The two keys of one direction, and the MAC's hash."""

    mac: Hash
    mac_key: bytes
    key: bytes


class Tls12CbcProtection:
    """RFC 5246, 6.2.3.2, MAC then encrypt; or RFC 7366, encrypt then MAC.

    Not in constant time: the lab's records protect nothing, and Lucky Thirteen is not on its list of claims.
    """

    def __init__(self, keys: CbcKeys, randomness: Randomness, *, encrypt_then_mac: bool) -> None:
        self._keys = keys
        self._randomness = randomness
        self._encrypt_then_mac = encrypt_then_mac
        self._number = 0

    def seal(self, type: int, fragment: bytes) -> Record:
        content = fragment if self._encrypt_then_mac else fragment + self._mac(type, fragment)
        padding = _BLOCK - len(content) % _BLOCK
        iv = self._randomness(_BLOCK)
        encryptor = BlockCipher(AES(self._keys.key), CBC(iv)).encryptor()
        sealed = iv + encryptor.update(content + bytes([padding - 1]) * padding) + encryptor.finalize()
        if self._encrypt_then_mac:
            sealed += self._mac(type, sealed)
        self._number += 1
        return Record(type, TLS_1_2, sealed)

    def open(self, record: Record) -> tuple[int, bytes]:
        length = self._keys.mac.length
        fragment = record.fragment
        if self._encrypt_then_mac:
            fragment, mac = fragment[:-length], fragment[-length:]
            if not hmac.compare_digest(mac, self._mac(record.type, fragment)):
                raise _bad_record_mac(self._number)
        plain = self._unpadded(fragment)
        if not self._encrypt_then_mac:
            plain, mac = plain[:-length], plain[-length:]
            if not hmac.compare_digest(mac, self._mac(record.type, plain)):
                raise _bad_record_mac(self._number)
        self._number += 1
        return record.type, plain

    def _unpadded(self, fragment: bytes) -> bytes:
        iv, sealed = fragment[:_BLOCK], fragment[_BLOCK:]
        if not sealed or len(sealed) % _BLOCK:
            raise _bad_record_mac(self._number)
        decryptor = BlockCipher(AES(self._keys.key), CBC(iv)).decryptor()
        content = decryptor.update(sealed) + decryptor.finalize()
        padding = content[-1] + 1
        if content[-padding:] != bytes([padding - 1]) * padding:
            raise _bad_record_mac(self._number)
        return content[:-padding]

    def _mac(self, type: int, fragment: bytes) -> bytes:
        return self._keys.mac.hmac(self._keys.mac_key, _covered(self._number, type, len(fragment)) + fragment)


@dataclass(frozen=True, slots=True)
class WriteKeys:
    """One direction of a TLS 1.2 key block."""

    mac_key: bytes
    key: bytes
    iv: bytes


def tls12_protection(
    suite: CipherSuite, keys: WriteKeys, randomness: Randomness, *, encrypt_then_mac: bool = False
) -> Protection:
    """The protection of a TLS 1.2 suite. `encrypt_then_mac` counts for CBC alone (RFC 7366, 3)."""
    if suite.mac is not None:
        cbc = CbcKeys(suite.mac, keys.mac_key, keys.key)
        return Tls12CbcProtection(cbc, randomness, encrypt_then_mac=encrypt_then_mac)
    return Tls12AeadProtection(suite.cipher, keys.key, keys.iv)


def split_records(data: bytes) -> tuple[list[Record], bytes]:
    """The whole records at the front of `data`, and what is left. Raises TlsFault(record_overflow, decode_error)."""
    found, at = [], 0
    while len(data) - at >= HEADER_LENGTH:
        type, version = data[at], int.from_bytes(data[at + 1 : at + 3])
        length = int.from_bytes(data[at + 3 : at + HEADER_LENGTH])
        if type not in ContentType.__members__.values() or version >> 8 != 3:
            text = f"record header: expected content type 20 to 23 and version 3.x, found {data[at : at + 5].hex(' ')}"
            raise TlsFault(AlertDescription.DECODE_ERROR, text)
        if length > LARGEST_FRAGMENT + 2048:  # RFC 5246, 6.2.3; TLS 1.3 allows 256, and no more plaintext
            text = f"record: length: expected at most {LARGEST_FRAGMENT + 2048}, found {length}"
            raise TlsFault(AlertDescription.RECORD_OVERFLOW, text)
        if len(data) - at - HEADER_LENGTH < length:
            break
        at += HEADER_LENGTH + length
        found.append(Record(type, version, data[at - length : at]))
    return found, data[at:]
