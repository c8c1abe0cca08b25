"""Which octets are the response to a query, and what they say (RFC 1035 4.1, 2181 8, 5452 9.1)."""

from __future__ import annotations

import contextlib
import struct

import pytest
from dnslib import EDNS0, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from hostkit.dns_query import Query, Rcode, judge, name_from_text
from resolver.messages import LONGEST_TTL, NotTheAnswer, Question, Response, pack_query, read_response

ID = 0x1234
QUESTION = Question(name_from_text("www.site.in."), 1)


def answered(*, ttl: int = 300) -> DNSRecord:
    record = DNSRecord.parse(pack_query(QUESTION, ID, edns=True)).reply(ra=0)
    record.add_answer(
        RR("WWW.site.in", ttl=ttl, rdata=A("192.0.2.1")), RR("www.site.in", ttl=ttl + 5, rdata=A("192.0.2.2"))
    )
    record.add_ar(EDNS0(udp_len=1232))
    return record


def wire(record: DNSRecord) -> bytes:
    return bytes(record.pack())


def test_a_query_asks_for_no_recursion_and_offers_edns() -> None:
    query = judge(pack_query(QUESTION, ID, edns=True))
    assert isinstance(query, Query)
    assert (query.id, query.flags, query.name, query.rtype) == (ID, 0, QUESTION.name, 1)
    assert query.edns is not None
    assert query.edns.payload == 1232
    plain = judge(pack_query(QUESTION, ID, edns=False))
    assert isinstance(plain, Query)
    assert plain.edns is None


def test_the_records_of_a_response_are_rrsets_with_the_smallest_ttl() -> None:
    response = read_response(wire(answered()), QUESTION, ID)
    assert (response.rcode, response.authoritative, response.truncated) == (Rcode.NOERROR, True, False)
    (rrset,) = response.answer
    assert (rrset.name, rrset.rtype, rrset.ttl) == (QUESTION.name, 1, 300)
    assert [str(address) for address in rrset.data] == ["192.0.2.1", "192.0.2.2"]
    assert response.additional == ()


@pytest.mark.parametrize(("on_the_wire", "ttl"), [(0, 0), (LONGEST_TTL + 1, LONGEST_TTL), (1 << 31, 0)])
def test_a_ttl_is_at_most_a_day_and_zero_with_its_top_bit_set(on_the_wire: int, ttl: int) -> None:
    assert read_response(wire(answered(ttl=on_the_wire)), QUESTION, ID).answer[0].ttl == ttl


def test_the_question_may_come_back_in_any_case() -> None:
    octets = wire(answered()).replace(b"\x03www\x04site", b"\x03WwW\x04SiTe", 1)
    assert read_response(octets, QUESTION, ID).answer != ()


def test_a_truncated_response_has_no_records_even_if_it_ends_amid_one() -> None:
    octets = wire(answered())
    cut = octets[:2] + bytes((octets[2] | 2,)) + octets[3:-20]
    assert read_response(cut, QUESTION, ID) == Response(Rcode.NOERROR, truncated=True)


def test_a_server_that_could_not_read_the_question_may_leave_it_out() -> None:
    for rcode in (Rcode.FORMERR, Rcode.NOTIMP):
        bare = struct.pack("!HHHHHH", ID, 0x8000 | rcode, 0, 0, 0, 0)
        assert read_response(bare, QUESTION, ID) == Response(rcode)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (wire(answered())[:11], "11 octets"),
        (wire(answered()) + bytes(16384), "octets, expected"),
        (b"\x43\x21" + wire(answered())[2:], "ID 0x4321"),
        (pack_query(QUESTION, ID, edns=True), "expected a response"),
        (wire(answered())[:2] + b"\xa0" + wire(answered())[3:], "expected a response"),
        (wire(answered()).replace(b"www", b"wwx", 1), "expected the question"),
        (wire(answered()).replace(b"\x00\x01\x00\x01", b"\x00\x10\x00\x01", 1), "expected the question"),
        (struct.pack("!HHHHHH", ID, 0x8400, 0, 0, 0, 0), "expected the question"),
        (wire(answered())[:-1], "malformed"),
        (wire(answered()).replace(b"\x00\x04\xc0\x00\x02\x01", b"\x00\x00\xc0\x00\x02\x01"), "malformed"),
    ],
)
def test_what_is_not_the_response_is_told_apart_with_its_reason(octets: bytes, why: str) -> None:
    with pytest.raises(NotTheAnswer, match=why):
        read_response(octets, QUESTION, ID)


@pytest.mark.parametrize("size", range(len(wire(answered()))))
def test_no_cut_of_a_response_is_one(size: int) -> None:
    with pytest.raises(NotTheAnswer):
        read_response(wire(answered())[:size], QUESTION, ID)


def read_or_told_apart(octets: bytes) -> None:
    with contextlib.suppress(NotTheAnswer):
        assert isinstance(read_response(octets, QUESTION, ID), Response)


@given(st.binary(max_size=300))
def test_any_octets_are_a_response_or_told_apart(octets: bytes) -> None:
    read_or_told_apart(octets)


@given(st.binary(max_size=200), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_nor_do_any_octets_behind_the_right_question_fail(
    tail: bytes, answers: int, authorities: int, more: int
) -> None:
    question = pack_query(QUESTION, ID, edns=False)[12:]
    read_or_told_apart(struct.pack("!HHHHHH", ID, 0x8400, 1, answers, authorities, more) + question + tail)


@given(st.integers(0, len(wire(answered())) - 1), st.integers(0, 255))
def test_nor_does_a_response_with_one_octet_changed(offset: int, octet: int) -> None:
    octets = wire(answered())
    read_or_told_apart(octets[:offset] + bytes((octet,)) + octets[offset + 1 :])
