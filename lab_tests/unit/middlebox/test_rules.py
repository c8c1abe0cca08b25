"""The iptables lines that fetch what faults look at."""

from __future__ import annotations

from ipaddress import IPv4Address

from middlebox.faults import Delay, Drop, Endpoint, Match
from middlebox.rules import ruleset
from middlebox.units import Unit

BALANCER = Endpoint(IPv4Address("10.77.3.10"), 443)
TO_QUEUE = "-j NFQUEUE --queue-num 5 --queue-bypass"


def lines(*matches: Match) -> list[str]:
    head, chain, *rules, commit = ruleset([Delay(match, 1) for match in matches], 5).splitlines()
    assert (head, chain, commit) == ("*mangle", ":MIDDLEBOX - [0:0]", "COMMIT")
    return rules


def test_without_faults_the_chain_is_flushed_and_stays_empty() -> None:
    assert ruleset([], 5) == "*mangle\n:MIDDLEBOX - [0:0]\nCOMMIT\n"


def test_a_match_becomes_a_line() -> None:
    assert lines(Match(Unit.SEGMENT, source=BALANCER)) == [
        f"-A MIDDLEBOX -p tcp -s 10.77.3.10 --sport 443 {TO_QUEUE}",
    ]


def test_both_ways_become_two_lines() -> None:
    assert lines(Match(Unit.DATAGRAM, destination=BALANCER, both_ways=True)) == [
        f"-A MIDDLEBOX -p udp -d 10.77.3.10 --dport 443 {TO_QUEUE}",
        f"-A MIDDLEBOX -p udp -s 10.77.3.10 --sport 443 {TO_QUEUE}",
    ]


def test_any_protocol_means_tcp_and_udp_because_a_port_needs_one() -> None:
    assert lines(Match(source=Endpoint(port=53))) == [
        f"-A MIDDLEBOX -p tcp --sport 53 {TO_QUEUE}",
        f"-A MIDDLEBOX -p udp --sport 53 {TO_QUEUE}",
    ]


def test_faults_that_look_at_the_same_packets_share_their_lines() -> None:
    match = Match(Unit.SEGMENT, source=BALANCER)

    assert ruleset([Drop(match), Delay(match, 1)], 5) == ruleset([Drop(match)], 5)
