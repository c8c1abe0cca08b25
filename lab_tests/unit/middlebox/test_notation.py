"""Faults as JSON."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from hostkit.agent import BadRequest
from middlebox.faults import Delay, Drop, Endpoint, Fault, Flip, Lose, Match
from middlebox.notation import read_faults, write_fault
from middlebox.packet import Protocol

BALANCER = {"address": "10.77.3.10", "port": 443}
MATCH = Match(Protocol.TCP, Endpoint(IPv4Address("10.77.3.10"), 443), carries_data=True)


def fault(**parts: Any) -> Fault:
    (found,) = read_faults({"faults": [parts]})
    return found


def test_each_kind_is_read() -> None:
    match = {"protocol": "tcp", "from": BALANCER, "carries_data": True}

    assert fault(kind="drop", nth=3, match=match) == Drop(MATCH, nth=3, count=1)
    assert fault(kind="lose", percent=2.5, seed=7, match=match) == Lose(MATCH, 2.5, 7)
    assert fault(kind="delay", delay_ms=0.25, match=match) == Delay(MATCH, 250_000)
    assert fault(kind="flip", offset=20, mask=1, match=match) == Flip(MATCH, offset=20, nth=1, mask=1)


def test_without_a_match_every_packet_matches() -> None:
    assert fault(kind="drop") == Drop(Match())


@pytest.mark.parametrize(
    "written",
    [
        Drop(MATCH, 3, 2),
        Lose(Match(Protocol.UDP, both_ways=True), 12.5, 9),
        Delay(Match(destination=Endpoint(port=53)), 1_500_000),
        Flip(Match(source=Endpoint(IPv4Address("10.77.3.10"))), 7, 2, 0x80),
    ],
)
def test_what_is_written_reads_back_the_same(written: Fault) -> None:
    assert read_faults({"faults": [json.loads(json.dumps(write_fault(written)))]}) == (written,)


@pytest.mark.parametrize(
    ("entry", "because"),
    [
        ("drop", r"faults\[0\]: expected an object, found str"),
        ({}, r"faults\[0\].kind: expected drop, lose, delay or flip, found None"),
        ({"kind": "flop"}, "found 'flop'"),
        ({"kind": "drop", "nth": 0}, r"faults\[0\].nth: expected a whole number from 1 to \d+, found 0"),
        ({"kind": "drop", "nth": 1.5}, "found 1.5"),
        ({"kind": "drop", "nth": True}, "found True"),
        ({"kind": "drop", "percent": 1}, "unknown 'percent'; known: count, kind, match, nth"),
        ({"kind": "lose"}, "percent: expected a number from 0 to 100, found None"),
        ({"kind": "lose", "percent": 101}, "percent: expected"),
        ({"kind": "lose", "percent": float("nan")}, "percent: expected"),
        ({"kind": "delay", "delay_ms": -1}, "delay_ms: expected"),
        ({"kind": "flip"}, "offset: expected a whole number from 0 to 65507, found None"),
        ({"kind": "flip", "offset": 0, "mask": 0}, "mask: expected a whole number from 1 to 255"),
        ({"kind": "drop", "match": []}, r"faults\[0\].match: expected an object"),
        ({"kind": "drop", "match": {"protocol": "icmp"}}, "protocol: expected tcp or udp, found 'icmp'"),
        (
            {"kind": "drop", "match": {"source": {}}},
            "unknown 'source'; known: both_ways, carries_data, from, protocol, to",
        ),
        ({"kind": "drop", "match": {"from": {"address": "10.77"}}}, "match.from.address: expected an IPv4 address"),
        ({"kind": "drop", "match": {"from": {"address": 7}}}, "match.from.address: expected an IPv4 address"),
        ({"kind": "drop", "match": {"to": {"port": 0}}}, "match.to.port: expected a whole number from 1 to 65535"),
        ({"kind": "drop", "match": {"to": {"port": None}}}, "match.to.port: expected"),
        ({"kind": "drop", "match": {"both_ways": 1}}, "both_ways: expected true or false, found 1"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(entry: Any, because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        read_faults({"faults": [entry]})


def test_the_second_fault_is_named_as_such() -> None:
    with pytest.raises(BadRequest, match=r"faults\[1\].kind"):
        read_faults({"faults": [{"kind": "drop"}, {"kind": "flop"}]})


@pytest.mark.parametrize("request_body", [{}, {"faults": {}}, {"faults": [], "more": 1}])
def test_a_request_without_a_list_of_faults_is_refused(request_body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"faults: expected a list|unknown 'more'"):
        read_faults(request_body)


def test_no_fault_is_fine() -> None:
    assert read_faults({"faults": []}) == ()
