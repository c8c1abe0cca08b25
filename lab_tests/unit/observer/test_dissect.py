"""tshark's lines as typed frames."""

from __future__ import annotations

from itertools import pairwise

import pytest

from golden_visits import Golden, golden
from observer.dissect import (
    AGGREGATOR,
    FIELDS,
    SEPARATOR,
    DissectionError,
    Glimpse,
    frames,
    frames_and_glimpses,
    nanoseconds,
    unescaped,
)
from observer.messages import Frame, HttpVersion


def line(**fields: str) -> str:
    """One line as tshark prints it, with only these fields; a dot in a name is written as two underscores."""
    values = {"frame.number": "1", "frame.time_epoch": "1.5", "frame.len": "60"}
    values |= {name.replace("__", "."): value for name, value in fields.items()}
    assert set(values) <= set(FIELDS), set(values) - set(FIELDS)
    return SEPARATOR.join(values.get(name, "") for name in FIELDS)


def only(text: str) -> Frame:
    (found,) = frames([text])
    return found


def many(*values: str) -> str:
    return AGGREGATOR.join(values)


def test_a_line_with_too_few_fields_is_an_error_that_gives_both_numbers() -> None:
    with pytest.raises(DissectionError, match=f"line 2: expected {len(FIELDS)} fields, found 3"):
        list(frames([line(), "a\tb\tc"]))


def test_a_field_that_cannot_be_read_is_an_error_that_names_the_frame() -> None:
    with pytest.raises(DissectionError, match="line 1, frame 7"):
        list(frames([line(frame__number="7", frame__len="many")]))


def test_times_keep_their_nanoseconds() -> None:
    assert nanoseconds("1795399831.443957001") == 1795399831443957001
    assert nanoseconds("5") == 5_000_000_000
    assert nanoseconds("0.1") == 100_000_000


def test_tsharks_escapes_are_undone() -> None:
    assert unescaped(r"Host: a\r\n") == "Host: a\r\n"
    assert unescaped(r"C:\\new") == r"C:\new"
    assert unescaped("plain") == "plain"


def test_an_interface_without_a_name_stands_for_itself() -> None:
    assert only(line()).link == "link"
    assert only(line(frame__interface_name="eth0")).link == "eth0"


def test_an_icmp_errors_quoted_packet_is_not_its_own() -> None:
    quoted = line(ip__src=many("10.0.0.1", "10.0.0.9"), icmp__type="11", icmp__code="0", udp__stream="3", dns__id="0x1")
    found = only(quoted)
    assert (found.source, found.udp, found.dns) == ("10.0.0.1", None, None)
    assert found.icmp is not None


def test_a_packet_in_a_packet_is_typed_whole_and_is_its_outer_ones_connection() -> None:
    fields = {
        "frame__cap_len": "60",
        "ip__src": many("10.0.0.1", "10.0.0.2"),
        "tcp__stream": many("7", "8"),
        "tcp__srcport": many("1", "2"),
        "tcp__flags": many("0x0010", "0x0010"),
    }
    (found,) = frames_and_glimpses([line(**fields)], lambda *_: False)
    assert isinstance(found, Frame)
    assert found.tcp is not None
    assert found.tcp.stream == 7
    plain = {name: value.split(AGGREGATOR)[0] for name, value in fields.items()}
    (seen,) = frames_and_glimpses([line(**plain)], lambda *_: False)
    assert isinstance(seen, Glimpse)
    assert seen.stream == 7


def test_two_http2_requests_in_one_frame_are_told_apart() -> None:
    found = only(
        line(
            http2__streamid=many("1", "3"),
            http2__type=many("1", "1"),
            http2__header__name=many(":method", ":path", "accept", ":method", ":path"),
            http2__header__value=many("GET", "/a, b", "*/*", "HEAD", "/c"),
        )
    )
    assert [(m.stream, m.method, m.path) for m in found.http] == [(1, "GET", "/a, b"), (3, "HEAD", "/c")]
    assert found.http[0].headers == (("accept", "*/*"),)


