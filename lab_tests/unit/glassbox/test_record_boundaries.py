"""Keys change between records only: what stands behind a message that changes them is refused (RFC 8446, 5.1)."""

from __future__ import annotations

import pytest

from conversing import converse, pair
from glassbox.alerts import AlertDescription
from glassbox.connection import Connection
from glassbox.events import ConnectionFailed, Event, HandshakeCompleted, TicketReceived
from glassbox.messages import Handshake, HandshakeType
from glassbox.presentation import uint, vector
from glassbox.records import LARGEST_FRAGMENT, ContentType, Record, Tls13Protection, split_records
from glassbox.suites import TLS_1_2, Cipher

ENCRYPTED_EXTENSIONS = Handshake(HandshakeType.ENCRYPTED_EXTENSIONS, vector(2, b"")).raw
TICKET = Handshake(
    HandshakeType.NEW_SESSION_TICKET,
    uint(7200, 4) + uint(0, 4) + vector(1, b"nonce") + vector(2, b"a ticket") + vector(2, b""),
).raw
KEEP, ANSWER = (Handshake(HandshakeType.KEY_UPDATE, bytes([wanted])).raw for wanted in (0, 1))
UPDATES = [pytest.param(KEEP, id="update_not_requested"), pytest.param(ANSWER, id="update_requested")]
MORE = [
    pytest.param(TICKET, id="a ticket"),
    pytest.param(TICKET[:-1], id="all but its last byte"),
    pytest.param(KEEP, id="key_update"),
]


def protection(who: Connection, name: str) -> Tls13Protection:
    """Under a key that `who` has noted, before its first record."""
    return Tls13Protection(Cipher.AES_128_GCM, who.ledger.value(f"{name}_key"), who.ledger.value(f"{name}_iv"))


def with_more_in_the_last_record(sent: bytes, who: Connection, name: str, more: bytes) -> bytes:
    """What `who` sent, its protected records opened and sealed again, with `more` at the end of the last one."""
    records, _ = split_records(sent)
    opener, sealer = protection(who, name), protection(who, name)
    protected = [record for record in records if record.type == ContentType.APPLICATION_DATA]
    plain = [record for record in records if record not in protected]
    contents = [opener.open(record)[1] for record in protected]
    contents[-1] += more
    sealed = [sealer.seal(ContentType.HANDSHAKE, content) for content in contents]
    return b"".join(record.encode() for record in (*plain, *sealed))


def in_one_record(first: bytes, more: bytes) -> bytes:
    """The first record of `first`, a plain one, with `more` at its end."""
    record = split_records(first)[0][0]
    return Record(record.type, TLS_1_2, record.fragment + more).encode()


def assert_refused(events: list[Event], by: Connection, peer: Connection) -> None:
    """With an alert that the peer can read."""
    failure = events[-1]
    assert isinstance(failure, ConnectionFailed)
    assert (failure.alert, failure.by_us) == (AlertDescription.UNEXPECTED_MESSAGE, True)
    assert "a key change inside a record" in failure.text
    told = ConnectionFailed(AlertDescription.UNEXPECTED_MESSAGE, "", by_us=False)
    assert peer.receive(by.bytes_to_send())[-1] == told


# ---------------------------------------------------------------- the hellos


def behind_server_hello(more: bytes) -> tuple[Connection, Connection, list[Event]]:
    client, server = pair()
    server.receive(client.bytes_to_send())
    return client, server, client.receive(in_one_record(server.bytes_to_send(), more))


def test_server_hello_alone_in_its_record_is_accepted() -> None:
    assert behind_server_hello(b"")[2] == []


@pytest.mark.parametrize(
    "more",
    [ENCRYPTED_EXTENSIONS, ENCRYPTED_EXTENSIONS[:1], ENCRYPTED_EXTENSIONS[:-1]],
    ids=["a whole message", "its first byte", "all but its last byte"],
)
def test_nothing_stands_behind_server_hello_in_its_record(more: bytes) -> None:
    client, server, events = behind_server_hello(more)
    assert_refused(events, client, server)


def test_nothing_stands_behind_client_hello_in_its_record() -> None:
    client, server = pair()
    finished = Handshake(HandshakeType.FINISHED, bytes(32)).raw
    assert_refused(server.receive(in_one_record(client.bytes_to_send(), finished)), server, client)


# ---------------------------------------------------------------- Finished


def behind_the_servers_finished(more: bytes) -> tuple[Connection, Connection, list[Event]]:
    client, server = pair()
    server.receive(client.bytes_to_send())
    flight = with_more_in_the_last_record(server.bytes_to_send(), server, "server_handshake", more)
    return client, server, client.receive(flight)


def test_the_servers_finished_alone_in_its_record_is_accepted() -> None:
    assert [type(event) for event in behind_the_servers_finished(b"")[2]] == [HandshakeCompleted]


@pytest.mark.parametrize("more", MORE)
def test_nothing_stands_behind_the_servers_finished_in_its_record(more: bytes) -> None:
    client, server, events = behind_the_servers_finished(more)
    assert len(events) == 1, "neither a completed handshake nor a ticket"
    assert_refused(events, client, server)


def behind_the_clients_finished(more: bytes) -> tuple[Connection, Connection, list[Event]]:
    client, server = pair()
    server.receive(client.bytes_to_send())
    client.receive(server.bytes_to_send())
    last = with_more_in_the_last_record(client.bytes_to_send(), client, "client_handshake", more)
    return client, server, server.receive(last)


def test_the_clients_finished_alone_in_its_record_is_accepted() -> None:
    assert [type(event) for event in behind_the_clients_finished(b"")[2]] == [HandshakeCompleted]


def test_nothing_stands_behind_the_clients_finished_in_its_record() -> None:
    client, server, events = behind_the_clients_finished(KEEP)
    assert_refused(events, server, client)


# ---------------------------------------------------------------- after the handshake


def told_after_the_handshake(*contents: bytes) -> tuple[Connection, Connection, list[Event]]:
    """What comes of records with these contents under the server's first key for application data."""
    client, server = pair()
    converse(client, server)
    sealer = protection(server, "server_application")
    sent = b"".join(sealer.seal(ContentType.HANDSHAKE, content).encode() for content in contents)
    return client, server, client.receive(sent)


@pytest.mark.parametrize("update", UPDATES)
def test_key_update_may_stand_last_in_a_record(update: bytes) -> None:
    client, _, events = told_after_the_handshake(TICKET + TICKET + update)
    assert [type(event) for event in events] == [TicketReceived, TicketReceived]
    assert client.is_open


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("more", MORE)
def test_nothing_stands_behind_key_update_in_its_record(update: bytes, more: bytes) -> None:
    client, server, events = told_after_the_handshake(TICKET + update + more)
    assert_refused(events, client, server)


def test_messages_that_change_no_key_share_records_and_go_on_in_the_next() -> None:
    content = TICKET * (LARGEST_FRAGMENT // len(TICKET) + 1)
    _, _, events = told_after_the_handshake(content[:LARGEST_FRAGMENT], content[LARGEST_FRAGMENT:])
    assert [type(event) for event in events] == [TicketReceived] * (len(content) // len(TICKET))
