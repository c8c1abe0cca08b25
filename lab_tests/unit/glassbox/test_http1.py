"""HTTP/1.1 responses, whole, byte by byte and cut short."""

from __future__ import annotations

import pytest

from glassbox.http1 import HttpFault, Response, request

RESPONSES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        b"hello",
        True,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "after an interim one": (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"",
        True,
    ),
    "closing": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
}


@pytest.mark.parametrize("kind", RESPONSES)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_response_comes_in_pieces_of_any_size(kind: str, size: int) -> None:
    data, body, keeps = RESPONSES[kind]
    response = Response("GET")
    for at in range(0, len(data), size):
        assert not response.is_complete
        response.feed(data[at : at + size])
    assert (bytes(response.body), response.is_complete, response.keeps_connection) == (body, True, keeps)


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_cut_short_is_no_response(kind: str) -> None:
    data = RESPONSES[kind][0]
    for length in range(len(data)):
        response = Response("GET")
        response.feed(data[:length])
        with pytest.raises(HttpFault, match="ended after"):
            response.end()


def test_without_a_length_the_end_of_the_connection_ends_the_body() -> None:
    response = Response("GET")
    response.feed(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert not response.is_complete
    response.end()
    assert bytes(response.body) == b"hello" and not response.keeps_connection


def test_the_answer_to_head_has_no_body() -> None:
    response = Response("HEAD")
    response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert response.is_complete and response.keeps_connection


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", "no line end"),
        (b"x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_what_is_no_response_is_named(data: bytes, text: str) -> None:
    with pytest.raises(HttpFault, match=text):
        Response("GET").feed(data)


def test_a_request_as_it_goes_over_the_wire() -> None:
    assert request("POST", "/echo", "site.example", [("Accept", "*/*")], b"body") == (
        b"POST /echo HTTP/1.1\r\nHost: site.example\r\nAccept: */*\r\nContent-Length: 4\r\n\r\nbody"
    )
