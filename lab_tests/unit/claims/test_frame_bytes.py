"""What a TCP segment carries, out of a frame's bytes."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from frame_bytes import tcp_payload


def frame(*layers: object) -> bytes:
    packet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    for layer in layers:
        packet /= layer
    return bytes(packet)


def test_the_payload_begins_behind_both_headers_and_their_options() -> None:
    options = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]
    assert tcp_payload(frame(IP(), TCP(options=options), b"GET / HTTP/1.1\r\n")) == b"GET / HTTP/1.1\r\n"
    assert tcp_payload(frame(IP(options=b"\x01" * 4), TCP(), b"x")) == b"x"


def test_what_pads_a_short_frame_is_no_payload() -> None:
    assert tcp_payload(frame(IP(), TCP(), b"x") + bytes(20)) == b"x"
    assert tcp_payload(frame(IP(), TCP()) + bytes(6)) == b""


def test_other_protocols_are_told() -> None:
    with pytest.raises(ValueError, match="expected TCP over IPv4, found version 4, protocol 17"):
        tcp_payload(frame(IP(), UDP(), b"x"))
