"""A packet in a packet is told as the one inside, and an ICMP error as itself, not as what it quotes."""

from __future__ import annotations

import pytest

from observer.dissect import AGGREGATOR, FIELDS, SEPARATOR, Glimpse, frames, frames_and_glimpses
from observer.messages import Frame, UdpDatagram
from observer.oddities import Oddities

OUTER, INNER = ("192.0.2.1", "192.0.2.2"), ("10.0.0.1", "10.0.0.2")
OUTER6, INNER6 = ("2001:db8::1", "2001:db8::2"), ("fd00::1", "fd00::2")
VXLAN = {"udp.stream": "0", "udp.srcport": "55555", "udp.dstport": "4789", "udp.length": "90", "udp.checksum": "0x0"}
TCP = {"tcp.stream": "7", "tcp.srcport": "40000", "tcp.dstport": "80", "tcp.flags": "0x0010", "tcp.len": "20"}


def line(protocols: str, *fields: dict[str, str]) -> str:
    """One line as tshark prints it; a field that several of `fields` have occurs several times."""
    values = {"frame.number": "1", "frame.time_epoch": "1.5", "frame.len": "60", "frame.cap_len": "60"}
    found: dict[str, list[str]] = {"frame.protocols": [protocols]}
    for layer in fields:
        for name, value in layer.items():
            found.setdefault(name, []).append(value)
    values |= {name: AGGREGATOR.join(several) for name, several in found.items()}
    assert set(values) <= set(FIELDS), set(values) - set(FIELDS)
    return SEPARATOR.join(values.get(name, "") for name in FIELDS)


def only(protocols: str, *fields: dict[str, str]) -> Frame:
    (found,) = frames([line(protocols, *fields)])
    return found


def ip(ends: tuple[str, str], ttl: int = 64, identification: int = 1) -> dict[str, str]:
    return {"ip.src": ends[0], "ip.dst": ends[1], "ip.ttl": str(ttl), "ip.id": hex(identification)}


def ipv6(ends: tuple[str, str], hops: int = 64) -> dict[str, str]:
    return {"ipv6.src": ends[0], "ipv6.dst": ends[1], "ipv6.hlim": str(hops)}


@pytest.mark.parametrize(
    ("protocols", "around", "inside", "expected"),
    [
        ("eth:ethertype:ip:gre:ip:tcp", ip(OUTER, 9, 9), ip(INNER, 63, 5), (*INNER, 63, 5)),
        ("eth:ethertype:ip:ipv6:tcp", ip(OUTER, 9, 9), ipv6(INNER6, 61), (*INNER6, 61, None)),
        ("eth:ethertype:ipv6:ip:tcp", ipv6(OUTER6, 9), ip(INNER, 62, 5), (*INNER, 62, 5)),
        ("eth:ethertype:ipv6:ipv6:tcp", ipv6(OUTER6, 9), ipv6(INNER6, 61), (*INNER6, 61, None)),
    ],
    ids=["GRE", "6in4", "4in6", "6in6"],
)
def test_addresses_and_ports_are_those_of_the_same_packet(
    protocols: str, around: dict[str, str], inside: dict[str, str], expected: tuple[str | int | None, ...]
) -> None:
    found = only(protocols, around, inside, TCP)
    assert (found.source, found.destination, found.ttl, found.identification) == expected
    assert found.tcp and found.tcp.source_port == 40000


@pytest.mark.parametrize("around", [ip(OUTER), ipv6(OUTER6)], ids=["over-IPv4", "over-IPv6"])
def test_tcp_in_a_datagram_is_tcp(around: dict[str, str]) -> None:
    version = "ip" if "ip.src" in around else "ipv6"
    found = only(f"eth:ethertype:{version}:udp:vxlan:eth:ethertype:ip:tcp", around, VXLAN, ip(INNER), TCP)
    assert (found.source, found.destination, found.udp) == (*INNER, None)
    assert found.tcp and (found.tcp.source_port, found.tcp.destination_port) == (40000, 80)


def test_a_datagram_in_a_datagram_is_the_one_inside() -> None:
    dns = {"udp.stream": "1", "udp.srcport": "5353", "udp.dstport": "53", "udp.length": "40", "udp.checksum": "0x1"}
    found = only("eth:ethertype:ip:udp:gtp:ip:udp:dns", ip(OUTER), VXLAN, ip(INNER), dns)
    assert (found.source, found.destination) == INNER
    assert found.udp == UdpDatagram(5353, 53, 40, 1)


