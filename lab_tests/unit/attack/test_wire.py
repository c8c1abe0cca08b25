"""What the attacks put on the wire, and what they change on it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from dnslib import QTYPE, DNSRecord

from attack.arp import BROADCAST, REQUEST, ArpPacket, frame, parse
from attack.boundary import place
from attack.forgery import forged
from attack.orders import Claim, Forge, Impostor, Strip
from attack.redirection import NOTHING, ruleset
from attack.stripping import stripped_body, stripped_headers

HERE = place(
    {
        "LAB_NET": "10.77",
        "ADDR_ISP_INTERNET": "10.77.2.1",
        "ADDR_ROUTER_INTERNET": "10.77.2.2",
        "ADDR_RESOLVER_INTERNET": "10.77.2.53",
        "ADDR_BALANCER_EDGE": "10.77.3.10",
    }
)
NAMES = {"parseltongue.co.in": IPv4Address("10.77.2.1")}
ISP, ROUTER = bytes.fromhex("02420a4d0201"), bytes.fromhex("02420a4d0202")


def test_an_arp_packet_is_read_as_it_was_written() -> None:
    packet = ArpPacket(REQUEST, ISP, HERE.resolver, bytes(6), HERE.router)

    data = frame(packet, ISP, ROUTER)

    assert data[:14] == ROUTER + ISP + b"\x08\x06"
    assert data[14:22] == b"\x00\x01\x08\x00\x06\x04\x00\x01"  # RFC 826: Ethernet, IPv4, lengths, request
    assert parse(data) == packet


@pytest.mark.parametrize("data", [b"", bytes(60), BROADCAST + ISP + b"\x08\x06" + bytes(28)])
def test_other_frames_hold_none(data: bytes) -> None:
    assert parse(data) is None


def test_a_forged_answer_fits_its_question() -> None:
    question = DNSRecord.question("Parseltongue.co.IN")

    answer = DNSRecord.parse(forged(question.pack(), NAMES) or b"")

    assert (answer.header.id, answer.header.qr, answer.header.ra, answer.header.rd) == (question.header.id, 1, 1, 1)
    assert str(answer.q.qname) == "Parseltongue.co.IN."
    assert [(str(rr.rname), rr.rtype, str(rr.rdata)) for rr in answer.rr] == [
        ("Parseltongue.co.IN.", QTYPE.A, "10.77.2.1")
    ]


def test_another_type_of_a_forged_name_has_no_record() -> None:
    answer = DNSRecord.parse(forged(DNSRecord.question("parseltongue.co.in", "AAAA").pack(), NAMES) or b"")

    assert (answer.header.rcode, answer.rr) == (0, [])


@pytest.mark.parametrize("wire", [b"", b"\0" * 12, DNSRecord.question("www.parseltongue.co.in").pack()])
def test_the_rest_is_left_to_the_resolver(wire: bytes) -> None:
    assert forged(wire, NAMES) is None


def test_traffic_is_redirected_from_the_router_alone() -> None:
    orders = (Impostor("https"), Strip(), Forge(tuple(NAMES.items())), Claim())

    assert ruleset(orders, HERE).splitlines()[2:-1] == [
        "-A ATTACK -s 10.77.2.2 -d 10.77.3.10 -p tcp --dport 443 -j REDIRECT --to-ports 8443",
        "-A ATTACK -s 10.77.2.2 -d 10.77.2.1 -p tcp --dport 443 -j REDIRECT --to-ports 8443",
        "-A ATTACK -s 10.77.2.2 -d 10.77.3.10 -p tcp --dport 80 -j REDIRECT --to-ports 8080",
        "-A ATTACK -s 10.77.2.2 -d 10.77.2.1 -p tcp --dport 80 -j REDIRECT --to-ports 8080",
        "-A ATTACK -s 10.77.2.2 -d 10.77.2.53 -p udp --dport 53 -j REDIRECT --to-ports 5353",
    ]
    assert ruleset((), HERE) == NOTHING


def test_a_stripped_response_leads_nowhere_secure() -> None:
    headers = [
        ("Location", "https://parseltongue.co.in/login"),
        ("Strict-Transport-Security", "max-age=600"),
        ("Alt-Svc", 'h3=":443"'),
        ("Set-Cookie", "session=1; Path=/; Secure; HttpOnly"),
        ("Content-Type", "text/html"),
        ("Transfer-Encoding", "chunked"),
    ]

    assert stripped_headers(headers) == [
        ("Location", "http://parseltongue.co.in/login"),
        ("Set-Cookie", "session=1; Path=/; HttpOnly"),
        ("Content-Type", "text/html"),
    ]


def test_links_are_stripped_in_text_and_left_alone_elsewhere() -> None:
    link = b'<a href="https://parseltongue.co.in/">'

    assert stripped_body(link, "text/html; charset=utf-8") == b'<a href="http://parseltongue.co.in/">'
    assert stripped_body(link, "image/png") == link
