"""Session tickets sealed as OpenSSL does, opened with the stolen key; and with no other."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from glassbox.keyschedule.hashes import Hash
from glassbox.session_ticket import Session, TicketKey, open_ticket

KEY = TicketKey.read(bytes(range(80)))
SECRET = bytes(48)


def element(tag: int, content: bytes) -> bytes:
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def ticket() -> bytes:
    fields = (b"\x02\x01\x01", element(2, b"\3\3"), element(4, b"\xc0\x2f"), element(4, b""), element(4, SECRET))
    session = element(0x30, b"".join(fields) + element(0xA1, b"\x02\x04time") + element(0xA2, bytes(100)))
    padding = 16 - len(session) % 16
    encryptor = Cipher(AES(KEY.aes_key), CBC(bytes(16))).encryptor()
    sealed = KEY.name + bytes(16) + encryptor.update(session + bytes([padding]) * padding) + encryptor.finalize()
    return sealed + Hash.SHA256.hmac(KEY.hmac_key, sealed)


def test_the_key_that_sealed_it_opens_it() -> None:
    other = TicketKey.read(bytes(80))
    assert open_ticket(ticket(), [other, KEY]) == Session(0x0303, 0xC02F, SECRET)


def test_no_other_key_does() -> None:
    with pytest.raises(ValueError, match="none of these keys"):
        open_ticket(ticket(), [TicketKey.read(bytes(80))])
    with pytest.raises(ValueError, match="HMAC"):
        open_ticket(ticket(), [TicketKey(KEY.name, KEY.aes_key, bytes(32))])
    with pytest.raises(ValueError, match="expected 80 bytes, found 48"):
        TicketKey.read(bytes(48))
