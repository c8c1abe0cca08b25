"""What ServerHello and HelloRetryRequest must not say, and the alert in answer; beside each, one that may pass."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest

from certified import NAME
from glassbox import extensions as ext
from glassbox.alerts import AlertDescription
from glassbox.client import connect
from glassbox.connection import Connection
from glassbox.events import ConnectionFailed, Event, Ticket
from glassbox.groups import Group, generate
from glassbox.messages import HELLO_RETRY_REQUEST_RANDOM, ClientHello, Extension, Extensions, ServerHello
from glassbox.offer import PSK_DHE_KE, PSK_KE, Offer
from glassbox.presentation import uint, vector
from glassbox.records import ContentType, Record, split_records
from glassbox.suites import TLS_1_2, TLS_1_3

SHA256_SUITE, SHA384_SUITE, CHACHA20_SUITE = 0x1301, 0x1302, 0x1303
SUITE_1_2 = 0xC02B
TICKET = Ticket(TLS_1_3, SHA256_SUITE, b"a ticket", bytes(32), lifetime_s=7200)

SELECTS_1_3 = (int(Extension.SUPPORTED_VERSIONS), uint(TLS_1_3, 2))
FIRST_PSK = (int(Extension.PRE_SHARED_KEY), uint(0, 2))
WANTS_P256 = (int(Extension.KEY_SHARE), uint(Group.SECP256R1, 2))
COOKIE = (int(Extension.COOKIE), vector(2, b"crumbs"))


def share(group: Group) -> tuple[int, bytes]:
    return int(Extension.KEY_SHARE), ext.key_share(group, generate(group, os.urandom).public_value)


SHARE = share(Group.X25519)


@dataclass(frozen=True)
class Asked:
    """A client that has said its ClientHello."""

    client: Connection
    hello: ClientHello

    def hears(self, answer: ServerHello) -> list[Event]:
        return self.client.receive(Record(ContentType.HANDSHAKE, TLS_1_2, answer.message().raw).encode())

    def refuses(self, answer: ServerHello) -> tuple[int, str]:
        (event,) = self.hears(answer)
        assert isinstance(event, ConnectionFailed) and event.by_us
        assert not self.client.is_open
        return event.alert, event.text

    def of_1_3(self, suite: int = SHA256_SUITE, extensions: Extensions = (SELECTS_1_3, SHARE)) -> ServerHello:
        return ServerHello(os.urandom(32), self.hello.session_id, suite, extensions)

    def retry(self, extensions: Extensions = (SELECTS_1_3, WANTS_P256)) -> ServerHello:
        return ServerHello(HELLO_RETRY_REQUEST_RANDOM, self.hello.session_id, SHA256_SUITE, extensions)


def of_1_2(random_end: bytes = b"", extensions: Extensions = ()) -> ServerHello:
    return ServerHello(bytes(32 - len(random_end)) + random_end, b"", SUITE_1_2, extensions)


def asked(offer: Offer | None = None) -> Asked:
    client = connect(offer or Offer(NAME), lambda chain: None)
    (record,), _ = split_records(client.bytes_to_send())
    return Asked(client, ClientHello.read(record.fragment[4:]))


def retried(offer: Offer | None = None) -> Asked:
    """A client that was asked for another group and has sent its share."""
    found = asked(offer)
    assert found.hears(found.retry()) == []
    assert found.client.bytes_to_send(), "a second ClientHello"
    return found


# ---------------------------------------------------------------- RFC 8446, 4.2.11


@pytest.mark.parametrize("suite", [SHA256_SUITE, CHACHA20_SUITE])
def test_a_psk_goes_with_any_suite_of_its_hash(suite: int) -> None:
    resuming = asked(Offer(NAME, ticket=TICKET))
    assert resuming.hears(resuming.of_1_3(suite, (SELECTS_1_3, SHARE, FIRST_PSK))) == []


def test_a_psk_with_a_suite_of_another_hash_is_refused() -> None:
    resuming = asked(Offer(NAME, ticket=TICKET))
    alert, text = resuming.refuses(resuming.of_1_3(SHA384_SUITE, (SELECTS_1_3, SHARE, FIRST_PSK)))
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "TLS_AES_256_GCM_SHA384 has another hash than the PSK's TLS_AES_128_GCM_SHA256" in text


@pytest.mark.parametrize("modes", [(PSK_KE,), (PSK_DHE_KE, PSK_KE)])
def test_a_psk_may_stand_alone_where_that_was_offered(modes: tuple[int, ...]) -> None:
    resuming = asked(Offer(NAME, ticket=TICKET, psk_modes=modes))
    assert resuming.hears(resuming.of_1_3(extensions=(SELECTS_1_3, FIRST_PSK))) == []


def test_a_psk_must_not_stand_alone_where_that_was_not_offered() -> None:
    resuming = asked(Offer(NAME, ticket=TICKET, psk_modes=(PSK_DHE_KE,)))
    alert, text = resuming.refuses(resuming.of_1_3(extensions=(SELECTS_1_3, FIRST_PSK)))
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "key_share is missing" in text


def test_without_a_psk_a_key_share_is_never_missing() -> None:
    first = asked(Offer(NAME, psk_modes=(PSK_KE,)))
    assert first.refuses(first.of_1_3(extensions=(SELECTS_1_3,)))[0] == AlertDescription.MISSING_EXTENSION


# ---------------------------------------------------------------- RFC 8446, 4.1.3


@pytest.mark.parametrize("end", [b"DOWNGRD\x01", b"DOWNGRD\x00"])
def test_a_client_of_1_3_refuses_both_signs_of_a_downgrade(end: bytes) -> None:
    alert, text = asked().refuses(of_1_2(end))
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "somebody took the offer away" in text


@pytest.mark.parametrize("end", [b"", b"DOWNGRD\x02"])
def test_any_other_random_is_a_random(end: bytes) -> None:
    assert asked().hears(of_1_2(end)) == []


def test_a_client_of_1_2_alone_was_not_downgraded() -> None:
    assert asked(Offer(NAME, versions=(TLS_1_2,))).hears(of_1_2(b"DOWNGRD\x01")) == []


# ---------------------------------------------------------------- RFC 8446, 4.1.4


def test_after_a_retry_version_and_suite_are_kept() -> None:
    client = retried()
    assert client.hears(client.of_1_3(extensions=(SELECTS_1_3, share(Group.SECP256R1)))) == []


@pytest.mark.parametrize("versions", [(TLS_1_3, TLS_1_2), (TLS_1_3,)])
def test_another_version_after_a_retry_is_refused(versions: tuple[int, ...]) -> None:
    alert, text = retried(Offer(NAME, versions=versions)).refuses(of_1_2())
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "version 0x0303: another one than in HelloRetryRequest" in text


def test_another_suite_after_a_retry_is_refused() -> None:
    client = retried()
    alert, text = client.refuses(client.of_1_3(SHA384_SUITE))
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "cipher_suite: another one than in HelloRetryRequest" in text


@pytest.mark.parametrize("suite", [SHA256_SUITE, SUITE_1_2])
@pytest.mark.parametrize("versions", [(TLS_1_3, TLS_1_2), (TLS_1_3,), (TLS_1_2,)])
def test_a_retry_of_1_2_is_refused(versions: tuple[int, ...], suite: int) -> None:
    client = asked(Offer(NAME, versions=versions))
    alert, text = client.refuses(replace(client.retry((COOKIE,)), cipher_suite=suite))
    assert alert == AlertDescription.ILLEGAL_PARAMETER
    assert "HelloRetryRequest: version 0x0303, which has none" in text


@pytest.mark.parametrize("extensions", [(SELECTS_1_3, COOKIE), (COOKIE,)], ids=["of 1.3", "of 1.2"])
@pytest.mark.parametrize("suite", [SHA256_SUITE, SUITE_1_2])
def test_a_second_retry_is_refused_whatever_it_says(extensions: Extensions, suite: int) -> None:
    client = retried()
    alert, text = client.refuses(replace(client.retry(extensions), cipher_suite=suite))
    assert alert == AlertDescription.UNEXPECTED_MESSAGE
    assert text == "a second HelloRetryRequest"


def test_a_retry_may_bring_a_cookie_that_nobody_offered() -> None:
    client = asked()
    assert client.hears(client.retry((SELECTS_1_3, WANTS_P256, COOKIE))) == []
    (again,) = (r for r in split_records(client.client.bytes_to_send())[0] if r.type == ContentType.HANDSHAKE)
    assert COOKIE in ClientHello.read(again.fragment[4:]).extensions


@pytest.mark.parametrize(
    ("more", "alert"),
    [
        ((28, uint(1024, 2)), AlertDescription.UNSUPPORTED_EXTENSION),  # record_size_limit: nobody offered it
        ((int(Extension.EARLY_DATA), b""), AlertDescription.UNSUPPORTED_EXTENSION),
        ((int(Extension.ALPN), ext.alpn(["http/1.1"])), AlertDescription.ILLEGAL_PARAMETER),  # RFC 8446, 4.2
        ((int(Extension.SUPPORTED_GROUPS), ext.supported_groups(Group)), AlertDescription.ILLEGAL_PARAMETER),
    ],
    ids=["record_size_limit", "early_data", "alpn", "supported_groups"],
)
def test_a_retry_brings_no_other_extension(more: tuple[int, bytes], alert: AlertDescription) -> None:
    client = asked()
    found, text = client.refuses(client.retry((SELECTS_1_3, WANTS_P256, more)))
    assert found == alert
    assert text.startswith(f"HelloRetryRequest: extension {more[0]}")
    sent = split_records(client.client.bytes_to_send())[0]
    assert [record.type for record in sent] == [ContentType.ALERT], "no second ClientHello"


# ---------------------------------------------------------------- RFC 5746, 3.4


def renegotiation_info(content: bytes) -> Extensions:
    return ((int(Extension.RENEGOTIATION_INFO), content),)


def test_renegotiation_info_is_empty_in_an_initial_handshake() -> None:
    assert asked().hears(of_1_2(extensions=renegotiation_info(b"\0"))) == []


@pytest.mark.parametrize(
    ("content", "alert"),
    [
        (vector(1, bytes(24)), AlertDescription.HANDSHAKE_FAILURE),
        (vector(1, b"x"), AlertDescription.HANDSHAKE_FAILURE),
        (b"", AlertDescription.DECODE_ERROR),
        (b"\0x", AlertDescription.DECODE_ERROR),
        (b"\2x", AlertDescription.DECODE_ERROR),
    ],
    ids=["24 bytes", "1 byte", "no length", "a byte too many", "a byte too few"],
)
def test_renegotiation_info_of_a_handshake_that_was_not_is_refused(content: bytes, alert: AlertDescription) -> None:
    found, text = asked().refuses(of_1_2(extensions=renegotiation_info(content)))
    assert found == alert
    assert "renegotiation_info: " in text
