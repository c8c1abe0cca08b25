"""The tap's socket: what is asked, what is answered, and what a broken question gets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hostkit.spool_format import Position
from tap.control import LONGEST_LINE, ControlServer, Conversation
from tap.recorder import LinkStatus, Recorder, Refused
from tap.visits import LinkSlice


class FakeRecorder:
    """Answers as a recorder of one link does, and remembers what was asked."""

    started_ns = 5

    def __init__(self) -> None:
        self.log: list[str] = []

    def begin(self, visit: str) -> int:
        if visit == "refused":
            raise Refused("link edge: the sentinel could not be sent")
        self.log.append(f"begin {visit}")
        return 77

    def end(self, visit: str) -> dict[str, LinkSlice]:
        self.log.append(f"end {visit}")
        return {"home": LinkSlice(Position(1, 2), Position(3, 4), 5, 6, ("why",))}

    def release(self, visit: str) -> None:
        self.log.append(f"release {visit}")

    def status(self) -> dict[str, LinkStatus]:
        return {"home": LinkStatus("lab-home", 1, 2, 3)}


@pytest.fixture
def recorder() -> FakeRecorder:
    return FakeRecorder()


@pytest.fixture
def conversation(recorder: FakeRecorder) -> Conversation:
    return Conversation(cast(Recorder, recorder))


def test_a_visit_is_begun_and_ended(conversation: Conversation, recorder: FakeRecorder) -> None:
    assert conversation.answer(b'{"op":"begin","visit":"v"}\n') == {"ok": True, "sent_ns": 77}
    assert conversation.answer(b'{"op":"end","visit":"v"}\n') == {
        "ok": True,
        "links": {
            "home": {
                "begin": {"segment": 1, "offset": 2},
                "end": {"segment": 3, "offset": 4},
                "packets": 5,
                "dropped": 6,
                "complete": False,
                "reasons": ["why"],
            }
        },
    }
    conversation.close()
    assert recorder.log == ["begin v", "end v", "release v"]


def test_the_status_needs_no_visit(conversation: Conversation, recorder: FakeRecorder) -> None:
    assert conversation.answer(b'{"op":"status"}\n') == {
        "ok": True,
        "started_ns": 5,
        "links": {"home": {"interface": "lab-home", "packets": 1, "dropped": 2, "spool_bytes": 3}},
    }
    conversation.close()
    assert recorder.log == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"\n", "not JSON"),
        (b"begin\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[" * 3000 + b"\n", "not JSON"),
        (b"[]\n", "not a JSON object but list"),
        (b"{}\n", "expected"),
        (b'{"op":"stop"}\n', "expected"),
        (b'{"op":"begin"}\n', "expected"),
        (b'{"op":"begin","visit":7}\n', "expected"),
        (b'{"op":"begin","visit":""}\n', "expected"),
        (b'{"op":"end","visit":"v"}\n', "'v' was not begun on this connection"),
        (b'{"op":"begin","visit":"refused"}\n', "link edge"),
        (b'{"op":"status"}', "one line of at most"),
        (b'{"op":"begin","visit":"' + b"v" * LONGEST_LINE, "one line of at most"),
    ],
)
def test_a_question_that_makes_no_sense_gets_one_line_that_says_why(
    conversation: Conversation, line: bytes, error: str
) -> None:
    answer = conversation.answer(line)
    assert answer["ok"] is False
    assert error in answer["error"]
    assert "\n" not in answer["error"]


def test_a_connection_has_one_visit(conversation: Conversation, recorder: FakeRecorder) -> None:
    conversation.answer(b'{"op":"begin","visit":"one"}\n')
    assert "belongs to visit 'one'" in conversation.answer(b'{"op":"begin","visit":"two"}\n')["error"]
    assert "was not begun" in conversation.answer(b'{"op":"end","visit":"two"}\n')["error"]
    assert recorder.log == ["begin one"]


def test_a_visit_that_was_refused_leaves_the_connection_free(conversation: Conversation) -> None:
    conversation.answer(b'{"op":"begin","visit":"refused"}\n')
    assert conversation.answer(b'{"op":"begin","visit":"v"}\n')["ok"]


# ---------------------------------------------------------------- over a real socket


@pytest.fixture
def path(tmp_path: Path, recorder: FakeRecorder) -> Iterator[Path]:
    path = tmp_path / "tap.sock"
    with ControlServer(path, cast(Recorder, recorder)):
        yield path


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(str(path))
    return client


def ask(client: socket.socket, line: bytes) -> Any:
    client.sendall(line)
    with client.makefile("rb") as answers:
        return json.loads(answers.readline())


def test_lines_are_answered_one_by_one_even_in_pieces(path: Path) -> None:
    with connect(path) as client:
        for byte in b'{"op":"begin","visit":"v"}':
            client.sendall(bytes([byte]))
        assert ask(client, b"\n") == {"ok": True, "sent_ns": 77}
        assert ask(client, b'{"op":"nonsense"}\n')["ok"] is False
        assert ask(client, b'{"op":"end","visit":"v"}\n')["ok"] is True


def test_a_connection_that_closes_releases_its_visit(path: Path, recorder: FakeRecorder) -> None:
    with connect(path) as client:
        ask(client, b'{"op":"begin","visit":"v"}\n')
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b"", "the tap closes only when it has released"
    assert recorder.log == ["begin v", "release v"]


def test_connections_do_not_wait_for_each_other(path: Path) -> None:
    with connect(path) as idle, connect(path) as busy:
        assert ask(busy, b'{"op":"status"}\n')["ok"]
        assert ask(idle, b'{"op":"status"}\n')["ok"]


def test_only_owner_and_group_may_connect(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o660


def test_a_socket_that_a_killed_tap_left_behind_is_replaced(tmp_path: Path, recorder: FakeRecorder) -> None:
    path = tmp_path / "tap.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    with ControlServer(path, cast(Recorder, recorder)), connect(path) as client:
        assert ask(client, b'{"op":"status"}\n')["ok"]
    assert not path.exists()
