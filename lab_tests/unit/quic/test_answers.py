"""The second HTTP/3 server answers two things and refuses the rest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aioquic.tls import CipherSuite, SessionTicket

from quicsite.answers import answer
from quicsite.server import Tickets


def test_bytes_are_as_many_as_asked_for_and_say_their_offset() -> None:
    found = answer("GET", "/bytes/20?a=b")
    assert (found.status, found.body) == (200, b"000000000000000\n0000")
    assert len(answer("GET", "/bytes/10485760").body) == 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/bytes/0", 200),
        ("HEAD", "/bytes/20", 200),
        ("POST", "/", 405),
        ("GET", "/orders", 404),
        ("GET", "/bytes/-1", 404),
        ("GET", "", 404),
        ("GET", "/bytes/10485761", 400),
    ],
)
def test_each_request_has_its_status(method: str, target: str, status: int) -> None:
    assert answer(method, target).status == status


def test_who_uses_another_method_is_told_which_there_are() -> None:
    assert answer("DELETE", "/").fields == (("allow", "GET, HEAD"),)
    assert answer("GET", "/").fields == ()


def test_of_tickets_that_nobody_uses_the_oldest_go() -> None:
    tickets = Tickets(most=2)
    for label in (b"one", b"two", b"three"):
        tickets.keep(ticket(label))
    assert tickets.take(b"one") is None
    assert tickets.take(b"three") == ticket(b"three")
    assert tickets.take(b"three") is None, "once each"


def ticket(label: bytes) -> SessionTicket:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    return SessionTicket(0, CipherSuite.AES_128_GCM_SHA256, begun, begun, b"", "quic.example", label)