def test_resource_records_are_divided_by_the_counts_and_opt_has_no_ttl() -> None:
    found = only(
        line(
            dns__id="0x1234",
            dns__flags__response="True",
            dns__qry__name="example.in",
            dns__qry__type="1",
            dns__count__answers="2",
            dns__count__auth_rr="1",
            dns__resp__name=many("example.in", "www.example.in", "in", "<Root>"),
            dns__resp__type=many("5", "1", "2", "41"),
            dns__resp__ttl=many("300", "60", "900"),
            dns__cname="www.example.in",
            dns__a="192.0.2.1",
            dns__ns="ns.in",
        )
    ).dns
    assert found is not None
    assert [(r.type, r.ttl, r.data) for r in found.answers] == [
        ("CNAME", 300, "www.example.in"),
        ("A", 60, "192.0.2.1"),
    ]
    assert [(r.type, r.ttl, r.data) for r in found.authorities] == [("NS", 900, "ns.in")]
    assert [(r.type, r.ttl) for r in found.additionals] == [("OPT", 0)]


def test_records_keep_what_the_header_says_apart_from_what_they_held() -> None:
    lengths = many("1", "69")
    types = many("20", "22")
    decrypted = only(
        line(tls__record__content_type=types, tls__record__opaque_type="23", tls__record__length=lengths)
    ).tls
    closed = only(line(tls__record__opaque_type=many("23", "23"), tls__record__length=lengths)).tls
    assert decrypted is not None
    assert closed is not None
    assert [(r.type, r.inner_type) for r in decrypted.records] == [(20, 20), (23, 22)]
    assert [(r.type, r.inner_type) for r in closed.records] == [(23, None), (23, None)]


def test_an_unknown_protocol_stays_visible() -> None:
    found = only(line(frame__protocols="eth:ethertype:lldp", _ws__col__info="MA/00 PC/01"))
    assert (found.protocols, found.info) == ("eth:ethertype:lldp", "MA/00 PC/01")


def test_a_golden_visit_holds_one_request_and_one_response_on_each_link(any_visit: Golden) -> None:
    front = {"1.1": HttpVersion.HTTP_1, "2": HttpVersion.HTTP_2, "3": HttpVersion.HTTP_3}[any_visit.visit.http]
    for link in ("home", "internet", "edge"):
        found = [m for f in any_visit.frames if f.link == link for m in f.http]
        assert [(m.version, m.method, m.path, m.status) for m in found] == [
            (front, "GET", "/", None),
            (front, None, None, 200),
        ]


def test_each_http2_frame_has_its_stream() -> None:
    told = [f for f in golden("2").frames if f.http2_frame_types]
    assert told and all(len(f.http2_frame_types) == len(f.http2_stream_ids) for f in told)
    assert {stream for f in told for stream in f.http2_stream_ids} == {0, 1}


def test_each_quic_stream_frame_has_its_place_in_the_stream() -> None:
    sent = [f for f in golden("3").frames if f.link == "home" and f.quic and f.source.endswith(".3.10")]
    data = [d for f in sent if f.quic for d in f.quic.stream_data if d.stream == 0]
    assert data and data[0].offset == 0 and data[-1].last
    for before, after in pairwise(data):
        assert before.length is not None and before.offset + before.length == after.offset


def test_selective_acknowledgments_are_as_on_the_wire() -> None:
    left, right = many("11", "201"), many("21", "301")
    told = {"tcp__stream": "0", "tcp__ack_raw": str(2**32 - 100), "tcp__ack": "1"}
    found = only(line(**told, tcp__options__sack_le=left, tcp__options__sack_re=right))
    assert found.tcp is not None
    assert found.tcp.selective_acknowledgments == ((2**32 - 90, 2**32 - 80), (100, 200))


def test_headers_belong_to_the_stream_they_came_on_not_to_one_that_ends_in_the_same_datagram() -> None:
    found = only(
        line(
            udp__stream="0",
            quic__connection__number="0",
            quic__stream__stream_id=many("8", "0"),
            quic__frame_type=many("0x0f", "0x0a"),
            _ws__col__info="Protected Payload (KP0), PKN: 10, STREAM(8), DATA, STREAM(0), HEADERS: 200 OK",
            http3__header__header__name=many(":status", "server"),
            http3__headers__header__value=many("200", "x"),
        )
    )
    assert [(message.stream, message.status) for message in found.http] == [(0, 200)]
