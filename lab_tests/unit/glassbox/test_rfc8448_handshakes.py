"""Whole handshakes of RFC 8448: its records opened and sealed by hand, and the client in its client's place."""

from __future__ import annotations

import pytest

from glassbox.client import connect_with
from glassbox.connection import Connection
from glassbox.events import DataReceived, Event, HandshakeCompleted, PeerClosed, TicketReceived
from glassbox.keyschedule import tls13
from glassbox.messages import HELLO_RETRY_REQUEST_RANDOM
from glassbox.records import ContentType, Tls13Protection, split_records
from glassbox.suites import Cipher
from rfc8448 import HASH, KEY_LENGTH, PublishedHellos, Trace

TYPES = {"handshake": 22, "alert": 21, "application_data": 23, "change_cipher_spec": 20}


def protections(trace: Trace) -> dict[tuple[str, str], Tls13Protection]:
    """By sender and epoch, from the traffic secrets alone."""
    labels = {
        ("client", "handshake"): "c hs traffic",
        ("server", "handshake"): "s hs traffic",
        ("client", "application"): "c ap traffic",
        ("server", "application"): "s ap traffic",
    }
    if trace.section == 4:
        labels["client", "early"] = "c e traffic"
    made = {}
    for place, label in labels.items():
        keys = tls13.traffic_keys(HASH, trace.value(f'derive secret "tls13 {label}"', "expanded"), KEY_LENGTH)
        made[place] = Tls13Protection(Cipher.AES_128_GCM, keys.key, keys.iv)
    return made


@pytest.mark.parametrize("section", [3, 4, 5, 6, 7])
def test_every_protected_record_opens_and_seals_to_the_same_bytes(section: int) -> None:
    trace = Trace(section)
    openers, sealers = protections(trace), protections(trace)
    epoch = {"client": "early" if section == 4 else "handshake", "server": "handshake"}
    seen = 0
    for step in trace.all("send "):
        record = split_records(step.values["complete record"])[0][0]
        if record.type != ContentType.APPLICATION_DATA:
            continue
        place, plain = (step.who, epoch[step.who]), step.values["payload"]
        type, content = openers[place].open(record)
        assert (type, content) == (TYPES[step.what.split()[1]], plain)
        assert sealers[place].seal(type, content).encode() == step.values["complete record"]
        seen += 1
        if plain[-36:-32] == bytes.fromhex("14000020") and type == ContentType.HANDSHAKE:
            epoch[step.who] = "application"
        elif plain == bytes.fromhex("05000000"):
            epoch[step.who] = "handshake"
    assert seen >= 4


def play(trace: Trace, connection: Connection) -> tuple[bytes, list[Event], list[str]]:
    """Feed the server's records in the trace's order; what the client answered, what happened, whose turn failed."""
    events: list[Event] = []
    out, wrong = b"", []
    expected = b""
    for who, record, plain in trace.wire():
        if who == "server":
            events += connection.receive(record)
            continue
        expected += record
        if record[0] == ContentType.APPLICATION_DATA and connection.is_open and len(plain) == 50:
            connection.send(plain)
        elif record[0] == ContentType.APPLICATION_DATA and connection.is_open and len(plain) == 2:
            connection.close()
        out += connection.bytes_to_send()
        if not out.startswith(expected) and not expected.startswith(out):
            wrong.append(f"after {len(out)} bytes")
    return out, events, wrong


@pytest.mark.parametrize("section", [3, 5, 7])
def test_the_client_sends_what_the_published_client_sends(section: int) -> None:
    trace = Trace(section)
    chains: list[tuple[bytes, ...]] = []
    connection = connect_with(PublishedHellos(trace), chains.append)

    out, events, wrong = play(trace, connection)

    assert not wrong
    assert out == b"".join(trace.records("client"))
    completed = [event for event in events if isinstance(event, HandshakeCompleted)]
    assert [each.suite for each in completed] == ["TLS_AES_128_GCM_SHA256"]
    assert len(chains) == 1, "the chain is checked once"
    assert events[-1] == PeerClosed() or section != 3


def test_the_client_gets_ticket_and_data_of_the_simple_handshake() -> None:
    trace = Trace(3)
    _, events, _ = play(trace, connect_with(PublishedHellos(trace), lambda chain: None))
    assert [type(event) for event in events] == [HandshakeCompleted, TicketReceived, DataReceived, PeerClosed]
    ticket = next(event.ticket for event in events if isinstance(event, TicketReceived))
    assert ticket.secret == trace.value("generate resumption secret", "expanded")


@pytest.mark.parametrize("section", [3, 5, 6, 7])
def test_the_client_notes_what_the_rfc_prints(section: int) -> None:
    """Of section 6 up to the server's Finished: there the published client has a certificate, this one none."""
    trace = Trace(section)
    connection = connect_with(PublishedHellos(trace), lambda chain: None)
    for record in trace.records("server")[: -1 if section != 3 else None]:
        connection.receive(record)
    noted = connection.ledger
    assert noted.value("shared_secret") == trace.shared_secret
    for name, label in {
        "client_handshake_traffic_secret": "c hs traffic",
        "server_handshake_traffic_secret": "s hs traffic",
        "client_application_traffic_secret_0": "c ap traffic",
        "server_application_traffic_secret_0": "s ap traffic",
        "exporter_master_secret": "exp master",
    }.items():
        assert noted.value(name) == trace.value(f'derive secret "tls13 {label}"', "expanded"), name
    assert noted.value("server_verify_data") == trace.value("calculate finished", "finished", "server")
    if section != 6:
        assert noted.value("client_verify_data") == trace.value("calculate finished", "finished", "client")


def test_hello_retry_request_is_told_by_its_random() -> None:
    assert HASH.digest(b"HelloRetryRequest") == HELLO_RETRY_REQUEST_RANDOM
