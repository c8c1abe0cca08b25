"""The client's half against the server's half, byte for byte in one process, and every way to spoil it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certified import NAME, certified
from conversing import converse, pair
from glassbox.alerts import AlertDescription, TlsFault
from glassbox.client import connect
from glassbox.connection import Connection
from glassbox.events import ConnectionFailed, DataReceived, HandshakeCompleted, PeerClosed
from glassbox.groups import Group
from glassbox.keylog import key_log
from glassbox.messages import ClientHello, ServerHello, split_handshakes
from glassbox.offer import Offer
from glassbox.records import HEADER_LENGTH, split_records
from glassbox.server import Identity, accept
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3

SUITES_1_3 = [suite for suite in SUITES.values() if suite.version == TLS_1_3]


def value_of(connection: Connection, name: str) -> bytes:
    return connection.ledger.value(name)


@pytest.mark.parametrize("group", Group)
@pytest.mark.parametrize("suite", SUITES_1_3, ids=lambda suite: suite.name)
def test_both_sides_compute_the_same_from_what_they_alone_know(suite: object, group: Group) -> None:
    number = suite.number  # type: ignore[attr-defined]
    client, server = pair(Offer(NAME, versions=(TLS_1_3,), suites=(number,), groups=(group,), shares=(group,)))
    at_client, at_server = converse(client, server)
    assert [type(event) for event in at_client] == [HandshakeCompleted]
    assert [type(event) for event in at_server] == [HandshakeCompleted]
    theirs = {entry.name for entry in server.ledger.entries} - {"server_private_value"}
    for name in theirs:
        assert value_of(client, name) == value_of(server, name), name
    assert value_of(client, "client_private_value") != value_of(server, "server_private_value")
    assert key_log(client.ledger) == key_log(server.ledger)


def test_data_goes_both_ways_and_the_goodbye_too() -> None:
    client, server = pair()
    converse(client, server)
    client.send(b"x" * 40_000)
    received = server.receive(client.bytes_to_send())
    assert b"".join(event.data for event in received if isinstance(event, DataReceived)) == b"x" * 40_000
    client.close()
    assert server.receive(client.bytes_to_send()) == [PeerClosed()]
    server.send(b"after your goodbye")
    assert client.receive(server.bytes_to_send()) == [DataReceived(b"after your goodbye")]
    with pytest.raises(ValueError, match="no application data now"):
        client.send(b"more")


def test_bytes_may_come_one_by_one() -> None:
    client, server = pair()
    server.receive(client.bytes_to_send())
    flight = server.bytes_to_send()
    events = [event for byte in flight for event in client.receive(bytes([byte]))]
    assert [type(event) for event in events] == [HandshakeCompleted]


def test_an_end_without_goodbye_is_no_end() -> None:
    client, server = pair()
    converse(client, server)
    (event,) = client.receive(b"")
    assert isinstance(event, ConnectionFailed) and "without close_notify" in event.text


@pytest.mark.parametrize("where", ["handshake", "data", "tag"])
def test_one_flipped_bit_is_bad_record_mac_and_the_end(where: str) -> None:
    client, server = pair()
    server.receive(client.bytes_to_send())
    flight = bytearray(server.bytes_to_send())
    if where == "handshake":
        flight[-30] ^= 1
        (event,) = client.receive(bytes(flight))
    else:
        client.receive(bytes(flight))
        server.receive(client.bytes_to_send())
        server.send(b"some data")
        record = bytearray(server.bytes_to_send())
        record[HEADER_LENGTH if where == "data" else -1] ^= 1
        (event,) = client.receive(bytes(record))
    assert isinstance(event, ConnectionFailed)
    assert (event.alert, event.by_us) == (AlertDescription.BAD_RECORD_MAC, True)
    assert not client.is_open
    if where != "handshake":
        # The server reads the alert: it comes under the right keys.
        (told,) = server.receive(client.bytes_to_send())
        assert told == ConnectionFailed(AlertDescription.BAD_RECORD_MAC, "", by_us=False)


def test_records_out_of_order_or_twice_are_refused() -> None:
    for order in ((1, 0), (0, 0)):
        client, server = pair()
        converse(client, server)
        server.send(b"first")
        first = server.bytes_to_send()
        server.send(b"second")
        records = (first, server.bytes_to_send())
        events = [event for number in order for event in client.receive(records[number])]
        failure = events[-1]
        assert isinstance(failure, ConnectionFailed) and failure.alert == AlertDescription.BAD_RECORD_MAC


def test_a_certificate_that_is_refused_ends_the_handshake_with_its_alert() -> None:
    def refuse(chain: tuple[bytes, ...]) -> None:
        raise TlsFault(AlertDescription.CERTIFICATE_EXPIRED, "Certificate: it ended yesterday")

    client = connect(Offer(NAME, versions=(TLS_1_3,)), refuse)
    server = accept(certified("ecdsa").identity)
    at_client, at_server = converse(client, server)
    assert at_client == [
        ConnectionFailed(AlertDescription.CERTIFICATE_EXPIRED, "Certificate: it ended yesterday", True)
    ]
    assert at_server == [ConnectionFailed(AlertDescription.CERTIFICATE_EXPIRED, "", by_us=False)]


def test_the_right_certificate_without_its_key_does_not_pass() -> None:
    impostor = certified("ecdsa").identity
    client = connect(Offer(NAME, versions=(TLS_1_3,)), lambda chain: None)
    server = accept(Identity(impostor.chain, ec.generate_private_key(ec.SECP256R1())))
    (event,) = converse(client, server)[0]
    assert isinstance(event, ConnectionFailed) and event.alert == AlertDescription.DECRYPT_ERROR


def test_a_client_of_tls_1_2_alone_is_told_why() -> None:
    client, server = pair(Offer(NAME, versions=(TLS_1_2,)))
    at_client, at_server = converse(client, server)
    assert isinstance(at_server[0], ConnectionFailed) and "without TLS 1.3" in at_server[0].text
    assert at_client == [ConnectionFailed(AlertDescription.PROTOCOL_VERSION, "", by_us=False)]


def flights() -> tuple[bytes, bytes]:
    """A ClientHello record and the server's first flight."""
    counter = count()

    def randomness(length: int) -> bytes:
        return bytes([next(counter) % 255 + 1]) * length

    client = connect(Offer(NAME, versions=(TLS_1_3,)), lambda chain: None, randomness)
    server = accept(certified("ecdsa").identity)
    hello = client.bytes_to_send()
    server.receive(hello)
    return hello, server.bytes_to_send()


