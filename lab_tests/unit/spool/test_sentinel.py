"""Sentinels: frames that no host takes and nobody mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostkit import sentinel
from hostkit.sentinel import Kind, Sentinel


@given(st.sampled_from(Kind), st.text(min_size=1))
def test_a_sentinel_is_recognised_with_its_kind_and_visit(kind: Kind, visit: str) -> None:
    assert sentinel.recognise(sentinel.frame(kind, visit)) == Sentinel(kind, sentinel.visit_hash(visit))


def test_a_sentinel_is_laid_out_as_the_contract_says() -> None:
    frame = sentinel.frame(Kind.BEGIN, "visit")
    assert (frame[12:14], frame[14:20], frame[20], frame[21:22]) == (b"\x88\xb5", b"8STEPS", 1, b"B")
    assert frame[22:38] == sentinel.visit_hash("visit")
    assert frame[38:] == bytes(22)
    assert len(frame) == 60


def test_a_sentinel_goes_to_a_unicast_address_that_nobody_was_given() -> None:
    for address in (sentinel.DESTINATION, sentinel.SOURCE):
        assert not address[0] & 0x01, "group bit"
        assert address[0] & 0x02, "locally administered"
        assert address[:2] != b"\x02\x42", "what Docker gives to containers"


def test_two_visits_and_two_ends_have_different_sentinels() -> None:
    frames = {sentinel.frame(kind, visit) for kind in Kind for visit in ("one", "two")}
    assert len(frames) == 4


@pytest.mark.parametrize("kept", range(sentinel.SIZE))
def test_a_sentinel_cut_short_is_none(kept: int) -> None:
    assert sentinel.recognise(sentinel.frame(Kind.END, "visit")[:kept]) is None


@pytest.mark.parametrize("at", range(22))
def test_a_frame_that_differs_before_the_visit_is_none(at: int) -> None:
    frame = bytearray(sentinel.frame(Kind.END, "visit"))
    frame[at] ^= 0x80
    assert sentinel.recognise(bytes(frame)) is None


def test_a_frame_that_carries_a_sentinel_in_its_payload_is_none() -> None:
    assert sentinel.recognise(bytes(14) + sentinel.frame(Kind.END, "visit")) is None
