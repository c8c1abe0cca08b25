"""What an authoritative server answers (RFC 1034 4.3.2, 2308, 4592, 8482)."""

from __future__ import annotations

import pytest
from dnslib import QTYPE, DNSRecord

from hostkit.dns_query import Query, Rcode, Type, judge, name_to_text
from hostkit.dns_reply import Reply, RRset, pack
from nameserver.authority import reply_to
from nameserver.zonefile import zone_from_text

EXAMPLE = """
$ORIGIN example.
$TTL 300
@           IN SOA ns hostmaster 1 2 3 4 60
@           IN NS  ns
@           IN A   192.0.2.1
ns          IN A   192.0.2.53
www         IN CNAME example.
chain       IN CNAME www
outside     IN CNAME www.elsewhere.
cousin      IN CNAME a.sibling.example.
loop        IN CNAME loop-2
loop-2      IN CNAME loop
dangling    IN CNAME nothing
into        IN CNAME a.sub
leaf.branch IN A   192.0.2.2
*.wild      IN A   192.0.2.3
*.wild      IN TXT "wild"
host.wild   IN TXT "tame"
sub         IN NS  ns.sub
sub         IN NS  ns.elsewhere.
ns.sub      IN A   192.0.2.7
sibling     IN NS  ns
"""
SIBLING = """
$ORIGIN sibling.example.
$TTL 300
@  IN SOA ns hostmaster 1 2 3 4 900
@  IN NS  ns.example.
a  IN A   192.0.2.4
"""
ROOT = """
$ORIGIN .
$TTL 60
@      IN SOA ns hostmaster 1 2 3 4 5
@      IN NS  ns
ns     IN A   192.0.2.1
in     IN NS  ns.in
ns.in  IN A   192.0.2.2
"""
ZONES = {zone.apex: zone for zone in (zone_from_text(EXAMPLE, {}), zone_from_text(SIBLING, {}))}


def asked(name: str, rtype: str = "A", rclass: str = "IN") -> Query:
    query = judge(bytes(DNSRecord.question(name, rtype, rclass).pack()))
    assert isinstance(query, Query)
    return query


def reply(name: str, rtype: str = "A", rclass: str = "IN") -> Reply:
    return reply_to(asked(name, rtype, rclass), ZONES)


def shown(section: tuple[RRset, ...]) -> list[str]:
    return [f"{name_to_text(s.name)} {s.ttl} {QTYPE[s.rtype]} {d}" for s in section for d in s.data]


SOA = "example. 60 SOA ns.example. hostmaster.example. 1 2 3 4 60"


def test_a_name_with_the_type_is_answered_with_authority() -> None:
    answer = reply("example.")
    assert shown(answer.answer) == ["example. 300 A 192.0.2.1"]
    assert answer.authoritative
    assert answer.authority == answer.additional == ()


def test_matching_minds_no_case() -> None:
    assert shown(reply("WWW.eXample.").answer) == shown(reply("www.example.").answer)


def test_a_name_without_the_type_is_no_data_with_the_soa_and_its_minimum_as_ttl() -> None:
    for rtype in ("AAAA", "HTTPS", "TXT"):
        answer = reply("example.", rtype)
        assert (answer.rcode, answer.answer, shown(answer.authority)) == (Rcode.NOERROR, (), [SOA])
        assert answer.authoritative


def test_a_name_that_is_not_there_is_nxdomain_with_the_soa() -> None:
    answer = reply("nothing.example.")
    assert (answer.rcode, answer.answer, shown(answer.authority)) == (Rcode.NXDOMAIN, (), [SOA])
    assert answer.authoritative


def test_a_name_with_only_names_below_it_is_no_data_not_nxdomain() -> None:
    answer = reply("branch.example.")
    assert (answer.rcode, shown(answer.authority)) == (Rcode.NOERROR, [SOA])


def test_an_alias_is_answered_with_what_it_stands_for() -> None:
    assert shown(reply("chain.example.").answer) == [
        "chain.example. 300 CNAME www.example.",
        "www.example. 300 CNAME example.",
        "example. 300 A 192.0.2.1",
    ]


def test_a_question_for_the_alias_itself_is_not_followed() -> None:
    assert shown(reply("chain.example.", "CNAME").answer) == ["chain.example. 300 CNAME www.example."]


def test_an_alias_into_another_zone_of_ours_is_followed() -> None:
    assert shown(reply("cousin.example.").answer)[-1] == "a.sibling.example. 300 A 192.0.2.4"


@pytest.mark.parametrize(
    ("name", "target"), [("outside.example.", "www.elsewhere."), ("into.example.", "a.sub.example.")]
)
def test_an_alias_to_what_others_serve_ends_the_answer_there(name: str, target: str) -> None:
    answer = reply(name)
    assert shown(answer.answer) == [f"{name} 300 CNAME {target}"]
    assert (answer.rcode, answer.authority, answer.authoritative) == (Rcode.NOERROR, (), True)


