"""The TCP twin knows when an answer has come whole."""

from __future__ import annotations

import pytest

from client.tcp_twin import is_whole

ANSWER = b"HTTP/1.1 200 OK\r\nX-Origin: origin-1\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_an_answer_cut_short_is_not_whole(cut: int) -> None:
    assert not is_whole(ANSWER[:cut])


def test_an_answer_is_whole_with_its_last_byte() -> None:
    assert is_whole(ANSWER)
    assert is_whole(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="no Content-Length"):
        is_whole(b"HTTP/1.1 200 OK\r\n\r\n")
