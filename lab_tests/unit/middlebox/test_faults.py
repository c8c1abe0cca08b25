"""What faults do to a sequence of packets."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from middlebox.decisions import Action, Decider, Discard, Forward, Touch, Verdict, chance
from middlebox.faults import (
    EVERY,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Endpoint,
    Fault,
    Flip,
    Hold,
    Lose,
    Match,
    Positions,
    Replace,
)
from middlebox.packet import Protocol, TcpFlags, dissect, transport_checksum
from middlebox.units import Unit

BALANCER, HOME = IPv4Address("10.77.3.10"), IPv4Address("10.77.2.2")
FROM_BALANCER = Match(source=Endpoint(BALANCER, 443))


PUSH = TcpFlags.PSH | TcpFlags.ACK


def segment(
    payload: bytes = b"data",
    *,
    answer: bool = True,
    protocol: Protocol = Protocol.TCP,
    flags: TcpFlags = PUSH,
    sequence_number: int = 1,
    port: int = 51000,
) -> bytes:
    """A packet from the balancer to the home router, or (answer=False) the other way."""
    ends = [(BALANCER, 443), (HOME, port)]
    (source, source_port), (destination, destination_port) = ends if answer else reversed(ends)
    if protocol is Protocol.TCP:
        ports = (source_port, destination_port)
        transport = struct.pack("!HHIIBBHHH", *ports, sequence_number, 1, 5 << 4, flags, 500, 0, 0)
    else:
        transport = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0)
    length = 20 + len(transport) + len(payload)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 7, 0, 63, protocol, 0) + source.packed + destination.packed
    return header + transport + payload


def fates(packets: Sequence[bytes], *faults: Fault) -> list[Verdict]:
    decider = Decider(faults)
    return [decider.decide(data, dissect(data)).verdict for data in packets]


def payloads(verdicts: Sequence[Verdict]) -> list[bytes]:
    return [verdict.data[40:] for verdict in verdicts if isinstance(verdict, Forward)]


def gone(verdicts: Sequence[Verdict]) -> list[int]:
    """Positions, from 1, of the packets that were discarded."""
    return [position for position, verdict in enumerate(verdicts, 1) if verdict == Discard()]


def test_without_faults_a_packet_goes_on_unchanged() -> None:
    data = segment()

    decision = Decider().decide(data, dissect(data))

    assert decision.verdict == Forward(data)
    assert decision.touches == ()


def test_the_third_is_dropped_and_its_retransmission_passes() -> None:
    assert gone(fates([segment()] * 5, Drop(FROM_BALANCER, Positions(3)))) == [3]


def test_several_in_a_row_are_dropped_or_all_from_one_on() -> None:
    assert gone(fates([segment()] * 6, Drop(FROM_BALANCER, Positions(2, 3)))) == [2, 3, 4]
    assert gone(fates([segment()] * 6, Drop(FROM_BALANCER, Positions(4, None)))) == [4, 5, 6]


def test_only_matching_packets_are_counted() -> None:
    there, back, bare = segment(answer=False), segment(), segment(b"")

    third_data = Drop(replace(FROM_BALANCER, unit=Unit.DATA_SEGMENT), Positions(3))

    assert gone(fates([there, back, bare, there, back, bare, back], third_data)) == [7]


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        (Match(), True),
        (Match(Unit.SEGMENT), True),
        (Match(Unit.DATAGRAM), False),
        (Match(source=Endpoint(BALANCER)), True),
        (Match(source=Endpoint(port=443)), True),
        (Match(source=Endpoint(BALANCER, 80)), False),
        (Match(source=Endpoint(HOME)), False),
        (Match(destination=Endpoint(HOME, 51000)), True),
        (Match(destination=Endpoint(BALANCER)), False),
        (Match(destination=Endpoint(BALANCER), both_ways=True), True),
        (Match(Unit.DATAGRAM, destination=Endpoint(BALANCER), both_ways=True), False),
        (Match(source=Endpoint(BALANCER), destination=Endpoint(IPv4Address("10.77.2.3"))), False),
    ],
)
def test_a_match_covers_what_it_says(match: Match, covered: bool) -> None:
    assert match.covers(dissect(segment())) is covered


SYN, ACK, FIN = TcpFlags.SYN, TcpFlags.ACK, TcpFlags.FIN


@pytest.mark.parametrize(
    ("flags", "payload", "units"),
    [
        (SYN, b"", {Unit.SYN}),
        (SYN | ACK, b"", {Unit.SYN_ACK}),
        (ACK, b"", {Unit.ACK}),
        (FIN | ACK, b"", {Unit.FIN}),
        (TcpFlags.RST, b"", {Unit.RST}),
        (PUSH, b"x", {Unit.DATA_PACKET, Unit.DATA_SEGMENT, Unit.TLS_RECORD}),
        (FIN | ACK, b"x", {Unit.FIN, Unit.DATA_PACKET, Unit.DATA_SEGMENT, Unit.TLS_RECORD}),
    ],
)
def test_a_segment_is_what_its_flags_and_payload_make_it(flags: TcpFlags, payload: bytes, units: set[Unit]) -> None:
    packet = dissect(segment(payload, flags=flags))

    assert {unit for unit in Unit if unit.covers(packet)} - {Unit.PACKET, Unit.SEGMENT} == units


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


def test_one_position_alone_can_be_delayed() -> None:
    delayed = [v.delay_ns for v in fates([segment()] * 3, Delay(Match(), 5, Positions(2))) if isinstance(v, Forward)]

    assert delayed == [0, 5, 0]


def test_a_byte_is_flipped_in_the_second_packet_where_it_has_one() -> None:
    short, long = segment(b"ab"), segment(b"abcd")
    flip = Flip(FROM_BALANCER, Positions(2), offset=2, mask=0x20)

    assert payloads(fates([long, long, long], flip)) == [b"abcd", b"abCd", b"abcd"]
    assert payloads(fates([long, short, long], flip)) == [b"abcd", b"ab", b"abcd"]


def test_offsets_below_zero_count_from_the_end() -> None:
    assert payloads(fates([segment(b"abcd")], Flip(FROM_BALANCER, mask=0x20))) == [b"abcD"]
    assert payloads(fates([segment(b"abcd")], Flip(FROM_BALANCER, offset=-4, mask=0x20))) == [b"Abcd"]
    assert payloads(fates([segment(b"abcd")], Flip(FROM_BALANCER, offset=-5))) == [b"abcd"]


def test_what_is_corrupted_has_a_wrong_checksum_with_and_without_payload() -> None:
    for data in (segment(b"abcd"), segment(b"")):
        right = Decider([Flip(FROM_BALANCER)]).decide(segment(b"abcd"), dissect(segment(b"abcd"))).verdict
        wrong = Decider([Corrupt(FROM_BALANCER)]).decide(data, dissect(data)).verdict
        assert isinstance(right, Forward)
        assert isinstance(wrong, Forward)
        assert transport_checksum(right.data, dissect(right.data)) == 0
        assert transport_checksum(wrong.data, dissect(wrong.data)) != 0


def test_the_second_is_duplicated() -> None:
    copies = [
        v.copies for v in fates([segment()] * 3, Duplicate(FROM_BALANCER, Positions(2))) if isinstance(v, Forward)
    ]

    assert copies == [0, 1, 0]


def test_the_second_is_held_until_two_more_have_passed() -> None:
    decider = Decider([Hold(FROM_BALANCER, position=2, overtaken_by=2)])
    decisions = [decider.decide(segment(), dissect(segment())) for _ in range(5)]

    held = [d.verdict.held for d in decisions if isinstance(d.verdict, Forward)]
    assert held == [None, (0, None), None, None, None]
    assert [d.releases for d in decisions] == [(), (), (), ((0, None),), ()]
    assert decisions[1].touches == (Touch(0, Action.HELD),)


def test_text_is_replaced_wherever_it_stands_and_the_checksum_is_right() -> None:
    page, other = segment(b"dragons like dragons"), segment(b"nothing here")
    decider = Decider([Replace(FROM_BALANCER, b"dragons", b"hamster")])

    changed, left = (decider.decide(data, dissect(data)) for data in (page, other))

    assert isinstance(changed.verdict, Forward)
    assert changed.verdict.data[40:] == b"hamster like hamster"
    assert transport_checksum(changed.verdict.data, dissect(changed.verdict.data)) == 0
    assert (left.verdict, left.touches) == (Forward(other), ())
    assert decider.matched == (2,)


def test_what_an_earlier_fault_takes_away_a_later_one_does_not_see() -> None:
    data = segment()
    decider = Decider([Drop(FROM_BALANCER), Delay(FROM_BALANCER, 5, EVERY)])

    first = decider.decide(data, dissect(data))
    after_first = decider.matched
    second = decider.decide(data, dissect(data))

    assert (first.verdict, after_first, first.touches) == (Discard(), (1, 0), (Touch(0, Action.DROPPED),))
    assert (second.verdict, decider.matched, second.touches) == (Forward(data, 5), (2, 1), (Touch(1, Action.DELAYED),))


def test_udp_is_treated_alike() -> None:
    assert gone(fates([segment(protocol=Protocol.UDP)] * 3, Drop(Match(Unit.DATAGRAM), Positions(2)))) == [2]


def record(length: int, fill: bytes = b"x") -> bytes:
    return b"\x17\x03\x03" + length.to_bytes(2) + fill * length


def stream(*pieces: bytes, port: int = 51000, start: int = 100) -> list[bytes]:
    """A connection's SYN and its data segments from the balancer."""
    packets = [segment(b"", flags=TcpFlags.SYN | TcpFlags.ACK, sequence_number=start - 1, port=port)]
    for piece in pieces:
        packets.append(segment(piece, sequence_number=start, port=port))
        start += len(piece)
    return packets


