"""The language of faults: what each sentence asks for, and what is said of one that is none."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults_in_general import faults
from hostkit.agent import BadRequest
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
from middlebox.hosts import Hosts, from_environment
from middlebox.sentence_reader import read_sentence
from middlebox.sentence_writer import write_sentence
from middlebox.units import Unit

HOSTS = Hosts(
    {"balancer": IPv4Address("10.77.3.10"), "client": IPv4Address("10.77.2.2"), "echo": IPv4Address("10.77.3.20")}
)
BALANCER, CLIENT, ECHO = (Endpoint(address) for address in HOSTS.addresses.values())

SENTENCES: list[tuple[str, Fault]] = [
    (
        "drop the 3rd data segment from balancer to client",
        Drop(Match(Unit.DATA_SEGMENT, BALANCER, CLIENT), Positions(3)),
    ),
    ("drop the 3rd to 5th segment", Drop(Match(Unit.SEGMENT), Positions(3, 3))),
    ("drop the 3rd and 4th segment", Drop(Match(Unit.SEGMENT), Positions(3, 2))),
    ("drop the 3rd and every later segment", Drop(Match(Unit.SEGMENT), Positions(3, None))),
    ("drop every SYN to balancer", Drop(Match(Unit.SYN, destination=BALANCER), EVERY)),
    ("lose 2 % of every packet with seed 7", Lose(Match(), 2.0, 7)),
    ("lose 0.25 % of every datagram to port 443", Lose(Match(Unit.DATAGRAM, destination=Endpoint(port=443)), 0.25)),
    ("delay every packet each way by 25 ms", Delay(Match(both_ways=True), 25_000_000)),
    (
        "delay the 2nd QUIC packet between client and balancer port 443 by 0.5 ms",
        Delay(Match(Unit.QUIC_PACKET, CLIENT, Endpoint(BALANCER.address, 443), True), 500_000, Positions(2)),
    ),
    (
        "flip one byte in the 5th TLS record from balancer to client",
        Flip(Match(Unit.TLS_RECORD, BALANCER, CLIENT), Positions(5)),
    ),
    (
        "flip the byte at offset 3 in the 1st TLS record from client with mask 1",
        Flip(Match(Unit.TLS_RECORD, CLIENT), Positions(1), 3, 1),
    ),
    ("flip the 2nd last byte in the 1st datagram", Flip(Match(Unit.DATAGRAM), Positions(1), -2)),
    ("corrupt the 2nd data segment from balancer", Corrupt(Match(Unit.DATA_SEGMENT, BALANCER), Positions(2))),
    ("duplicate the 2nd datagram from client to echo", Duplicate(Match(Unit.DATAGRAM, CLIENT, ECHO), Positions(2))),
    ("swap the 2nd and 3rd data segment from balancer", Hold(Match(Unit.DATA_SEGMENT, BALANCER), 2, 1)),
    (
        "hold the 2nd packet from 192.0.2.1 until 3 more have passed",
        Hold(Match(source=Endpoint(IPv4Address("192.0.2.1"))), 2, 3),
    ),
    (
        'replace "dragons" by "\\"ha ha\\"" in every data segment from balancer port 80',
        Replace(Match(Unit.DATA_SEGMENT, Endpoint(BALANCER.address, 80)), b"dragons", b'"ha ha"'),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "fault"), SENTENCES)
def test_a_sentence_asks_for_a_fault_and_is_how_that_fault_is_written(sentence: str, fault: Fault) -> None:
    assert read_sentence(sentence, HOSTS) == fault
    assert write_sentence(fault, HOSTS) == sentence


@pytest.mark.parametrize(
    ("sentence", "plain"),
    [
        ("lose 2 % with seed 7", "lose 2 % of every packet with seed 7"),
        ("lose 2% of the data segments", "lose 2 % of every data segment"),
        ("delay 25 ms each way", "delay every packet each way by 25 ms"),
        ("delay by 25ms the third SYN to balancer", "delay the 3rd SYN to balancer by 25 ms"),
        ("Drop Every syn To Balancer", "drop every SYN to balancer"),
        ("drop first segment to client from balancer", "drop the 1st segment from balancer to client"),
        ("drop the 11th SYN ACKs between client and echo", "drop the 11th SYN ACK between client and echo"),
        ("flip the last byte in the 22nd bare ACK", "flip one byte in the 22nd bare ACK"),
        ("hold the 2nd FIN until 1 more", "swap the 2nd and 3rd FIN"),
        ('replace "a" by "b"', 'replace "a" by "b" in every data packet'),
    ],
)
def test_there_are_other_ways_to_say_it(sentence: str, plain: str) -> None:
    assert write_sentence(read_sentence(sentence, HOSTS), HOSTS) == plain


@given(faults())
def test_every_fault_has_a_sentence_that_asks_for_it(fault: Fault) -> None:
    assert read_sentence(write_sentence(fault, HOSTS), HOSTS) == fault


def told(sentence: str) -> str:
    """What is said of `sentence`: nothing if it is one."""
    try:
        read_sentence(sentence, HOSTS)
    except BadRequest as refusal:
        return str(refusal)
    return ""


@given(faults(), st.data())
def test_a_sentence_cut_short_or_with_a_word_too_many_is_told_in_one_line(fault: Fault, draw: st.DataObject) -> None:
    words = write_sentence(fault, HOSTS).split(" ")
    at = draw.draw(st.integers(min_value=0, max_value=len(words)))
    for attempt in (words[:at], [*words[:at], "nonsense", *words[at:]]):
        assert told(" ".join(attempt)).count("\n") == 0


@given(st.text())
def test_any_text_is_a_sentence_or_refused(text: str) -> None:
    assert told(text).count("\n") == 0


@pytest.mark.parametrize(
    ("sentence", "because"),
    [
        ("", "><: expected drop, lose, delay, flip, corrupt, duplicate, hold, swap or replace"),
        ("lift the 3rd segment", ">lift< the 3rd segment: expected drop, lose"),
        ("drop the segment", 'drop the >segment<: expected "every" or a position: the 1st'),
        (f"drop the {'9' * 5000}th segment", 'expected "every" or a position'),
        ("drop the 0th segment", "drop the >0th< segment: positions count from 1st"),
        ("drop the 3rd data segmint", "drop the 3rd >data< segmint: expected packet, data packet, segment"),
        ("drop the 3rd segment from balanser to client", "from >balanser< to client: expected a host whose packets"),
        ("drop the 3rd segment from origin-1", "pass the isp (balancer, client or echo), or an address"),
        ("drop the 3rd segment from", "drop the 3rd segment from ><: expected a host"),
        ("drop the 3rd segment from balancer port", "port ><: expected a port: a number from 1 to 65535"),
        ("drop the 3rd segment from balancer port 70000", ">70000<: expected a port"),
        ("drop the 3rd segment from balancer please", ">please<: expected the sentence to end here"),
        ("drop the 3rd to 3rd segment", "to >3rd< segment: expected 4th or later"),
        ("drop the 3rd and 5th segment", "and >5th< segment: expected 4th"),
        ("swap the 2nd and 4th segment", "and >4th< segment: only neighbours can be swapped: expected 3rd"),
        ("lose 2 of every packet", 'lose 2 >of< every packet: expected "%"'),
        ("lose 200 %", "lose >200< %: expected a share: a number from 0 to 100"),
        ("delay 25 s each way", 'delay 25 >s< each way: expected "ms"'),
        ("delay each way", "delay each way ><: expected a time: a number from 0 to 10000"),
        ("flip one bit in the 3rd segment", 'flip >one< bit in the 3rd segment: expected "the"'),
        ("flip one byte in the 3rd segment with mask 0", ">0<: expected a mask: a number from 1 to 255"),
        ("flip the byte at offset 1.5 in the 3rd segment", ">1.5< in the 3rd segment: expected an offset: a whole"),
        ("hold the 2nd segment", 'hold the 2nd segment ><: expected "until"'),
        ('replace "long" by "short"', '>"short"<: 5 bytes cannot take the place of 4: TCP counts them'),
        ('replace "" by ""', '>""< by "": expected the text to look for'),
        ("replace long by short", "replace >long< by short: expected a text in quotation marks"),
        ('replace "long by short', 'replace >"< long by short: expected a text in quotation marks'),
    ],
)  # fmt: skip
def test_what_is_no_sentence_has_its_first_wrong_word_marked(sentence: str, because: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_sentence(sentence, HOSTS)
    assert because in str(refusal.value)


def test_hosts_are_those_whose_packets_may_pass() -> None:
    known = from_environment(
        {
            "ADDR_CLIENT_HOME": "10.77.1.10",
            "ADDR_ROUTER_HOME": "10.77.1.1",
            "ADDR_ROUTER_INTERNET": "10.77.2.2",
            "ADDR_ISP_INTERNET": "10.77.2.1",
            "ADDR_ISP_EDGE": "10.77.3.1",
            "ADDR_NS_ROOT_INTERNET": "10.77.2.4",
            "ADDR_BALANCER_EDGE": "10.77.3.10",
            "ADDR_ORIGIN_1_BACKEND": "10.77.4.11",
            "LAB_NET": "10.77",
        }
    )

    assert {name: str(address) for name, address in known.addresses.items()} == {
        "balancer": "10.77.3.10",
        "client": "10.77.2.2",
        "ns-root": "10.77.2.4",
    }
    assert (known.name(IPv4Address("10.77.2.2")), known.name(IPv4Address("10.77.1.10"))) == ("client", None)
