"""The isp attacks on request, in each way that it can, and leaves nothing behind. Claims F say what comes of it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from attack.arp import REPLY, parse
from frame_bytes import FrameBytes
from live_lab import SITE, Lab, Recording
from observer.messages import Frame

PLAIN = "http://plain.parseltongue.co.in/"
UNKNOWN_CA = 48  # RFC 8446, section 6.2
NOT_TRUSTED = 60  # curl's exit code


def impostor(scheme: str) -> dict[str, str]:
    return {"kind": "impostor", "scheme": scheme}


def on_edge(recording: Recording, port: int) -> list[Frame]:
    """Frames that the isp passed on to the balancer's port."""
    return [f for f in recording.since_begun("edge") if f.tcp and f.tcp.destination_port == port]


def questions(recording: Recording, lab: Lab) -> list[Frame]:
    """The router's DNS questions to the resolver, as frames on internet."""
    router = lab.topology.address("router", "internet")
    return [f for f in recording.on("internet") if f.dns and not f.dns.is_response and f.source == router]


def test_the_impostor_for_https_is_refused_before_any_request(lab: Lab) -> None:
    with lab.recording("an impostor for https") as recording, lab.attacks(impostor("https")) as attack:
        visit = recording.visit(SITE, http="1.1")
    with lab.recording("the same visit afterwards") as afterwards:
        honest = afterwards.visit(SITE, http="1.1")

    assert visit["exit_code"] == NOT_TRUSTED
    assert [heard.what for heard in attack.overheard] == ["handshake failed"]
    alerts = [a.description for f in recording.on("home") if f.tls for a in f.tls.alerts]
    assert UNKNOWN_CA in alerts
    assert not on_edge(recording, 443)
    assert honest["exit_code"] == 0
    assert on_edge(afterwards, 443)


def test_the_impostor_for_http_is_believed(lab: Lab) -> None:
    with lab.recording("an impostor for http") as recording, lab.attacks(impostor("http")) as attack:
        visit = recording.visit(PLAIN, http="1.1")

    assert visit["exit_code"] == 0
    assert [heard.what for heard in attack.overheard] == ["request"]
    assert "Host: plain.parseltongue.co.in" in attack.overheard[0].text
    assert not on_edge(recording, 80)
    assert [e.response.status for e in recording.exchanges("home") if e.response] == [200]


def test_stripping_keeps_https_from_the_client(lab: Lab) -> None:
    site = SITE.replace("https", "http")
    with lab.recording("a first visit, stripped") as recording, lab.attacks({"kind": "strip"}) as attack:
        visit = recording.visit(site, http="1.1")
    with lab.recording("the same visit afterwards") as afterwards:
        afterwards.visit(site, http="1.1")

    assert visit["exit_code"] == 0
    (stripped,) = recording.exchanges("home")
    assert stripped.response and stripped.response.status == 200
    assert not stripped.response.header("alt-svc")
    assert on_edge(recording, 443) and not on_edge(recording, 80)
    assert len(attack.overheard) == 1
    (honest,) = afterwards.exchanges("home")
    assert honest.response and honest.response.status == 301


def test_a_claimed_address_brings_dns_past_the_isp_and_is_given_back(lab: Lab) -> None:
    with lab.recording("the resolver's address, claimed") as recording, lab.attacks({"kind": "claim"}):
        assert recording.visit(SITE)["exit_code"] == 0
    with lab.recording("given back") as afterwards:
        assert afterwards.visit(SITE)["exit_code"] == 0

    content = FrameBytes(recording)
    packets = [(f, parse(content.of(f))) for f in recording.since_begun("internet") if ":arp" in f.protocols]
    resolver = IPv4Address(lab.topology.address("resolver", "internet"))
    told = [(f, p) for f, p in packets if p and p.sender == resolver and p.target_hardware == bytes(6)]
    claims = [p.sender_hardware.hex(":") == f.hardware_source for f, p in told]
    assert claims[0], "the first word was not the isp's claim"
    assert claims[-3:] == [False] * 3, "the router was not told the truth at the end"
    # A resolver that has to look for the router tells it the truth. So it is spared that, and truly.
    router = IPv4Address(lab.topology.address("router", "internet"))
    spared = [(f, p) for f, p in packets if p and p.operation == REPLY and (p.sender, p.target) == (router, resolver)]
    by_isp = [p.sender_hardware.hex(":") for f, p in spared if f.hardware_source == told[0][0].hardware_source]
    assert len(by_isp) == len(told)
    assert set(by_isp) == {told[0][0].hardware_destination}, "not where the router is"

    # Forwarded on the same link: each question is there twice, to the isp and from the isp.
    claimed, given_back = questions(recording, lab), questions(afterwards, lab)
    isp = {f.hardware_destination for f in claimed} - {f.hardware_destination for f in given_back}
    assert len(isp) == 1
    assert {f.hardware_source for f in claimed} > {f.hardware_source for f in given_back}
    assert len({f.hardware_destination for f in given_back}) == 1


def test_a_forged_name_leads_to_the_isp_and_others_are_answered_as_ever(lab: Lab) -> None:
    isp = lab.topology.address("isp", "internet")
    forge = {"kind": "forge", "names": {"plain.parseltongue.co.in": isp}}
    with (
        lab.recording("a forged name") as recording,
        lab.attacks(forge, impostor("http"), impostor("https")) as attack,
    ):
        plain = recording.visit(PLAIN, http="1.1")
        secure = recording.visit(PLAIN.replace("http:", "https:"), http="1.1")
        other = recording.visit("http://brief.parseltongue.co.in/", http="1.1")

    told = {f.dns.name: f.dns.answers[0].data for f in recording.on("home") if f.dns and f.dns.answers}
    assert told["plain.parseltongue.co.in"] == isp
    assert told["brief.parseltongue.co.in"] == lab.topology.address("balancer", "edge")
    assert (plain["exit_code"], secure["exit_code"], other["exit_code"]) == (0, NOT_TRUSTED, 0)
    assert [(h.by, h.what) for h in attack.overheard if h.by.startswith("impostor")] == [
        ("impostor http", "request"),
        ("impostor https", "handshake failed"),
        ("impostor http", "request"),  # the other name's page, in the balancer's place
    ]


def test_text_in_a_page_is_replaced_and_the_client_notices_nothing(lab: Lab) -> None:
    sentence = 'replace "Eight steps" by "Seven snags" in every data segment from balancer port 80'
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        visit = recording.visit(PLAIN, http="1.1")

    assert visit["exit_code"] == 0
    assert {touched.touch.action for touched in faults.touched(recording)} == {"replaced"}


def test_addresses_outside_the_lab_are_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match=r"^attacks: 93.184.216.34 lies outside the lab, \S+$"):
        lab.ask_isp("POST /attacks", {"attacks": [{"kind": "forge", "names": {"example.com": "93.184.216.34"}}]})
    assert lab.ask_isp("GET /attacks", {})["attacks"] == []
