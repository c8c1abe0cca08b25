"""Records of TLS 1.2: what is sealed opens, in order and unchanged only."""

from __future__ import annotations

import itertools
import os

import pytest

from glassbox.alerts import AlertDescription, TlsFault
from glassbox.records import ContentType, Protection, Record, WriteKeys, split_records, tls12_protection
from glassbox.suites import SUITES, TLS_1_2, CipherSuite

KINDS = [
    pytest.param(suite, encrypt_then_mac, id=f"{suite.name}{'-encrypt-then-mac' if encrypt_then_mac else ''}")
    for suite, encrypt_then_mac in itertools.product(SUITES.values(), (False, True))
    if suite.version == TLS_1_2
    and suite.key_exchange.value == "ECDHE"
    and (suite.cipher.is_cbc or not encrypt_then_mac)
]


def both(suite: CipherSuite, encrypt_then_mac: bool) -> tuple[Protection, Protection]:
    lengths = suite.key_lengths
    keys = WriteKeys(bytes(range(lengths.mac_key)), bytes(range(lengths.key)), bytes(range(lengths.iv)))
    sealer, opener = (
        tls12_protection(suite, keys, os.urandom, encrypt_then_mac=encrypt_then_mac) for _ in ("sealer", "opener")
    )
    return sealer, opener


@pytest.mark.parametrize(("suite", "encrypt_then_mac"), KINDS)
def test_what_was_sealed_opens_in_order(suite: CipherSuite, encrypt_then_mac: bool) -> None:
    sealer, opener = both(suite, encrypt_then_mac)
    for content in (b"", b"x", b"y" * 15, b"z" * 16, b"w" * 1000):
        record = sealer.seal(ContentType.APPLICATION_DATA, content)
        assert content not in record.fragment or len(content) < 2
        assert opener.open(record) == (ContentType.APPLICATION_DATA, content)


@pytest.mark.parametrize(("suite", "encrypt_then_mac"), KINDS)
def test_any_changed_byte_and_any_cut_is_bad_record_mac(suite: CipherSuite, encrypt_then_mac: bool) -> None:
    sealer, _ = both(suite, encrypt_then_mac)
    record = sealer.seal(ContentType.HANDSHAKE, b"sixteen bytes ok")
    spoiled = [
        record.fragment[:at] + bytes([record.fragment[at] ^ 1]) + record.fragment[at + 1 :]
        for at in range(len(record.fragment))
    ] + [record.fragment[:length] for length in range(len(record.fragment))]
    for fragment in spoiled:
        _, opener = both(suite, encrypt_then_mac)
        with pytest.raises(TlsFault) as refusal:
            opener.open(Record(record.type, record.version, fragment))
        assert refusal.value.alert == AlertDescription.BAD_RECORD_MAC
    _, opener = both(suite, encrypt_then_mac)
    with pytest.raises(TlsFault):
        opener.open(Record(ContentType.ALERT, record.version, record.fragment))  # the type is covered, too


def test_records_are_cut_where_they_end() -> None:
    one, other = Record(22, 0x0303, b"abc"), Record(23, 0x0303, b"")
    data = one.encode() + other.encode()
    for length in range(len(data) + 1):
        found, rest = split_records(data[:length])
        assert found == [record for record, end in ((one, 8), (other, 13)) if length >= end]
        assert b"".join(record.encode() for record in found) + rest == data[:length]
