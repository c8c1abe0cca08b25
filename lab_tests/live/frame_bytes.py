"""Captured frames as the bytes that crossed the link, before any dissector or key: what somebody on the path has."""

from __future__ import annotations

from collections.abc import Iterable

from captured import Captured
from observer.exchanges import Exchange
from observer.messages import Frame
from observer.pcapng.reader import read_packets

_ETHERNET_HEADER = 14  # bytes
_TCP = 6  # RFC 9293, section 3.1: the protocol number in the IP header


class FrameBytes:
    """The bytes of a capture's frames, read from each link's own file when one of its frames is asked for."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._links: dict[str, dict[int, bytes]] = {}

    def of(self, frame: Frame) -> bytes:
        """The whole frame, Ethernet header first."""
        if frame.link not in self._links:
            with (self._captured.folder / f"{frame.link}.pcapng").open("rb") as file:
                packets = list(read_packets(file))
            self._links[frame.link] = {packet.time_ns: packet.data for packet in packets}
            assert len(self._links[frame.link]) == len(packets), f"{frame.link}: two frames in one nanosecond"
        return self._links[frame.link][frame.time_ns]

    def tcp_payload(self, frames: Frame | Iterable[Frame]) -> bytes:
        """What the frames' TCP segments carry, in the frames' order; retransmissions are left out."""
        frames = [frames] if isinstance(frames, Frame) else frames
        return b"".join(tcp_payload(self.of(f)) for f in frames if f.tcp and not f.tcp.retransmission)

    def sent_by_client(self, exchange: Exchange) -> bytes:
        """Everything the client sent on the exchange's TCP connection."""
        return self.tcp_payload(f for f in exchange.connection.frames if exchange.connection.from_client(f))

    def sent_by_server(self, exchange: Exchange) -> bytes:
        """Everything the server sent on the exchange's TCP connection."""
        return self.tcp_payload(f for f in exchange.connection.frames if exchange.connection.from_server(f))


def tcp_payload(frame: bytes) -> bytes:
    """What the TCP segment in an Ethernet frame carries. Raises ValueError where there is none."""
    packet = frame[_ETHERNET_HEADER:]
    header, length, protocol = (packet[0] & 0x0F) * 4, int.from_bytes(packet[2:4]), packet[9]  # RFC 791, section 3.1
    if packet[0] >> 4 != 4 or protocol != _TCP:
        raise ValueError(f"expected TCP over IPv4, found version {packet[0] >> 4}, protocol {protocol}")
    segment = packet[header:length]  # a short frame is padded beyond its packet
    return segment[(segment[12] >> 4) * 4 :]
