"""Several messages in one frame: each keeps its own headers, stream and type, or is told as nobody's."""

from __future__ import annotations

import pytest

from observer.dissect import AGGREGATOR, FIELDS, SEPARATOR, frames
from observer.messages import Frame, TlsRecord


def typed(**fields: str) -> Frame:
    """The frame of one line with only these fields; two underscores stand for a dot, `len_` for tshark's len()."""
    values = {"frame.number": "1", "frame.time_epoch": "1.5", "frame.len": "60"}
    for name, value in fields.items():
        plain = name.replace("__", ".")
        values[f"len({plain.removeprefix('len_')})" if plain.startswith("len_") else plain] = value
    assert set(values) <= set(FIELDS), set(values) - set(FIELDS)
    (found,) = frames([SEPARATOR.join(values.get(name, "") for name in FIELDS)])
    return found


def many(*values: object) -> str:
    return AGGREGATOR.join(map(str, values))


# ---------------------------------------------------------------- HTTP/1.1


def requests(*messages: bytes) -> dict[str, str]:
    """The fields that tshark prints for these requests, one after the other in one segment."""
    heads = [message.partition(b"\r\n\r\n")[0].decode().split("\r\n") for message in messages]
    return {
        "http__request__method": many(*(head[0].split()[0] for head in heads)),
        "http__request__uri": many(*(head[0].split()[1] for head in heads)),
        "http__request__line": many(*(line + r"\r\n" for head in heads for line in head[1:])),
        "len_http": many(*(sum(map(len, messages[n:])) for n in range(len(messages)))),
    }


ONE = b"GET /one HTTP/1.1\r\nHost: a.example\r\nX-N: 1\r\n\r\n"
TWO = b"POST /two HTTP/1.1\r\nHost: b.example\r\nContent-Length: 5\r\nX-N: 2\r\n\r\nhello"
THREE = b"GET /three HTTP/1.1\r\nX-N: 3\r\nHost: c.example\r\n\r\n"


@pytest.mark.parametrize("order", [(ONE, TWO, THREE), (TWO, ONE), (THREE, ONE, TWO), (ONE, ONE, ONE)])
def test_pipelined_requests_keep_their_own_headers(order: tuple[bytes, ...]) -> None:
    found = typed(**requests(*order)).http
    expected = {b"/one": ("a.example", "1"), b"/two": ("b.example", "2"), b"/three": ("c.example", "3")}
    assert [(m.authority, m.header("x-n")) for m in found] == [expected[o.split()[1]] for o in order]


def test_pipelined_responses_keep_their_own_headers() -> None:
    messages = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-N: 1\r\n\r\nok",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-N: 3\r\n\r\n",
    ]
    heads = [message.partition(b"\r\n\r\n")[0].decode().split("\r\n") for message in messages]
    found = typed(
        http__response__code=many(200, 404, 204),
        http__response__phrase=many("OK", "Not Found", "No Content"),
        http__response__line=many(*(line + r"\r\n" for head in heads for line in head[1:])),
        len_http=many(*(sum(map(len, messages[n:])) for n in range(3))),
    ).http
    assert [(m.status, len(m.headers), m.header("x-n")) for m in found] == [
        (200, 2, "1"),
        (404, 3, None),
        (204, 1, "3"),
    ]


def test_where_the_lengths_do_not_say_whose_a_header_is_it_is_nobodys() -> None:
    fields = requests(ONE, THREE) | {"len_http": many(500, 300)}
    assert [(m.path, m.headers, m.headers_known) for m in typed(**fields).http] == [
        ("/one", (), False),
        ("/three", (), False),
    ]


# ---------------------------------------------------------------- HTTP/3