def test_a_glimpse_has_the_sender_that_the_whole_frame_has() -> None:
    tunnels = [
        line("eth:ethertype:ip:gre:ip:tcp", ip(OUTER), ip(INNER), TCP),
        line("eth:ethertype:ip:ipv6:tcp", ip(OUTER), ipv6(INNER6), TCP),
        line("eth:ethertype:ipv6:ip:tcp", ipv6(OUTER6), ip(INNER), TCP),
        line("eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp", ip(OUTER), VXLAN, ip(INNER), TCP),
        line("eth:ethertype:ip:tcp", ip(OUTER), TCP),
        line("eth:ethertype:ipv6:tcp", ipv6(OUTER6), TCP),
    ]
    whole = [(frame.source, frame.tcp.source_port) for frame in frames(tunnels) if frame.tcp]
    seen = list(frames_and_glimpses(tunnels, lambda *_: False))
    assert [found.sender for found in seen if isinstance(found, Glimpse)] == whole
    assert [address for address, _ in whole] == [INNER[0], INNER6[0], INNER[0], INNER[0], OUTER[0], OUTER6[0]]


def test_addresses_without_a_word_of_their_layers_are_the_first() -> None:
    (found,) = frames_and_glimpses([line("", ip(OUTER), ip(INNER), TCP)], lambda *_: False)
    assert isinstance(found, Glimpse)
    assert found.sender == (OUTER[0], 40000)
    assert only("", ip(OUTER), ip(INNER), TCP).source == OUTER[0]


def test_what_tcp_carries_is_not_told_as_the_frame() -> None:
    inner = {"udp.stream": "1", "udp.srcport": "5353", "udp.dstport": "53"}
    found = only("eth:ethertype:ip:tcp:openvpn:ip:udp", ip(OUTER), TCP, ip(INNER), inner)
    assert (found.source, found.udp) == (OUTER[0], None)
    assert found.tcp and found.tcp.stream == 7


ERROR, PING = {"icmp.type": "3", "icmp.code": "3"}, {"icmp.type": "8", "icmp.code": "0", "icmp.seq": "1"}


def test_an_icmp_error_is_its_own_and_what_it_quotes_is_not() -> None:
    quoted = {"udp.stream": "1", "udp.srcport": "5353", "udp.dstport": "53"}
    found = only("eth:ethertype:ip:icmp:ip:udp", ip(OUTER), ERROR, ip(INNER), quoted)
    assert (found.source, found.destination, found.udp) == (*OUTER, None)
    assert found.icmp and found.icmp.about
    about = found.icmp.about
    assert (about.source, about.transport, about.source_port, about.destination_port) == (INNER[0], "UDP", 5353, 53)


def test_a_ping_in_a_tunnel_is_about_no_packet_and_an_error_in_one_about_what_it_quotes() -> None:
    ping = only("eth:ethertype:ip:gre:ip:icmp:data", ip(OUTER), ip(INNER), PING)
    assert (ping.source, ping.destination) == INNER
    assert ping.icmp and ping.icmp.about is None
    tunnelled = "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:ip:udp"
    quoted = {"udp.stream": "1", "udp.srcport": "5353", "udp.dstport": "53"}
    error = only(tunnelled, ip(OUTER), VXLAN, ip(INNER[::-1]), ERROR, ip(INNER), quoted)
    assert error.source == INNER[1]
    assert error.icmp and error.icmp.about
    assert (error.icmp.about.source, error.icmp.about.source_port) == (INNER[0], 5353)


def test_frames_in_a_tunnel_are_counted_and_quotations_are_not() -> None:
    oddities = Oddities()
    for number, protocols in enumerate(
        (
            "eth:ethertype:ip:tcp",
            "eth:ethertype:ip:icmp:ip:udp:dns",
            "eth:ethertype:ip:gre:ip:tcp",
            "eth:ethertype:ipv6:udp:vxlan:eth:ethertype:ip:tcp:http",
            "eth:ethertype:ipv6:icmpv6:ipv6:tcp",
            "eth:ethertype:vlan:ethertype:ipv6:ipv6.fraghdr:udp",
        ),
        start=1,
    ):
        oddities.add(Frame(number, number, "home", 60, protocols, ""))
    told = [remark for remark in oddities.told() if "tunnel" in remark]
    assert told == ["2 frames in a tunnel; addresses are those inside (first: frame 3)"]
