"""Answers kept as octets: found again by what matters, told with the asker's ID and spelling, TTLs counting down."""

from __future__ import annotations

import pytest
from dnslib import CNAME, EDNS0, A, DNSRecord, EDNSOption
from hypothesis import given
from hypothesis import strategies as st

from hostkit.dns_query import Query, Rcode, Type, judge, name_from_text
from hostkit.dns_reply import Reply, RRset, pack
from resolver.packed import PackedAnswers

WWW = name_from_text("www.site.in.")
SITE = name_from_text("site.in.")
ALIAS = RRset(WWW, Type.CNAME, 300, (CNAME("site.in."),))
ADDRESS = RRset(SITE, Type.A, 20, (A("192.0.2.1"),))


class Clock:
    """Seconds, as far as they have been let pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def question(
    name: str = "www.site.in", rtype: str = "A", *, identifier: int = 1, rd: int = 1, edns: int | None = None
) -> bytes:
    record = DNSRecord.question(name, rtype)
    record.header.id = identifier
    record.header.rd = rd
    if edns is not None:
        record.add_ar(EDNS0(udp_len=edns))
    return bytes(record.pack())


def keep(packed: PackedAnswers, wire: bytes, *rrsets: RRset) -> bytes:
    query = judge(wire)
    assert isinstance(query, Query)
    answer = pack(query, Reply(Rcode.NOERROR, rrsets, recursion_available=True), 1232)
    packed.keep(wire, query, answer)
    return answer


def ttls(answer: bytes | None) -> list[int]:
    assert answer is not None
    return [record.ttl for record in DNSRecord.parse(answer).rr]


def test_the_same_question_gets_the_same_answer_within_the_same_instant() -> None:
    packed = PackedAnswers(Clock())
    wire = question()
    assert packed.answer(wire) is None
    assert keep(packed, wire, ALIAS, ADDRESS) == packed.answer(wire)


def test_the_answer_has_the_asker_s_own_id_and_spelling() -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question(), ALIAS, ADDRESS)
    wire = question("wWw.SITE.in", identifier=0xBEEF)
    answer = packed.answer(wire)
    assert answer is not None
    assert answer[:2] == b"\xbe\xef"
    assert answer[12:].startswith(wire[12:])
    parsed = DNSRecord.parse(answer)
    assert str(parsed.q.qname) == str(parsed.rr[0].rname) == "wWw.SITE.in."
    assert parsed.rr[1].rdata == A("192.0.2.1")


def test_each_ttl_counts_down_on_its_own() -> None:
    clock = Clock()
    packed = PackedAnswers(clock)
    keep(packed, question(), ALIAS, ADDRESS)
    seen = []
    for seconds in (0.0, 0.001, 0.5, 1.0, 1.5, 18.9, 19.0):
        clock.now = 1000.0 + seconds
        seen.append(ttls(packed.answer(question())))
    assert seen == [[300, 20], [299, 19], [299, 19], [299, 19], [298, 18], [281, 1], [281, 1]]


def test_an_answer_ends_with_its_first_record_and_is_forgotten() -> None:
    clock = Clock()
    packed = PackedAnswers(clock)
    keep(packed, question(), ALIAS, ADDRESS)
    clock.now += 19.001
    assert packed.answer(question()) is None
    assert len(packed) == 0


def test_answers_kept_at_different_fractions_of_a_second_count_down_each_on_its_own() -> None:
    clock = Clock()
    packed = PackedAnswers(clock)
    keep(packed, question(), ALIAS)
    clock.now += 0.4
    keep(packed, question("site.in"), ADDRESS)
    for seconds, alias, address in ((0.9, 299, 19), (1.1, 298, 19), (1.5, 298, 18)):
        clock.now = 1000.0 + seconds
        assert (ttls(packed.answer(question())), ttls(packed.answer(question("site.in")))) == ([alias], [address])


@pytest.mark.parametrize(
    "other",
    [question(rd=0), question(rtype="TXT"), question(edns=1232), question("site.in"), question("www.site.i")],
    ids=["RD", "type", "EDNS", "name", "shorter name"],
)
def test_another_question_is_another_entry(other: bytes) -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question(), ALIAS, ADDRESS)
    assert packed.answer(other) is None


def test_types_that_differ_as_letters_do_in_case_are_kept_apart() -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question(rtype="HTTPS"), ALIAS)  # 65, "A"
    assert packed.answer(question(rtype="HTTPS")) is not None
    assert packed.answer(question(rtype="TYPE97")) is None  # 97, "a"


def test_an_answer_to_a_query_with_edns_keeps_its_opt_record_as_it_is() -> None:
    clock = Clock()
    packed = PackedAnswers(clock)
    keep(packed, question(edns=1400), ALIAS)
    clock.now += 5
    answer = packed.answer(question(edns=1400))
    assert answer is not None
    (opt,) = DNSRecord.parse(answer).ar
    assert (opt.rtype, opt.edns_len, opt.ttl) == (Type.OPT, 1232, 0)


def test_a_negative_answer_is_kept_by_the_ttl_of_its_soa() -> None:
    clock = Clock()
    packed = PackedAnswers(clock)
    wire = question()
    query = judge(wire)
    assert isinstance(query, Query)
    packed.keep(wire, query, pack(query, Reply(Rcode.NXDOMAIN, authority=(ADDRESS,)), 512))
    clock.now += 3
    answer = packed.answer(wire)
    assert answer is not None
    parsed = DNSRecord.parse(answer)
    assert (parsed.header.rcode, parsed.auth[0].ttl) == (Rcode.NXDOMAIN, 17)


def test_what_has_no_ttl_or_one_of_zero_is_not_kept() -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question())
    keep(packed, question(), RRset(SITE, Type.A, 0, (A("192.0.2.1"),)))
    assert len(packed) == 0


def test_a_query_with_edns_options_or_a_zero_octet_in_its_name_is_not_kept() -> None:
    packed = PackedAnswers(Clock())
    with_cookie = DNSRecord.question("www.site.in")
    with_cookie.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(10, b"12345678")]))
    keep(packed, bytes(with_cookie.pack()), ALIAS)
    keep(packed, question().replace(b"www", b"w\x00w"), ALIAS)
    keep(packed, question() + b"trailing", ALIAS)
    assert len(packed) == 0


def test_the_oldest_goes_first_and_the_bound_holds() -> None:
    packed = PackedAnswers(Clock(), limit=2)
    for name in ("a.in", "b.in", "c.in"):
        keep(packed, question(name), ADDRESS)
    assert len(packed) == 2
    assert [packed.answer(question(name)) is not None for name in ("a.in", "b.in", "c.in")] == [False, True, True]


@given(st.binary(max_size=80))
def test_no_octets_are_answered_that_were_not_asked_before(wire: bytes) -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question(), ALIAS)
    assert packed.answer(wire) is None


@given(st.integers(0, len(question()) - 1), st.integers(0, 255))
def test_a_query_with_one_octet_changed_is_answered_only_if_it_means_the_same(offset: int, octet: int) -> None:
    packed = PackedAnswers(Clock())
    keep(packed, question(), ALIAS)
    changed = bytearray(question())
    changed[offset] = octet
    before, after = judge(question()), judge(bytes(changed))
    assert isinstance(before, Query)
    same = isinstance(after, Query) and (before.name, before.flags, before.rtype, before.rclass) == (
        (after.name, after.flags, after.rtype, after.rclass)
    )
    assert (packed.answer(bytes(changed)) is not None) == same
