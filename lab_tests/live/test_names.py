"""The resolver walks from the root, then answers from its cache; bad questions are answered by the book."""

from __future__ import annotations

import time

import pytest
from dnslib import QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord

from live_lab import Lab, Visited

NAME = "parseltongue.co.in"
SERVERS = ("resolver", "ns-root", "ns-in", "ns-site")


@pytest.fixture
def cold_resolver(lab: Lab) -> None:
    """A resolver with nothing in its cache: a new process."""
    lab.container("resolver").restart(timeout=2)
    lab.wait_until_healthy("resolver")


@pytest.mark.usefixtures("cold_resolver")
def test_a_cold_resolver_asks_the_root_then_in_then_the_site_and_a_warm_one_nobody(lab: Lab) -> None:
    cold, warm = lab.visit(), lab.visit()
    walk = [lookup for lookup in cold.step("DNS")["facts"]["walk"] if lookup["type"] == "A"]
    # ns-in serves in. and co.in.: it refers from the deeper one (RFC 1034, section 4.3.2).
    assert [(lookup["asked_of"], lookup["outcome"]) for lookup in walk] == [
        ("ns-root", "referral to in"),
        ("ns-in", f"referral to {NAME}"),
        ("ns-site", lab.topology.address("balancer", "edge")),
    ]
    assert warm.step("DNS")["facts"]["walk"] == []
    assert [f for f in warm.on("internet") if f.source == lab.topology.address("ns-site", "internet")] == []


@pytest.mark.usefixtures("cold_resolver")
def test_a_second_answer_comes_from_the_cache_with_a_lower_ttl(lab: Lab) -> None:
    question = DNSRecord.question(NAME)

    def ttl() -> int:
        reply = lab.datagram("resolver", 53, question.pack())
        assert reply is not None
        return int(DNSRecord.parse(reply).rr[0].ttl)

    first = ttl()
    assert first > 2
    # The condition is the resolver's own clock moving on by a second; it ends as soon as that shows.
    limit = time.monotonic() + 3
    while (later := ttl()) == first:
        assert time.monotonic() < limit, f"the TTL stays at {first}"
    assert later == first - 1


@pytest.mark.parametrize("host", SERVERS)
class TestBadQuestions:
    """RFC 1035 section 4.1.1, RFC 6891 section 6.1.3; each beside a good question that the same server answers."""

    @pytest.fixture(autouse=True)
    def good_question_is_answered(self, lab: Lab, host: str) -> None:
        reply = lab.datagram(host, 53, DNSRecord.question({"ns-root": "in", "ns-in": "co.in"}.get(host, NAME)).pack())
        assert reply is not None
        assert DNSRecord.parse(reply).header.rcode == RCODE.NOERROR

    def test_a_question_cut_short_is_a_format_error(self, lab: Lab, host: str) -> None:
        question = DNSRecord.question(NAME)
        reply = lab.datagram(host, 53, question.pack()[:-3])
        assert reply is not None
        header = DNSRecord.parse(reply).header
        assert (header.id, header.rcode) == (question.header.id, RCODE.FORMERR)

    def test_a_name_that_points_at_itself_is_a_format_error(self, lab: Lab, host: str) -> None:
        query = DNSHeader(id=0x1234, q=1, rd=1)
        packed = DNSRecord(query).pack()[:12] + b"\xc0\x0c\x00\x01\x00\x01"
        packed = packed[:4] + b"\x00\x01" + packed[6:]
        reply = lab.datagram(host, 53, packed)
        assert reply is not None
        assert (reply[:2], reply[3] & 0x0F) == (b"\x12\x34", RCODE.FORMERR)

    def test_an_unknown_opcode_is_not_implemented(self, lab: Lab, host: str) -> None:
        query = DNSRecord(DNSHeader(id=0x4321, opcode=2), q=DNSQuestion(NAME, QTYPE.A))
        reply = lab.datagram(host, 53, query.pack())
        assert reply is not None
        assert (reply[:2], reply[3] & 0x0F) == (b"\x43\x21", RCODE.NOTIMP)

    def test_less_than_a_header_and_answers_sent_as_questions_are_met_with_silence(self, lab: Lab, host: str) -> None:
        answer = DNSRecord(DNSHeader(id=7, qr=1), q=DNSQuestion(NAME, QTYPE.A))
        assert lab.datagram(host, 53, b"\x00\x01\x02", timeout_s=0.3) is None
        assert lab.datagram(host, 53, answer.pack(), timeout_s=0.3) is None


@pytest.mark.parametrize("host", ["ns-root", "ns-in", "ns-site"])
def test_a_name_server_refuses_what_is_not_its_zone(lab: Lab, host: str) -> None:
    foreign = {"ns-root": None, "ns-in": "example.com", "ns-site": "example.com"}[host]
    if foreign is None:
        # Everything lies under the root: what it does not delegate does not exist.
        foreign, expected = "example.com", RCODE.NXDOMAIN
    else:
        expected = RCODE.REFUSED
    reply = lab.datagram(host, 53, DNSRecord.question(foreign).pack())
    assert reply is not None
    assert DNSRecord.parse(reply).header.rcode == expected


def test_the_visit_itself_asks_the_labs_resolver_and_no_other(ordinary_visit: Visited, lab: Lab) -> None:
    asked = {f.destination for f in ordinary_visit.on("home") if f.dns and not f.dns.is_response}
    assert asked == {lab.topology.address("resolver", "internet")}
