"""From records to the octets of an answer: case, EDNS, truncation (RFC 1035 4.1, 2181 9, 6891)."""

from __future__ import annotations

from dnslib import CNAME, EDNS0, TXT, A, DNSRecord

from hostkit.dns_query import Query, Rcode, Type, judge, name_from_text
from hostkit.dns_reply import LARGEST_MESSAGE, Reply, RRset, minimal_any, pack

WWW = name_from_text("www.parseltongue.co.in.")
ADDRESS = RRset(WWW, Type.A, 300, (A("192.0.2.1"),))


def query(name: str = "www.parseltongue.co.in", *, edns: int | None = None) -> Query:
    record = DNSRecord.question(name, "A")
    if edns is not None:
        record.add_ar(EDNS0(udp_len=edns))
    read = judge(bytes(record.pack()))
    assert isinstance(read, Query)
    return read


def long_reply(octets: int) -> Reply:
    return Reply(Rcode.NOERROR, (RRset(WWW, 16, 300, tuple(TXT("x" * 249) for _ in range(octets // 260))),))


def test_the_answer_has_the_query_s_id_and_question_and_the_records() -> None:
    asked = query()
    answer = DNSRecord.parse(pack(asked, Reply(Rcode.NOERROR, (ADDRESS,), authoritative=True), 512))
    assert answer.header.id == asked.id
    assert (answer.header.aa, answer.header.rd, answer.header.ra, answer.header.tc) == (1, 1, 0, 0)
    assert [(str(rr.rname), rr.ttl, str(rr.rdata)) for rr in answer.rr] == [
        ("www.parseltongue.co.in.", 300, "192.0.2.1")
    ]


def test_the_requestor_s_spelling_comes_back_in_question_and_owner_name() -> None:
    answer = DNSRecord.parse(pack(query("wWw.ParselTongue.CO.in"), Reply(Rcode.NOERROR, (ADDRESS,)), 512))
    assert str(answer.q.qname) == "wWw.ParselTongue.CO.in."
    assert str(answer.rr[0].rname) == "wWw.ParselTongue.CO.in."


def test_the_alias_s_target_can_be_read_whatever_the_spelling() -> None:
    alias = RRset(WWW, Type.CNAME, 300, (CNAME("parseltongue.co.in."),))
    answer = DNSRecord.parse(pack(query("WWW.parseltongue.co.in"), Reply(Rcode.NOERROR, (alias,)), 512))
    assert answer.rr[0].rdata.label == "parseltongue.co.in."


def test_opt_is_in_the_answer_if_and_only_if_it_was_in_the_query() -> None:
    reply = Reply(Rcode.NOERROR, (ADDRESS,))
    assert DNSRecord.parse(pack(query(), reply, 512)).ar == []
    (opt,) = DNSRecord.parse(pack(query(edns=4096), reply, 1232)).ar
    assert (opt.rtype, opt.edns_len, opt.edns_ver) == (Type.OPT, 1232, 0)


def test_what_does_not_fit_is_left_out_and_tc_says_so() -> None:
    asked = query(edns=1232)
    whole = pack(asked, long_reply(1500), LARGEST_MESSAGE)
    assert len(whole) > 1232
    cut = pack(asked, long_reply(1500), asked.udp_limit)
    answer = DNSRecord.parse(cut)
    assert (answer.header.tc, answer.header.rcode, answer.rr) == (1, Rcode.NOERROR, [])
    assert answer.q.qname == "www.parseltongue.co.in."
    assert len(answer.ar) == 1


def test_an_answer_of_exactly_the_limit_is_not_cut() -> None:
    asked = query()
    size = len(pack(asked, long_reply(500), LARGEST_MESSAGE))
    assert DNSRecord.parse(pack(asked, long_reply(500), size)).header.tc == 0
    assert DNSRecord.parse(pack(asked, long_reply(500), size - 1)).header.tc == 1


def test_an_answer_beyond_the_reach_of_compression_pointers_is_servfail() -> None:
    answer = DNSRecord.parse(pack(query(), long_reply(20000), LARGEST_MESSAGE))
    assert (answer.header.rcode, answer.rr) == (Rcode.SERVFAIL, [])


def test_any_is_answered_with_hinfo_that_names_its_rfc() -> None:
    answer = DNSRecord.parse(pack(query(), Reply(Rcode.NOERROR, (minimal_any(WWW),)), 512))
    assert answer.rr[0].rdata.data == b"\x07RFC8482\x00"
