"""DevTools messages over a pipe."""

from __future__ import annotations

import json

import pytest

from client.cdp import Event, MessageReader, ProtocolError, Reply, encode

STREAM = (
    b'{"id":1,"result":{"product":"Chrome"}}\0'
    b'{"method":"Page.loadEventFired","params":{"timestamp":1.5},"sessionId":"S"}\0'
    b'{"id":2,"error":{"code":-32601,"message":"no such method"},"sessionId":"S"}\0'
)
MESSAGES = [
    Reply(1, {"product": "Chrome"}, ""),
    Event("Page.loadEventFired", {"timestamp": 1.5}, "S"),
    Reply(2, {}, "no such method"),
]


def test_a_command_is_one_json_object_and_a_nul() -> None:
    data = encode(7, "Page.navigate", {"url": "https://a.in/"}, "S")

    assert data.endswith(b"\0")
    assert b"\0" not in data[:-1]
    assert json.loads(data[:-1]) == {
        "id": 7,
        "method": "Page.navigate",
        "params": {"url": "https://a.in/"},
        "sessionId": "S",
    }
    assert b"sessionId" not in encode(7, "Browser.close", {})


def test_messages_fed_whole() -> None:
    assert MessageReader().feed(STREAM) == MESSAGES


def test_messages_fed_byte_by_byte() -> None:
    reader = MessageReader()

    assert [message for at in range(len(STREAM)) for message in reader.feed(STREAM[at : at + 1])] == MESSAGES


@pytest.mark.parametrize("cut", range(0, len(STREAM), 7))
def test_messages_fed_in_two_pieces(cut: int) -> None:
    reader = MessageReader()

    assert reader.feed(STREAM[:cut]) + reader.feed(STREAM[cut:]) == MESSAGES


def test_a_message_cut_short_is_no_message_yet() -> None:
    assert MessageReader().feed(STREAM[:-1]) == MESSAGES[:-1]


@pytest.mark.parametrize(
    "bad", [b"\0", b"{\0", b"[]\0", b"{}\0", b'{"id":"1","result":{}}\0', b'{"id":1,"result":[]}\0', b"\xff\xfe{}\0"]
)
def test_what_is_no_message_is_refused(bad: bytes) -> None:
    with pytest.raises(ProtocolError, match="DevTools message"):
        MessageReader().feed(bad)
