"""Bad questions to the name servers are answered by the book. What good ones show is in claims/test_resolution.py."""

from __future__ import annotations

import pytest
from dnslib import QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord

from live_lab import Lab, Visited

NAME = "parseltongue.co.in"
SERVERS = ("resolver", "ns-root", "ns-in", "ns-site")


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
