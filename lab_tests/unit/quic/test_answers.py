"""The second HTTP/3 server answers two things and refuses the rest."""

from __future__ import annotations

import pytest

from quicsite.answers import answer


def test_bytes_are_as_many_as_asked_for_and_say_their_offset() -> None:
    found = answer("GET", "/bytes/20?a=b")
    assert (found.status, found.body) == (200, b"000000000000000\n0000")
    assert len(answer("GET", "/bytes/10485760").body) == 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/bytes/0", 200),
        ("POST", "/", 405),
        ("GET", "/orders", 404),
        ("GET", "/bytes/-1", 404),
        ("GET", "", 404),
        ("GET", "/bytes/10485761", 400),
    ],
)
def test_each_request_has_its_status(method: str, target: str, status: int) -> None:
    assert answer(method, target).status == status