RECORDS = replace(FROM_BALANCER, unit=Unit.TLS_RECORD)


def test_a_byte_is_flipped_in_the_third_record_of_a_segment_that_holds_four() -> None:
    verdicts = fates(stream(b"".join(record(4) for _ in range(4))), Flip(RECORDS, Positions(3), offset=5, mask=1))

    assert payloads(verdicts)[1] == record(4) * 2 + b"\x17\x03\x03\x00\x04yxxx" + record(4)


def test_a_record_over_several_segments_has_its_last_byte_in_the_last() -> None:
    whole = record(1) + record(10)
    verdicts = fates(stream(whole[:8], whole[8:12], whole[12:]), Flip(RECORDS, Positions(2), mask=1))

    assert b"".join(payloads(verdicts)) == whole[:-1] + b"y"


def test_a_dropped_record_is_the_segment_it_begins_in_and_its_retransmission_passes() -> None:
    packets = stream(record(4), record(4), record(4))

    assert gone(fates([*packets, packets[2]], Drop(RECORDS, Positions(2)))) == [3]


def test_records_are_counted_in_each_connection() -> None:
    one, other = stream(record(1), record(1)), stream(record(1), record(1), port=51001)
    packets = [packet for pair in zip(one, other, strict=True) for packet in pair]

    assert gone(fates(packets, Drop(RECORDS, Positions(2)))) == [5, 6]


