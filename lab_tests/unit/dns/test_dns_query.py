"""What a server makes of any octets before it looks for an answer (RFC 1035 4.1, 6891, 9619)."""

from __future__ import annotations

import struct

import pytest
from dnslib import EDNS0, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from hostkit import dns_query
from hostkit.dns_query import Edns, Query, Rcode, judge

PLAIN = bytes(DNSRecord.question("WWW.Parseltongue.co.in", "A").pack())


def with_edns(**options: int) -> bytes:
    record = DNSRecord.question("parseltongue.co.in", "A")
    record.add_ar(EDNS0(**{"udp_len": 4096, **options}))
    return bytes(record.pack())


def header(wire: bytes | None) -> tuple[int, int]:
    """ID and RCODE of an answer."""
    assert wire is not None
    identifier, flags = struct.unpack_from("!HH", wire)
    assert flags & dns_query.QR
    return identifier, flags & 0xF


def rejection(wire: bytes) -> bytes:
    verdict = judge(wire)
    assert isinstance(verdict, bytes)
    return verdict


def patched(wire: bytes, offset: int, *octets: int) -> bytes:
    return wire[:offset] + bytes(octets) + wire[offset + len(octets) :]


def test_a_query_is_read_with_its_name_in_lower_case_and_its_question_as_sent() -> None:
    query = judge(PLAIN)
    assert isinstance(query, Query)
    assert query.name == (b"www", b"parseltongue", b"co", b"in")
    assert query.question == PLAIN[12:]
    assert (query.rtype, query.rclass, query.edns) == (1, 1, None)
    assert query.recursion_desired


def test_the_root_is_a_name_without_labels() -> None:
    query = judge(bytes(DNSRecord.question(".", "NS").pack()))
    assert isinstance(query, Query)
    assert query.name == ()


def test_an_opt_record_tells_payload_size_and_do_bit() -> None:
    query = judge(with_edns(udp_len=1400))
    assert isinstance(query, Query)
    assert query.edns == Edns(payload=1400, dnssec_ok=False)


@pytest.mark.parametrize(("announced", "limit"), [(0, 512), (512, 512), (1000, 1000), (4096, 1232), (65535, 1232)])
def test_an_answer_over_udp_has_512_to_1232_octets_as_the_requestor_can_take(announced: int, limit: int) -> None:
    query = judge(with_edns(udp_len=announced))
    assert isinstance(query, Query)
    assert query.udp_limit == limit


def test_without_edns_an_answer_over_udp_has_512_octets() -> None:
    query = judge(PLAIN)
    assert isinstance(query, Query)
    assert query.udp_limit == 512


@pytest.mark.parametrize("size", range(12))
def test_less_than_a_header_goes_unanswered(size: int) -> None:
    assert judge(PLAIN[:size]) is None


def test_a_response_goes_unanswered() -> None:
    assert judge(patched(PLAIN, 2, PLAIN[2] | 0x80)) is None


@pytest.mark.parametrize("size", range(12, len(PLAIN)))
def test_every_cut_of_a_query_is_a_format_error_with_its_id(size: int) -> None:
    assert header(rejection(PLAIN[:size])) == (struct.unpack("!H", PLAIN[:2])[0], Rcode.FORMERR)


@pytest.mark.parametrize("size", range(len(PLAIN), len(PLAIN) + 11))
def test_a_query_whose_opt_record_is_cut_is_a_format_error(size: int) -> None:
    wire = PLAIN[:10] + b"\x00\x01" + PLAIN[12:] + struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
    assert isinstance(judge(wire), Query)
    assert header(rejection(wire[:size]))[1] == Rcode.FORMERR


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_an_opcode_that_is_not_query_is_not_implemented(opcode: int) -> None:
    answer = rejection(patched(PLAIN, 2, opcode << 3))
    assert header(answer)[1] == Rcode.NOTIMP
    assert answer[2] >> 3 & 0xF == opcode


@pytest.mark.parametrize("questions", [0, 2, 65535])
def test_anything_but_one_question_is_a_format_error(questions: int) -> None:
    assert header(rejection(patched(PLAIN, 4, *questions.to_bytes(2, "big"))))[1] == Rcode.FORMERR


@pytest.mark.parametrize("length", [0x40, 0x80, 0xC0, 0xFF])
def test_a_question_with_a_pointer_or_a_reserved_label_is_a_format_error(length: int) -> None:
    assert header(rejection(patched(PLAIN, 12, length)))[1] == Rcode.FORMERR


def test_a_name_may_have_255_octets_and_no_more() -> None:
    def query_for(*lengths: int) -> bytes:
        name = b"".join(bytes((length,)) + b"a" * length for length in lengths) + b"\x00"
        return PLAIN[:12] + name + b"\x00\x01\x00\x01"

    assert isinstance(judge(query_for(63, 63, 63, 61)), Query)
    assert header(rejection(query_for(63, 63, 63, 62)))[1] == Rcode.FORMERR


