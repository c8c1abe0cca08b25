"""Faults as JSON."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given

from faults_in_general import faults
from hostkit.agent import BadRequest
from middlebox.faults import EVERY, Delay, Drop, Endpoint, Fault, Flip, Lose, Match, Positions
from middlebox.hosts import Hosts
from middlebox.notation import read_faults, write_fault
from middlebox.units import Unit

BALANCER = {"address": "10.77.3.10", "port": 443}
MATCH = Match(Unit.DATA_SEGMENT, Endpoint(IPv4Address("10.77.3.10"), 443))
HOSTS = Hosts({"balancer": IPv4Address("10.77.3.10")})


def fault(**parts: Any) -> Fault:
    (found,) = read_faults({"faults": [parts]}, HOSTS)
    return found


def test_each_kind_is_read() -> None:
    match = {"unit": "data segment", "from": BALANCER}

    assert fault(kind="drop", first=3, match=match) == Drop(MATCH, Positions(3, 1))
    assert fault(kind="drop", count=None, match=match) == Drop(MATCH, EVERY)
    assert fault(kind="lose", percent=2.5, seed=7, match=match) == Lose(MATCH, 2.5, 7)
    assert fault(kind="delay", delay_ms=0.25, match=match) == Delay(MATCH, 250_000)
    assert fault(kind="flip", offset=20, mask=1, match=match) == Flip(MATCH, Positions(1), offset=20, mask=1)


def test_without_a_match_every_packet_matches() -> None:
    assert fault(kind="drop") == Drop(Match())


@given(faults())
def test_what_is_written_reads_back_the_same(written: Fault) -> None:
    assert read_faults({"faults": [json.loads(json.dumps(write_fault(written)))]}, HOSTS) == (written,)


def test_a_sentence_may_stand_in_an_objects_place() -> None:
    asked = {"faults": ["drop the 2nd datagram", {"kind": "drop"}]}

    assert read_faults(asked, HOSTS) == (Drop(Match(Unit.DATAGRAM), Positions(2)), Drop(Match()))


@pytest.mark.parametrize(
    ("entry", "because"),
    [
        (7, r"faults\[0\]: expected an object, found int"),
        ("drop", "drop ><: expected"),
        ({}, r"faults\[0\].kind: expected drop, lose, .* or replace, found None"),
        ({"kind": "flop"}, "found 'flop'"),
        ({"kind": ["drop"]}, r"found \['drop'\]"),
        ({"kind": "drop", "first": 0}, r"faults\[0\].first: expected a whole number from 1 to \d+, found 0"),
        ({"kind": "drop", "first": 1.5}, "found 1.5"),
        ({"kind": "drop", "first": True}, "found True"),
        ({"kind": "drop", "percent": 1}, "unknown 'percent'; known: count, first, kind, match"),
        ({"kind": "lose"}, "percent: expected a number from 0 to 100, found None"),
        ({"kind": "lose", "percent": 101}, "percent: expected"),
        ({"kind": "lose", "percent": float("nan")}, "percent: expected"),
        ({"kind": "delay", "delay_ms": -1}, "delay_ms: expected"),
        ({"kind": "flip", "offset": None}, "offset: expected a whole number from -65507 to 65507, found None"),
        (
            {"kind": "replace", "old": "a", "new": "bb"},
            "new: expected as many bytes as old has, at least one: 1, found 2",
        ),
        ({"kind": "flip", "offset": 0, "mask": 0}, "mask: expected a whole number from 1 to 255"),
        ({"kind": "drop", "match": []}, r"faults\[0\].match: expected an object"),
        ({"kind": "drop", "match": {"unit": "ping"}}, "unit: expected packet, .*, found 'ping'"),
        (
            {"kind": "drop", "match": {"source": {}}},
            "unknown 'source'; known: both_ways, from, to, unit",
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
        read_faults({"faults": [entry]}, HOSTS)


def test_the_second_fault_is_named_as_such() -> None:
    with pytest.raises(BadRequest, match=r"faults\[1\].kind"):
        read_faults({"faults": [{"kind": "drop"}, {"kind": "flop"}]}, HOSTS)


@pytest.mark.parametrize("request_body", [{}, {"faults": {}}, {"faults": [], "more": 1}])
def test_a_request_without_a_list_of_faults_is_refused(request_body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"faults: expected a list|unknown 'more'"):
        read_faults(request_body, HOSTS)


def test_no_fault_is_fine() -> None:
    assert read_faults({"faults": []}, HOSTS) == ()