def http3(streams: tuple[int, ...], summary: str, blocks: int) -> list[int | None]:
    """The streams of a datagram's responses, given its STREAM frames and tshark's summary."""
    found = typed(
        _ws__col__info=f"Protected Payload (KP0), PKN: 10, {summary}",
        udp__stream="0",
        quic__connection__number="0",
        quic__stream__stream_id=many(*streams),
        quic__frame_type=many(*("0x0a" for _ in streams)),
        http3__headers__count=many(*[2] * blocks),
        http3__header__header__name=many(*(":status", "server") * blocks),
        http3__headers__header__value=many(*("200", "one") * blocks),
    )
    assert [(m.status, m.headers) for m in found.http] == [(200, (("server", "one"),))] * blocks
    return [m.stream for m in found.http]


def test_a_response_behind_the_content_of_another_stream_is_not_taken_for_that_streams() -> None:
    assert http3((0, 4), "STREAM(0), DATA, STREAM(4), HEADERS: 200 OK", 1) == [4]


def test_two_responses_in_one_datagram_each_have_their_stream() -> None:
    assert http3((3, 4, 0), "STREAM(3), SETTINGS, STREAM(4), HEADERS: 200 OK, STREAM(0), HEADERS: 200 OK", 2) == [4, 0]


def test_a_message_has_no_stream_where_the_summary_does_not_say_which() -> None:
    assert http3((0, 4), "STREAM(0), STREAM(4)", 1) == [None]
    assert http3((0, 4), "STREAM(0), HEADERS: GET /, STREAM(4), HEADERS, STREAM(4), HEADERS", 2) == [None, None]
    assert http3((0,), "STREAM(0)", 1) == [0]


def test_trailers_are_no_message_of_their_own() -> None:
    found = typed(
        http2__streamid=many(1, 1, 1),
        http2__type=many(1, 0, 1),
        http2__header__count=many(2, 1),
        http2__header__name=many(":status", "server", "x-checksum"),
        http2__header__value=many("200", "one", "abc"),
    ).http
    assert [(m.stream, m.status, m.headers, m.is_trailer) for m in found] == [
        (1, 200, (("server", "one"),), False),
        (1, None, (("x-checksum", "abc"),), True),
    ]


# ---------------------------------------------------------------- TLS records


def records(types: list[int], opaque: int, lengths: list[int], shown: list[int]) -> list[int | None]:
    found = typed(
        tls__record__content_type=many(*types),
        tls__record__opaque_type=many(*[23] * opaque),
        tls__record__length=many(*lengths),
        len_tls__app_data=many(*shown),
    ).tls
    assert found is not None
    assert all(isinstance(record, TlsRecord) for record in found.records)
    return [record.inner_type for record in found.records]


def test_a_record_that_stayed_closed_between_decrypted_ones_is_the_one_without_a_type() -> None:
    assert records([22, 22], 3, [60, 70, 80], [70]) == [22, None, 22]
    assert records([22, 23], 3, [60, 70, 80], [60, 80]) == [None, 22, 23]
    assert records([20, 22], 2, [1, 69, 80], [80]) == [20, 22, None]


def test_which_of_two_records_of_application_data_stayed_closed_cannot_be_told() -> None:
    assert records([23], 2, [60, 70], [60, 70]) == [None, None]


def test_all_closed_and_all_decrypted_need_no_lengths() -> None:
    assert records([], 2, [60, 70], [60, 70]) == [None, None]
    assert records([23, 21], 2, [60, 70], [60]) == [23, 21]


def test_very_many_records_are_read_in_a_moment() -> None:
    assert records([23] * 100, 200, [30] * 200, [30] * 200) == [None] * 200


# ---------------------------------------------------------------- alerts


def test_an_alert_in_quics_connection_close_is_an_alert() -> None:
    found = typed(
        udp__stream="0",
        quic__connection__number="0",
        quic__frame_type="0x1c",
        quic__cc__error_code=str(0x100 + 48),
        quic__cc__error_code__tls_alert="48",
        quic__cc__reason_phrase="unknown ca",
    )
    assert found.tls is not None
    assert [(alert.level, alert.description) for alert in found.tls.alerts] == [(None, 48)]
    assert found.quic is not None
    assert found.quic.close is not None
    assert (found.quic.close.error_code, found.quic.close.reason) == (0x130, "unknown ca")