def test_an_unknown_edns_version_is_answered_with_badvers_and_version_0() -> None:
    answer = DNSRecord.parse(rejection(with_edns(version=1)))
    opt = answer.ar[0]
    assert answer.header.rcode | opt.edns_rcode << 4 == Rcode.BADVERS
    assert opt.edns_ver == 0
    assert str(answer.q.qname) == "parseltongue.co.in."


def test_two_opt_records_are_a_format_error() -> None:
    record = DNSRecord.question("parseltongue.co.in", "A")
    record.add_ar(EDNS0(udp_len=1232), EDNS0(udp_len=1232))
    assert header(rejection(bytes(record.pack())))[1] == Rcode.FORMERR


def test_an_opt_record_with_a_name_is_a_format_error() -> None:
    record = DNSRecord.question("parseltongue.co.in", "A")
    record.add_ar(EDNS0("parseltongue.co.in", udp_len=1232))
    assert header(rejection(bytes(record.pack())))[1] == Rcode.FORMERR


def test_an_opt_record_among_the_answers_is_a_format_error() -> None:
    record = DNSRecord.question("parseltongue.co.in", "A")
    record.add_answer(EDNS0(udp_len=1232))
    assert header(rejection(bytes(record.pack())))[1] == Rcode.FORMERR


def test_an_error_echoes_the_question_and_has_opt_only_when_asked() -> None:
    for wire, additional in ((PLAIN, 0), (with_edns(), 1)):
        query = judge(wire)
        assert isinstance(query, Query)
        answer = dns_query.error(query, Rcode.REFUSED, recursion_available=True)
        assert answer[12 : 12 + len(query.question)] == query.question
        parsed = DNSRecord.parse(answer)
        assert (parsed.header.rcode, parsed.header.ra, len(parsed.ar)) == (Rcode.REFUSED, 1, additional)


def test_the_do_bit_is_copied_into_the_answer() -> None:
    record = DNSRecord.question("parseltongue.co.in", "A")
    record.add_ar(EDNS0(udp_len=1232, flags="do"))
    query = judge(bytes(record.pack()))
    assert isinstance(query, Query)
    assert query.edns == Edns(1232, dnssec_ok=True)
    assert DNSRecord.parse(dns_query.error(query, Rcode.REFUSED)).ar[0].edns_do == 1


def test_ttls_are_found_in_all_sections_but_not_that_of_opt() -> None:
    record = DNSRecord.parse(PLAIN).reply()
    record.add_answer(RR("www.parseltongue.co.in", ttl=111, rdata=A("192.0.2.1")))
    record.add_ar(RR("ns1.parseltongue.co.in", ttl=222, rdata=A("192.0.2.2")), EDNS0(udp_len=1232))
    wire = bytes(record.pack())
    assert [struct.unpack_from("!I", wire, at)[0] for at in dns_query.ttl_offsets(wire)] == [111, 222]


def test_a_message_that_ends_before_its_records_has_no_ttls_to_find() -> None:
    record = DNSRecord.parse(PLAIN).reply()
    record.add_answer(RR("www.parseltongue.co.in", ttl=111, rdata=A("192.0.2.1")))
    with pytest.raises(dns_query.MalformedMessage, match="RDLENGTH 4"):
        dns_query.ttl_offsets(bytes(record.pack())[:-1])


@pytest.mark.parametrize(
    ("name", "zone", "below"),
    [
        ("a.b.", "b.", True),
        ("b.", "b.", True),
        ("a.b.", ".", True),
        (".", ".", True),
        ("ab.", "b.", False),
        ("b.", "a.b.", False),
    ],
)
def test_a_name_is_below_a_zone_label_by_label(name: str, zone: str, below: bool) -> None:
    assert dns_query.is_below(dns_query.name_from_text(name), dns_query.name_from_text(zone)) is below


def test_a_name_is_written_with_its_odd_octets_escaped() -> None:
    assert dns_query.name_to_text((b"a.b", b"\x00\xff", b"in")) == "a\\.b.\\000\\255.in."
    assert dns_query.name_to_text(()) == "."


@given(st.binary(max_size=600))
def test_no_octets_at_all_make_a_server_raise(wire: bytes) -> None:
    assert isinstance(judge(wire), Query | bytes | None)


@given(st.binary(max_size=100), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_nor_do_octets_behind_a_good_header(tail: bytes, answers: int, authorities: int, additionals: int) -> None:
    wire = struct.pack("!HHHHHH", 7, 0x100, 1, answers, authorities, additionals) + tail
    verdict = judge(wire)
    assert isinstance(verdict, Query) or header(verdict)[0] == 7


@given(st.integers(0, len(with_edns()) - 1), st.integers(0, 255))
def test_nor_does_a_query_with_one_octet_changed(offset: int, octet: int) -> None:
    assert isinstance(judge(patched(with_edns(), offset, octet)), Query | bytes | None)