def test_an_alias_to_a_name_that_is_not_there_is_nxdomain_with_the_alias() -> None:
    answer = reply("dangling.example.")
    assert shown(answer.answer) == ["dangling.example. 300 CNAME nothing.example."]
    assert (answer.rcode, shown(answer.authority)) == (Rcode.NXDOMAIN, [SOA])


def test_an_alias_to_a_name_without_the_type_is_no_data_with_the_alias() -> None:
    answer = reply("www.example.", "TXT")
    assert shown(answer.answer) == ["www.example. 300 CNAME example."]
    assert (answer.rcode, shown(answer.authority)) == (Rcode.NOERROR, [SOA])


def test_aliases_that_go_round_are_shown_once() -> None:
    assert shown(reply("loop.example.").answer) == [
        "loop.example. 300 CNAME loop-2.example.",
        "loop-2.example. 300 CNAME loop.example.",
    ]


@pytest.mark.parametrize("name", ["sub.example.", "a.sub.example.", "ns.sub.example."])
def test_a_name_at_or_below_a_zone_cut_gets_a_referral_with_glue_and_without_authority(name: str) -> None:
    answer = reply(name)
    assert (answer.rcode, answer.answer, answer.authoritative) == (Rcode.NOERROR, (), False)
    assert shown(answer.authority) == ["sub.example. 300 NS ns.sub.example.", "sub.example. 300 NS ns.elsewhere."]
    assert shown(answer.additional) == ["ns.sub.example. 300 A 192.0.2.7"]


def test_a_zone_cut_to_a_zone_of_ours_is_crossed() -> None:
    assert shown(reply("a.sibling.example.").answer) == ["a.sibling.example. 300 A 192.0.2.4"]
    assert shown(reply("sibling.example.").authority) == [
        "sibling.example. 300 SOA ns.sibling.example. hostmaster.sibling.example. 1 2 3 4 900"
    ]


def test_ds_at_a_zone_cut_is_the_parent_s_to_answer() -> None:
    answer = reply("sub.example.", "DS")
    assert (answer.authoritative, shown(answer.authority)) == (True, [SOA])


def test_the_zone_s_own_name_servers_come_with_their_addresses() -> None:
    answer = reply("example.", "NS")
    assert (shown(answer.answer), answer.authoritative) == (["example. 300 NS ns.example."], True)
    assert shown(answer.additional) == ["ns.example. 300 A 192.0.2.53"]


def test_a_wildcard_stands_for_names_that_are_not_there() -> None:
    assert shown(reply("any.wild.example.").answer) == ["any.wild.example. 300 A 192.0.2.3"]
    assert shown(reply("deep.any.wild.example.").answer) == ["deep.any.wild.example. 300 A 192.0.2.3"]


def test_a_wildcard_does_not_stand_for_names_that_are_there_nor_below_them() -> None:
    assert (reply("host.wild.example.").rcode, reply("host.wild.example.").answer) == (Rcode.NOERROR, ())
    assert reply("below.host.wild.example.").rcode == Rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("name", "rtype", "rclass"),
    [
        ("elsewhere.", "A", "IN"),
        (".", "NS", "IN"),
        ("ample.", "A", "IN"),
        ("example.", "AXFR", "IN"),
        ("example.", "IXFR", "IN"),
        ("example.", "A", "CH"),
        ("example.", "A", "*"),
    ],
)
def test_what_is_not_ours_to_answer_is_refused(name: str, rtype: str, rclass: str) -> None:
    assert reply(name, rtype, rclass) == Reply(Rcode.REFUSED)


def test_any_gets_one_record_and_any_of_a_missing_name_is_nxdomain() -> None:
    assert [rrset.rtype for rrset in reply("example.", "ANY").answer] == [Type.HINFO]
    assert reply("nothing.example.", "ANY").rcode == Rcode.NXDOMAIN


def test_the_root_zone_refers_and_denies() -> None:
    zone = zone_from_text(ROOT, {})
    assert shown(reply_to(asked("a.co.in."), {(): zone}).authority) == ["in. 60 NS ns.in."]
    assert reply_to(asked("a.co.uk."), {(): zone}).rcode == Rcode.NXDOMAIN
    assert shown(reply_to(asked(".", "NS"), {(): zone}).answer) == [". 60 NS ns."]


def test_every_reply_can_be_packed_and_read_again() -> None:
    for name in ("chain.example.", "a.sub.example.", "nothing.example.", "any.wild.example."):
        answer = DNSRecord.parse(pack(asked(name), reply(name), 512))
        assert answer.q.qname == name
