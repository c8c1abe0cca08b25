"""What faults do to a sequence of packets."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from middlebox.faults import (
    Action,
    Delay,
    Discard,
    Drop,
    Endpoint,
    Fault,
    Flip,
    Forward,
    Lose,
    Match,
    Touch,
    Verdict,
    chance,
    decide,
)
from middlebox.packet import Protocol, dissect

BALANCER, HOME = IPv4Address("10.77.3.10"), IPv4Address("10.77.2.2")
FROM_BALANCER = Match(source=Endpoint(BALANCER, 443))


def segment(payload: bytes = b"data", *, answer: bool = True, protocol: Protocol = Protocol.TCP) -> bytes:
    """A packet from the balancer to the home router, or (answer=False) the other way."""
    ends = [(BALANCER, 443), (HOME, 51000)]
    (source, source_port), (destination, destination_port) = ends if answer else reversed(ends)
    if protocol is Protocol.TCP:
        transport = struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 1, 5 << 4, 0x18, 500, 0, 0)
    else:
        transport = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0)
    length = 20 + len(transport) + len(payload)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 7, 0, 63, protocol, 0) + source.packed + destination.packed
    return header + transport + payload


def fates(packets: Sequence[bytes], *faults: Fault) -> list[Verdict]:
    matched: tuple[int, ...] = (0,) * len(faults)
    verdicts = []
    for data in packets:
        decision = decide(data, dissect(data), faults, matched)
        matched = decision.matched
        verdicts.append(decision.verdict)
    return verdicts


def gone(verdicts: Sequence[Verdict]) -> list[int]:
    """Positions, from 1, of the packets that were discarded."""
    return [position for position, verdict in enumerate(verdicts, 1) if verdict == Discard()]


def test_without_faults_a_packet_goes_on_unchanged() -> None:
    data = segment()

    decision = decide(data, dissect(data), (), ())

    assert decision.verdict == Forward(data, 0)
    assert decision.touches == ()


def test_the_third_is_dropped_and_its_retransmission_passes() -> None:
    assert gone(fates([segment()] * 5, Drop(FROM_BALANCER, nth=3))) == [3]


def test_several_in_a_row_are_dropped() -> None:
    assert gone(fates([segment()] * 6, Drop(FROM_BALANCER, nth=2, count=3))) == [2, 3, 4]


def test_only_matching_packets_are_counted() -> None:
    there, back, bare = segment(answer=False), segment(), segment(b"")

    third_data = Drop(replace(FROM_BALANCER, carries_data=True), nth=3)

    assert gone(fates([there, back, bare, there, back, bare, back], third_data)) == [7]


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        (Match(), True),
        (Match(protocol=Protocol.TCP), True),
        (Match(protocol=Protocol.UDP), False),
        (Match(source=Endpoint(BALANCER)), True),
        (Match(source=Endpoint(port=443)), True),
        (Match(source=Endpoint(BALANCER, 80)), False),
        (Match(source=Endpoint(HOME)), False),
        (Match(destination=Endpoint(HOME, 51000)), True),
        (Match(destination=Endpoint(BALANCER)), False),
        (Match(destination=Endpoint(BALANCER), both_ways=True), True),
        (Match(Protocol.UDP, destination=Endpoint(BALANCER), both_ways=True), False),
        (Match(source=Endpoint(BALANCER), destination=Endpoint(IPv4Address("10.77.2.3"))), False),
    ],
)
def test_a_match_covers_what_it_says(match: Match, covered: bool) -> None:
    assert match.covers(dissect(segment())) is covered


def test_losses_are_settled_by_the_seed() -> None:
    packets = [segment()] * 1000

    first, again, other = (gone(fates(packets, Lose(FROM_BALANCER, 10.0, seed))) for seed in (7, 7, 8))

    assert first == again
    assert first != other
    assert 70 <= len(first) <= 130


def test_nothing_and_everything_can_be_lost() -> None:
    assert gone(fates([segment()] * 50, Lose(FROM_BALANCER, 0.0))) == []
    assert len(gone(fates([segment()] * 50, Lose(FROM_BALANCER, 100.0)))) == 50


def test_chance_is_splitmix64() -> None:
    # The generator's first outputs for seed 0, as its author's program prints them.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]

    assert [int(chance(0, position) * 2**53) for position in (1, 2, 3)] == [number >> 11 for number in published]


def test_delays_add_up_and_keep_the_bytes() -> None:
    data = segment()

    assert fates([data], Delay(Match(), 3_000_000), Delay(FROM_BALANCER, 4_000_000)) == [Forward(data, 7_000_000)]


def test_a_byte_is_flipped_in_the_second_packet_that_has_it() -> None:
    short, long = segment(b"ab"), segment(b"abcd")

    verdicts = fates([long, short, long, long], Flip(FROM_BALANCER, offset=2, nth=2, mask=0x20))

    changed = [isinstance(verdict, Forward) and verdict.data != long for verdict in verdicts]
    assert changed == [False, True, True, False]
    assert verdicts[1] == Forward(short)
    assert isinstance(verdicts[2], Forward)
    assert verdicts[2].data[40:] == b"abCd"


def test_what_an_earlier_fault_takes_away_a_later_one_does_not_see() -> None:
    data = segment()
    faults = (Drop(FROM_BALANCER, nth=1), Delay(FROM_BALANCER, 5))

    first = decide(data, dissect(data), faults, (0, 0))
    second = decide(data, dissect(data), faults, first.matched)

    assert (first.verdict, first.matched, first.touches) == (Discard(), (1, 0), (Touch(0, Action.DROPPED),))
    assert (second.verdict, second.matched, second.touches) == (Forward(data, 5), (2, 1), (Touch(1, Action.DELAYED),))


def test_udp_is_treated_alike() -> None:
    assert gone(fates([segment(protocol=Protocol.UDP)] * 3, Drop(Match(Protocol.UDP), nth=2))) == [2]