def messages() -> Iterator[tuple[type[ClientHello] | type[ServerHello], bytes]]:
    hello, flight = flights()
    for kind, data in ((ClientHello, hello), (ServerHello, flight)):
        yield kind, split_handshakes(split_records(data)[0][0].fragment)[0][0].body


def test_hellos_come_back_as_they_were() -> None:
    for kind, body in messages():
        assert kind.read(body).message().body == body


def test_a_hello_cut_anywhere_is_a_decode_error_that_names_the_field() -> None:
    for kind, body in messages():
        for length in range(len(body)):
            # RFC 8446, 4.1.2: extensions may be left out altogether.
            if length == (34 + 1 + 32 + 2 + 2 * len(SUITES_1_3) + 2 if kind is ClientHello else 34 + 1 + 32 + 3):
                continue
            with pytest.raises(TlsFault, match=f"^{kind.__name__}.*: expected .*, found") as refusal:
                kind.read(body[:length])
            assert refusal.value.alert == AlertDescription.DECODE_ERROR


def test_a_hello_with_a_byte_too_many_is_a_decode_error() -> None:
    for kind, body in messages():
        with pytest.raises(TlsFault, match="end: expected no more bytes, found 1"):
            kind.read(body + b"\0")


def test_whatever_byte_is_changed_the_client_never_takes_the_flight() -> None:
    _, flight = flights()
    for at in range(len(flight)):
        client, _ = pair()
        client.bytes_to_send()
        spoiled = flight[:at] + bytes([flight[at] ^ 0x40]) + flight[at + 1 :]
        events = client.receive(spoiled)
        assert not any(isinstance(event, HandshakeCompleted) for event in events), at


@pytest.mark.parametrize(
    ("data", "alert", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", AlertDescription.DECODE_ERROR, "record header"),
        (b"\x16\x03\x03\x60\x00", AlertDescription.RECORD_OVERFLOW, "expected at most"),
        (b"\x17\x03\x03\x00\x01x", AlertDescription.UNEXPECTED_MESSAGE, "during the handshake"),
        (b"\x16\x03\x03\x00\x04\x14\x00\x00\x00", AlertDescription.UNEXPECTED_MESSAGE, "expected server_hello"),
        (b"\x15\x03\x03\x00\x03\x02\x28\x00", AlertDescription.DECODE_ERROR, "alert: expected 2 bytes, found 3"),
    ],
)
def test_what_no_server_says_is_answered_with_the_right_alert(data: bytes, alert: AlertDescription, text: str) -> None:
    client, _ = pair()
    client.bytes_to_send()
    (event,) = client.receive(data)
    assert isinstance(event, ConnectionFailed) and event.by_us
    assert event.alert == alert and text in event.text
    assert client.bytes_to_send() == bytes([21, 3, 3, 0, 2, 2, alert])