def test_a_delay_of_every_record_delays_a_segment_once() -> None:
    assert fates(stream(record(1) * 3), Delay(RECORDS, 5))[1] == Forward(stream(record(1) * 3)[1], 5)


def quic(kind: int, body: bytes) -> bytes:
    token = b"\0" if kind == 0 else b""
    return bytes([0xC0 | kind << 4]) + b"\0\0\0\1" + b"\x02id" + b"\0" + token + bytes([len(body)]) + body


QUIC = replace(FROM_BALANCER, unit=Unit.QUIC_PACKET)


def test_quic_packets_in_one_datagram_are_counted_one_by_one() -> None:
    initial, handshake = quic(0, b"aaaa"), quic(2, b"bbbb")
    short = b"\x40cccc"
    packets = [segment(payload, protocol=Protocol.UDP) for payload in (initial, initial + handshake, short)]

    def changed(match: Match, position: int) -> list[bytes]:
        verdicts = fates(packets, Flip(match, Positions(position), mask=1))
        return [v.data[28:] for v in verdicts if isinstance(v, Forward)]

    assert changed(QUIC, 3) == [initial, initial + quic(2, b"bbbc"), short]
    assert changed(QUIC, 4) == [initial, initial + handshake, b"\x40cccb"]
    assert changed(replace(QUIC, unit=Unit.QUIC_INITIAL), 2) == [initial, quic(0, b"aaa`") + handshake, short]
