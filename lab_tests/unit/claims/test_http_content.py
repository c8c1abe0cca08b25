"""The pieces of content in a frame, out of what tshark says of it."""

from __future__ import annotations

import pytest

from http_content import pieces

NOTHING = ""


def test_http_1_has_its_content_on_no_stream() -> None:
    assert list(pieces("68656c6c6f", *[NOTHING] * 6)) == [(None, b"hello")]


def test_http_2_data_goes_to_its_streams_past_headers_and_empty_frames() -> None:
    headers_data_data_end = ("1,0,0,0", "1,1,3,1", "20,2,3,0")
    assert list(pieces(NOTHING, *headers_data_data_end, "6869,666f6f", NOTHING, NOTHING)) == [(1, b"hi"), (3, b"foo")]


def test_http_3_data_goes_to_the_request_stream_beside_control_streams() -> None:
    assert list(pieces(NOTHING, *[NOTHING] * 4, "2,0", "6869")) == [(0, b"hi")]


def test_a_frame_with_headers_alone_has_none() -> None:
    assert list(pieces(NOTHING, "1", "1", "20", NOTHING, NOTHING, NOTHING)) == []


@pytest.mark.parametrize(
    "fields",
    [
        ("68,69", *[NOTHING] * 6),
        (NOTHING, *[NOTHING] * 4, "0,4", "68,69"),
    ],
)
def test_what_cannot_be_told_apart_is_not_guessed(fields: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError):
        list(pieces(*fields))


def test_more_frames_than_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(pieces(NOTHING, "0,0", "1,1", "2,2", "6869", NOTHING, NOTHING))
