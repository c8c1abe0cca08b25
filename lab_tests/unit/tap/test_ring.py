"""What of the ring needs no privilege: its neighbours in the sniff loop and the state of interfaces."""

from __future__ import annotations

import os

import pytest
import scapy.sendrecv

import tap.__main__
from tap.ring import Stop, state_of


def test_a_signals_byte_ends_the_sniff_loop_without_an_error() -> None:
    with Stop() as stop:
        os.write(stop.wakeup, b"\x0f")
        scapy.sendrecv.sniff(opened_socket={stop: "stop"}, store=False, prn=pytest.fail, timeout=5)
        assert not stop.closed


def test_the_loopback_interface_is_up_and_a_made_up_one_is_missing() -> None:
    assert state_of("lo") == "up"
    assert state_of("no-such-link") == "missing"


def test_links_that_do_not_come_up_are_named() -> None:
    links = {"home": "lo", "edge": "no-such-link"}
    assert tap.__main__.wait_for_links(links, timeout_s=0) == ["edge (no-such-link is missing)"]


def test_without_settings_the_tap_says_what_is_missing_and_gives_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LINKS", raising=False)
    assert tap.__main__.main() == 1
    assert capsys.readouterr().err.startswith("tap: LINKS is empty")
