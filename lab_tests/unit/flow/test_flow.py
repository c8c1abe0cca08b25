"""Frames and the flows they belong to: whole, tagged, with options, fragmented, cut short."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.flow import Endpoint, Flow, Fragment, Sighting, Transport, sighting

CLIENT, SITE = Endpoint("10.77.1.10", 40001), Endpoint("10.77.3.10", 443)
SYN, ACK, SYN_ACK, FIN_ACK = 0x02, 0x10, 0x12, 0x11
MACS = bytes.fromhex("020000000002020000000001")


def tcp(source: Endpoint, destination: Endpoint, flags: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", port(source), port(destination), 1, 0, 0x50, flags, 65535, 0, 0) + payload


def udp(source: Endpoint, destination: Endpoint, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", port(source), port(destination), 8 + len(payload), 0) + payload


def port(endpoint: Endpoint) -> int:
    assert endpoint.port is not None
    return endpoint.port


def ipv4(
    source: Endpoint, destination: Endpoint, protocol: int, payload: bytes, options: bytes = b"", fragment: int = 0x4000
) -> bytes:
    first = 0x45 + len(options) // 4
    length = 20 + len(options) + len(payload)
    addresses = socket.inet_aton(source.address) + socket.inet_aton(destination.address)
    return struct.pack(">BBHHHBBH", first, 0, length, 7, fragment, 64, protocol, 0) + addresses + options + payload


def ipv6(source: Endpoint, destination: Endpoint, next_header: int, payload: bytes) -> bytes:
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, end.address) for end in (source, destination))
    return struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + addresses + payload


def ethernet(payload: bytes, ethertype: int = 0x0800, tags: bytes = b"") -> bytes:
    return MACS + tags + ethertype.to_bytes(2, "big") + payload


def seen(frame: bytes) -> Sighting:
    found = sighting(frame)
    assert found is not None
    return found


OPENING = ethernet(ipv4(CLIENT, SITE, 6, tcp(CLIENT, SITE, SYN)))
FLOW = Flow(Transport.TCP, CLIENT, SITE)


def test_both_directions_are_one_flow() -> None:
    answer = ethernet(ipv4(SITE, CLIENT, 6, tcp(SITE, CLIENT, SYN_ACK)))
    assert seen(OPENING) == Sighting(FLOW, CLIENT, syn=True, ack=False, fragment=Fragment.WHOLE)
    assert seen(answer) == Sighting(FLOW, SITE, syn=True, ack=True, fragment=Fragment.WHOLE)


@pytest.mark.parametrize(("flags", "syn", "ack"), [(ACK, False, True), (FIN_ACK, False, True), (0x04, False, False)])
def test_only_syn_and_ack_matter(flags: int, syn: bool, ack: bool) -> None:
    found = seen(ethernet(ipv4(CLIENT, SITE, 6, tcp(CLIENT, SITE, flags, b"data"))))
    assert (found.flow, found.syn, found.ack) == (FLOW, syn, ack)


def test_udp_and_tcp_between_the_same_ports_are_two_flows() -> None:
    found = seen(ethernet(ipv4(SITE, CLIENT, 17, udp(SITE, CLIENT, bytes([0xFF] * 40)))))
    assert found == Sighting(Flow(Transport.UDP, CLIENT, SITE), SITE, syn=False, ack=False, fragment=Fragment.WHOLE)


def test_addresses_are_ordered_by_number_not_by_text() -> None:
    nine, ten = Endpoint("9.0.0.1", 2), Endpoint("10.0.0.1", 1)
    assert seen(ethernet(ipv4(ten, nine, 17, udp(ten, nine)))).flow == Flow(Transport.UDP, nine, ten)


def test_between_two_ports_of_one_host_the_lower_port_comes_first() -> None:
    low, high = Endpoint("127.0.0.1", 80), Endpoint("127.0.0.1", 40000)
    assert seen(ethernet(ipv4(high, low, 6, tcp(high, low, SYN)))).flow == Flow(Transport.TCP, low, high)


def test_ip_options_are_skipped() -> None:
    assert seen(ethernet(ipv4(CLIENT, SITE, 6, tcp(CLIENT, SITE, SYN), options=bytes(40)))) == seen(OPENING)


@pytest.mark.parametrize("tags", ["81000005", "88a80005 81000006", "9100000181000002 81000003"])
def test_vlan_tags_are_skipped(tags: str) -> None:
    assert seen(ethernet(OPENING[14:], tags=bytes.fromhex(tags))) == seen(OPENING)


def test_padding_is_no_payload() -> None:
    assert seen(OPENING + bytes(6)) == seen(OPENING)
    nothing_but_padding = ethernet(ipv4(CLIENT, SITE, 6, b"")) + bytes(26)
    assert sighting(nothing_but_padding) is None


def test_a_total_length_of_0_is_the_rest_of_the_frame() -> None:
    segmented_later = bytearray(OPENING)
    segmented_later[16:18] = b"\0\0"
    assert seen(bytes(segmented_later)) == seen(OPENING)


# ---------------------------------------------------------------- fragments


def test_a_first_fragment_shows_its_ports() -> None:
    found = seen(ethernet(ipv4(CLIENT, SITE, 17, udp(CLIENT, SITE, b"begin"), fragment=0x2000)))
    assert (found.flow, found.fragment) == (Flow(Transport.UDP, CLIENT, SITE), Fragment.FIRST)


@pytest.mark.parametrize("fragment", [0x2001, 0x0001, 0x1FFF])
def test_a_later_fragment_has_no_ports_to_show(fragment: int) -> None:
    found = seen(ethernet(ipv4(SITE, CLIENT, 6, tcp(SITE, CLIENT, SYN), fragment=fragment)))
    hosts = Endpoint(CLIENT.address, None), Endpoint(SITE.address, None)
    assert found == Sighting(Flow(Transport.TCP, *hosts), hosts[1], syn=False, ack=False, fragment=Fragment.LATER)


# ---------------------------------------------------------------- IPv6

CLIENT6, SITE6 = Endpoint("2001:db8::1", 40001), Endpoint("2001:db8::2", 443)
FLOW6 = Flow(Transport.TCP, CLIENT6, SITE6)
SEGMENT6 = tcp(CLIENT6, SITE6, SYN)


def in_ipv6(next_header: int, payload: bytes) -> bytes:
    return ethernet(ipv6(CLIENT6, SITE6, next_header, payload), 0x86DD)


def test_ipv6() -> None:
    assert seen(in_ipv6(6, SEGMENT6)) == Sighting(FLOW6, CLIENT6, syn=True, ack=False, fragment=Fragment.WHOLE)


@pytest.mark.parametrize(
    ("first", "headers"),
    [
        (0, bytes([6, 0]) + bytes(6)),  # Hop-by-Hop Options
        (60, bytes([6, 1]) + bytes(14)),  # Destination Options, 16 bytes
        (43, bytes([51, 0]) + bytes(6) + bytes([6, 4]) + bytes(22)),  # Routing, then AH of 24 bytes
        (44, bytes([6, 0, 0, 0]) + bytes(4)),  # an atomic fragment (RFC 6946): whole after all
    ],
)
def test_extension_headers_are_skipped(first: int, headers: bytes) -> None:
    assert seen(in_ipv6(first, headers + SEGMENT6)) == seen(in_ipv6(6, SEGMENT6))


@pytest.mark.parametrize(
    ("word", "fragment", "port"),
    [(0x0001, Fragment.FIRST, 443), (0x0009, Fragment.LATER, None), (0x0008, Fragment.LATER, None)],
)
def test_ipv6_fragments(word: int, fragment: Fragment, port: int | None) -> None:
    found = seen(in_ipv6(44, struct.pack(">BBHI", 6, 0, word, 7) + SEGMENT6))
    assert (found.fragment, found.flow.high.port) == (fragment, port)


def test_encrypted_payload_shows_no_flow() -> None:
    assert sighting(in_ipv6(50, SEGMENT6)) is None


# ---------------------------------------------------------------- what is no flow


@pytest.mark.parametrize(
    "frame",
    [
        ethernet(bytes(46), 0x0806),
        ethernet(bytes(46), 0x88B5),
        ethernet(ipv4(CLIENT, SITE, 1, bytes(40))),
        ethernet(b"\x65" + OPENING[15:]),
        ethernet(b"\x44" + OPENING[15:]),
        ethernet(b"\x45" + bytes(59), 0x86DD),
        b"",
    ],
)
def test_other_frames_have_no_flow(frame: bytes) -> None:
    assert sighting(frame) is None


@pytest.mark.parametrize(
    "frame",
    [
        OPENING,
        ethernet(OPENING[14:], tags=bytes.fromhex("81000005")),
        ethernet(ipv4(CLIENT, SITE, 17, udp(CLIENT, SITE), options=bytes(8))),
        in_ipv6(6, SEGMENT6),
        in_ipv6(0, bytes([60, 0]) + bytes(6) + bytes([6, 0]) + bytes(6) + SEGMENT6),
    ],
)
def test_a_frame_cut_before_the_end_of_its_headers_has_no_flow(frame: bytes) -> None:
    assert [size for size in range(len(frame)) if sighting(frame[:size]) is not None] == []
    assert seen(frame + b"payload") == seen(frame)


ADDRESSES = st.binary(min_size=4, max_size=4).map(socket.inet_ntoa)
ENDPOINTS = st.builds(Endpoint, ADDRESSES, st.integers(0, 0xFFFF))
unhurried = settings(deadline=None, database=None)


@unhurried
@given(ENDPOINTS, ENDPOINTS, st.integers(0, 255))
def test_any_two_endpoints_have_one_flow(one: Endpoint, other: Endpoint, flags: int) -> None:
    there = seen(ethernet(ipv4(one, other, 6, tcp(one, other, flags))))
    back = seen(ethernet(ipv4(other, one, 6, tcp(other, one, flags))))
    assert there.flow == back.flow
    assert (there.sender, back.sender) == (one, other)
    assert {there.flow.low, there.flow.high} == {one, other}


@unhurried
@given(st.sampled_from((b"", MACS, MACS + b"\x08\x00\x45", MACS + b"\x86\xdd\x60")), st.binary(max_size=90))
def test_no_frame_is_too_strange(beginning: bytes, rest: bytes) -> None:
    found = sighting(beginning + rest)
    assert found is None or found.sender in (found.flow.low, found.flow.high)
