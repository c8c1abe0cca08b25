"""Resources that are slow, fail or answer what they are told; and connections spoiled on purpose."""

from __future__ import annotations

import base64
import errno
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from origin.experiments import interrupted, numbered_bytes
from origin.misbehaviour import GARBAGE, Misbehaviour


def test_health_is_cheap_and_says_who_is_well(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.get_json()) == (200, {"origin": "origin-1", "status": "well"})


def test_an_origin_told_to_be_ill_by_the_other_answers_503_for_that_long(start: Callable[[str], Flask]) -> None:
    first, second = start("origin-1").test_client(), start("origin-2").test_client()
    assert second.post("/unwell?origin=origin-1&ms=300").status_code == 202
    until = time.monotonic() + 0.3
    assert (first.get("/health").status_code, second.get("/health").status_code) == (503, 200)
    while first.get("/health").status_code == 503:
        assert time.monotonic() < until + 2
    assert time.monotonic() >= until - 0.05


def test_slow_takes_at_least_as_long_as_asked(client: FlaskClient) -> None:
    before = time.monotonic()
    answer = client.get("/slow?ms=50")
    assert time.monotonic() - before >= 0.05
    assert answer.get_json() == {"origin": "origin-1", "waited_ms": 50}
    assert float(answer.headers["Server-Timing"].removeprefix("app;dur=")) >= 50


@pytest.mark.parametrize(
    "target",
    [
        "/slow",
        "/slow?ms=",
        "/slow?ms=-1",
        "/slow?ms=10001",
        "/slow?ms=²",
        "/slow?ms=1e3",
        "/slow?ms=000000000999999999",
    ],
)
def test_a_wait_out_of_bounds_is_400(client: FlaskClient, target: str) -> None:
    answer = client.get(target)
    assert answer.status_code == 400
    assert "ms: expected a whole number from 0 to 10000" in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_fail_really_raises_and_becomes_500(client: FlaskClient, method: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.open("/fail", method=method)
    assert answer.status_code == 500
    assert "origin-1" in answer.text
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is RuntimeError


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 8191, 8192, 8193, 100_000])
def test_bytes_are_as_many_as_asked_and_say_their_offset(client: FlaskClient, size: int) -> None:
    answer = client.get(f"/bytes/{size}")
    assert (len(answer.data), answer.content_length) == (size, size)
    for offset in range(0, size - 16, 4096):
        assert int(answer.data[offset : offset + 15]) == offset


def test_bytes_arrive_in_bounded_pieces() -> None:
    assert max(map(len, numbered_bytes(1_000_000))) <= 8192


def test_bytes_can_pause_with_their_head_and_first_piece_sent(client: FlaskClient) -> None:
    before = time.monotonic()
    answer = client.get("/bytes/8208?pause_ms=50")
    assert time.monotonic() - before >= 0.05
    assert (len(answer.data), answer.content_length) == (8208, 8208)


def test_an_interruption_comes_behind_the_first_piece() -> None:
    pieces = interrupted(numbered_bytes(8208), 0.05)
    assert len(next(pieces)) == 8192
    before = time.monotonic()
    assert b"".join(pieces) == b"%015d\n" % 8192
    assert time.monotonic() - before >= 0.05


def test_what_is_sent_whole_at_once_is_not_followed_by_a_pause() -> None:
    before = time.monotonic()
    assert len(b"".join(interrupted(numbered_bytes(8192), 60))) == 8192
    assert time.monotonic() - before < 30


def test_how_long_bytes_stay_fresh_is_the_visitors_choice(client: FlaskClient) -> None:
    first = client.get("/bytes/10?max_age=2")
    assert first.headers["Cache-Control"] == "public, max-age=2"
    stale = client.get("/bytes/10?max_age=2", headers={"If-None-Match": first.headers["ETag"]})
    assert (stale.status_code, stale.data) == (304, b"")


def test_too_many_bytes_are_400(client: FlaskClient) -> None:
    assert client.get("/bytes/10485761").status_code == 400


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_echo_returns_what_arrived(client: FlaskClient, method: str) -> None:
    body = bytes(range(256))
    answer = client.open("/echo?a=1", method=method, data=body, headers={"X-Forwarded-For": "10.1.2.3"}).get_json()
    assert (answer["method"], answer["target"]) == (method, "/echo?a=1")
    assert ["X-Forwarded-For", "10.1.2.3"] in answer["headers"]
    assert base64.b64decode(answer["body_base64"]) == body


class RecordingSocket:
    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


class TestMisbehaviour:
    def test_garbage_is_sent_below_http_and_then_the_connection_ends(self) -> None:
        socket = RecordingSocket()
        with pytest.raises(BrokenPipeError) as end:
            self.ask("/garbage", "", socket)
        assert (socket.sent, end.value.errno) == (GARBAGE, errno.EPIPE)
        assert not GARBAGE.startswith(b"HTTP")

    def test_hangup_sends_nothing(self) -> None:
        socket = RecordingSocket()
        with pytest.raises(BrokenPipeError):
            self.ask("/hangup", "origin=origin-1", socket)
        assert socket.sent == b""

    @pytest.mark.parametrize(("query", "head_is_whole"), [("", False), ("in=body", True)])
    def test_a_cut_response_ends_before_its_own_head_says_so(self, query: str, head_is_whole: bool) -> None:
        socket = RecordingSocket()
        with pytest.raises(BrokenPipeError):
            self.ask("/cut", query, socket)
        assert socket.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        head, blank, body = socket.sent.partition(b"\r\n\r\n")
        assert bool(blank) is head_is_whole
        assert not blank or len(body) < int(head.rpartition(b" ")[2])

    @pytest.mark.parametrize(
        ("path", "query"), [("/hangup", "origin=origin-2"), ("/garbage", "origin=origin-2"), ("/", "")]
    )
    def test_other_requests_and_the_other_origin_are_spared(self, path: str, query: str) -> None:
        assert list(self.ask(path, query, RecordingSocket())) == [b"the site"]

    def ask(self, path: str, query: str, socket: RecordingSocket) -> Iterable[bytes]:
        def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            return [b"the site"]

        environ = {"PATH_INFO": path, "QUERY_STRING": query, "gunicorn.socket": socket}
        return Misbehaviour(site, "origin-1")(environ, lambda *_: lambda _: None)

    def test_the_spared_origin_answers_200(self, client: FlaskClient) -> None:
        assert client.get("/hangup?origin=origin-2").get_json()["origin"] == "origin-1"
