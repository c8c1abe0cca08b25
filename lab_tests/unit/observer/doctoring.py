"""Captures doctored at byte level, one thing at a time, and told again by the path that real visits take.

A golden visit's packets are read from its pcapng files, changed, written into a capture again, dissected by
tshark and told. What is not changed stays as it was: times, lengths, keys, the tap's word on each link, and TCP
checksums are made to fit the bytes unless the checksum is the thing to doctor.
"""

from __future__ import annotations

import hmac
import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from golden_visits import VISITS, Golden, golden
from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import BLOCK_DESCRIPTOR, FRAME_HEADER, TPACKET_V3, Header, pack
from observer.captures import journey_pcapng
from observer.dissecting import frames_of
from observer.keylog import Secret, parse
from observer.messages import Frame, HandshakeType, TcpFlags
from observer.pcapng import DecryptionSecrets, read_blocks, read_packets
from observer.slicing import Recording
from observer.spool import Packet
from observer.steps import Journey
from observer.topology import LINKS
from observer.tshark import WarmTshark

Wanted = Callable[[Frame], bool]

_IP_AT = 14
_TCP_CHECKSUM_AT = 16  # bytes into the TCP header (RFC 9293, section 3.1)
_RECORD_HEADER = 5  # bytes of a TLS record's header, which is also its additional data (RFC 8446, section 5.2)
_APPLICATION_DATA = 0x17
_MAC_AT = 82  # where the kernel puts a frame behind its header (TPACKET_V3, the IP header aligned)


@dataclass(frozen=True)
class Doctored:
    """A golden visit as packets, not yet dissected. Each method gives another visit with one thing changed.

    Frames are picked by what the golden lines say of them; a doctoring that picks none fails.
    """

    golden: Golden
    packets: dict[str, tuple[Packet, ...]]
    secrets: tuple[Secret, ...]

    def without(self, link: str, unwanted: Wanted) -> Doctored:
        gone = self._positions(link, unwanted)
        return self._with(link, [p for at, p in enumerate(self.packets[link]) if at not in gone])

    def changed(self, link: str, wanted: Wanted, change: Callable[[bytes], bytes]) -> Doctored:
        """Give the wanted frames other bytes, of any length; they were as long on the link as they are now."""
        picked = self._positions(link, wanted)
        packets = list(self.packets[link])
        for at in picked:
            data = change(packets[at].data)
            assert data != packets[at].data, "the doctoring changed nothing"
            packets[at] = replace(packets[at], data=data, original_length=len(data))
        return self._with(link, packets)

    def replaced(self, link: str, old: bytes, new: bytes) -> Doctored:
        """Write `new` over `old` in every frame of the link that has it in the clear."""
        assert len(old) == len(new)
        packets = [
            replace(p, data=with_tcp_checksum(p.data.replace(old, new))) if old in p.data else p
            for p in self.packets[link]
        ]
        assert packets != list(self.packets[link]), f"{old!r} is in no frame"
        return self._with(link, packets)

    def cut(self, link: str, wanted: Wanted, length: int) -> Doctored:
        """Keep the first `length` bytes of the wanted frames, as a capture with that snaplen would."""
        picked = self._positions(link, wanted)
        packets = list(self.packets[link])
        for at in picked:
            assert len(packets[at].data) > length, "the frame is shorter than the cut"
            packets[at] = replace(packets[at], data=packets[at].data[:length])
        return self._with(link, packets)

    def swapped(self, link: str, one: Wanted, other: Wanted) -> Doctored:
        """Let the first wanted frame of either kind take the other's place and time."""
        here, there = min(self._positions(link, one)), min(self._positions(link, other))
        packets = list(self.packets[link])
        packets[here], packets[there] = (
            replace(packets[there], time_ns=packets[here].time_ns),
            replace(packets[here], time_ns=packets[there].time_ns),
        )
        return self._with(link, packets)

    def with_secrets(self, secrets: Sequence[Secret]) -> Doctored:
        return replace(self, secrets=tuple(secrets))

    def incomplete(self, link: str, reason: str) -> Doctored:
        return replace(self, golden=self.golden.incomplete(link, reason))

    def recordings(self) -> list[Recording]:
        captures = {capture.link: capture for capture in self.golden.capture}
        quic = {frame.link for frame in self.golden.frames if frame.quic}
        return [Recording(link, (), self.packets[link], captures[link], link in quic) for link in LINKS]

    def capture(self, link: str) -> bytes:
        """The link's packets as a pcapng file with the keys inside."""
        (recording,) = [r for r in self.recordings() if r.link == link]
        return journey_pcapng([recording], self.secrets, self.golden.topology, {})

    def frames(self) -> tuple[Frame, ...]:
        warm = WarmTshark(ahead=0)
        dissected = frames_of(self.recordings(), self.secrets, self.golden.topology, warm.dissect)
        return tuple(dissected)

    def told(self) -> Journey:
        return replace(self.golden, frames=self.frames()).journey()

    def _with(self, link: str, packets: Sequence[Packet]) -> Doctored:
        return replace(self, packets=self.packets | {link: tuple(packets)})

    def _positions(self, link: str, wanted: Wanted) -> set[int]:
        on_link = [frame for frame in self.golden.frames if frame.link == link]
        found = {at for at, frame in enumerate(on_link) if wanted(frame)}
        assert found, "the doctoring found no frame to change"
        return found


def undoctored(version: str) -> Doctored:
    """The golden visit over this version of HTTP, as it was captured."""
    visit = golden(version)
    folder = VISITS / f"http{version}"
    packets = {}
    secrets: list[Secret] = []
    for link in LINKS:
        file = (folder / f"{link}.pcapng").read_bytes()
        packets[link] = tuple(
            Packet(link, p.time_ns, p.original_length, p.data) for p in read_packets(io.BytesIO(file))
        )
        for block in read_blocks(io.BytesIO(file)):
            if isinstance(block, DecryptionSecrets):
                secrets += parse(block.data).secrets
    return Doctored(visit, packets, tuple(dict.fromkeys(secrets)))


# ---------------------------------------------------------------- which frames


def is_syn(frame: Frame) -> bool:
    return _flags(frame) == TcpFlags.SYN


def is_syn_ack(frame: Frame) -> bool:
    return _flags(frame) == TcpFlags.SYN | TcpFlags.ACK


def is_fin(frame: Frame) -> bool:
    return bool(_flags(frame) & TcpFlags.FIN)


def is_dns_response(frame: Frame) -> bool:
    return bool(frame.dns and frame.dns.is_response)


def is_client_hello(frame: Frame) -> bool:
    return bool(frame.tls and frame.tls.client_hello)


def is_server_hello(frame: Frame) -> bool:
    return bool(frame.tls and frame.tls.server_hello)


def carries_certificate(frame: Frame) -> bool:
    return bool(frame.tls and HandshakeType.CERTIFICATE in frame.tls.handshake)


def is_request(frame: Frame) -> bool:
    return any(message.is_request for message in frame.http)


def _flags(frame: Frame) -> TcpFlags:
    return frame.tcp.flags if frame.tcp else TcpFlags(0)


# ---------------------------------------------------------------- bytes of a frame


def with_wrong_tcp_checksum(frame: bytes) -> bytes:
    at = _tcp_at(frame) + _TCP_CHECKSUM_AT
    return frame[:at] + bytes([frame[at] ^ 0xFF]) + frame[at + 1 :]


def with_source(frame: bytes, address: bytes) -> bytes:
    """The IPv4 packet from another source; no checksum of UDP (RFC 768: 0 is none)."""
    datagram = _IP_AT + _ip_header(frame)
    moved = frame[: _IP_AT + 12] + address + frame[_IP_AT + 16 :]
    return moved[: datagram + 6] + b"\0\0" + moved[datagram + 8 :]


def with_tcp_checksum(frame: bytes) -> bytes:
    """The frame with the TCP checksum that its bytes ask for; other frames as they are."""
    if frame[_IP_AT + 9] != 6:
        return frame
    at = _tcp_at(frame)
    end = _IP_AT + int.from_bytes(frame[_IP_AT + 2 : _IP_AT + 4], "big")
    cleared = frame[at : at + _TCP_CHECKSUM_AT] + b"\0\0" + frame[at + _TCP_CHECKSUM_AT + 2 : end]
    pseudo = frame[_IP_AT + 12 : _IP_AT + 20] + struct.pack("!BBH", 0, 6, len(cleared))
    checksum = _internet_checksum(pseudo + cleared).to_bytes(2, "big")
    return frame[: at + _TCP_CHECKSUM_AT] + checksum + frame[at + _TCP_CHECKSUM_AT + 2 :]


def resealed(frame: bytes, traffic_secret: bytes, old: bytes, new: bytes) -> bytes:
    """The frame with other bytes inside its first application record, encrypted again (RFC 8446, section 5).

    That record is the first under `traffic_secret`, of TLS_AES_256_GCM_SHA384: its sequence number is 0.
    """
    tcp = _tcp_at(frame)
    at = tcp + (frame[tcp + 12] >> 4) * 4
    assert frame[at] == _APPLICATION_DATA, "no application record"
    header = frame[at : at + _RECORD_HEADER]
    end = at + _RECORD_HEADER + int.from_bytes(header[3:], "big")
    key, nonce = _expand(traffic_secret, b"key", 32), _expand(traffic_secret, b"iv", 12)
    plain = AESGCM(key).decrypt(nonce, frame[at + _RECORD_HEADER : end], header)
    assert old in plain and len(old) == len(new)
    sealed = AESGCM(key).encrypt(nonce, plain.replace(old, new), header)
    return with_tcp_checksum(frame[: at + _RECORD_HEADER] + sealed + frame[end:])


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with SHA-384 and an empty context, for at most one hash of output (RFC 8446, section 7.1)."""
    full = b"tls13 " + label
    info = struct.pack("!HB", length, len(full)) + full + b"\0"
    return hmac.digest(secret, info + b"\x01", "sha384")[:length]


def _internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ip_header(frame: bytes) -> int:
    return (frame[_IP_AT] & 0x0F) * 4


def _tcp_at(frame: bytes) -> int:
    assert frame[12:14] == b"\x08\x00" and frame[_IP_AT + 9] == 6, "no TCP over IPv4"
    return _IP_AT + _ip_header(frame)


# ---------------------------------------------------------------- the spool's files


@dataclass(frozen=True)
class SpooledBlock:
    """One block of a link's spool: its frames, and how many the kernel dropped before it was taken."""

    packets: Sequence[Packet]
    dropped: int = 0


def sentinel_packet(kind: Kind, visit: str, beside: Packet) -> Packet:
    data = sentinel.frame(kind, visit)
    return Packet(beside.link, beside.time_ns, len(data), data)


def spool_segment(blocks: Sequence[SpooledBlock]) -> bytes:
    """A segment file as the tap writes it, from linux/if_packet.h's structures."""
    segment, drops = b"", 0
    for sequence, spooled in enumerate(blocks):
        block = _kernel_block(spooled.packets)
        header = Header(
            length=len(block),
            frames=len(spooled.packets),
            session=1,
            sequence=sequence,
            total_frames=0,
            total_drops=drops + spooled.dropped,
            drops_before=drops,
            unwritten=0,
            first_ns=0,
            last_ns=0,
        )
        drops += spooled.dropped
        segment += pack(header) + block
    return segment


def _kernel_block(packets: Sequence[Packet]) -> bytes:
    body = b""
    for left, packet in zip(range(len(packets) - 1, -1, -1), packets, strict=True):
        size = -(-(_MAC_AT + len(packet.data)) // 8) * 8
        s, ns = divmod(packet.time_ns, 1_000_000_000)
        lengths = len(packet.data), packet.original_length
        header = FRAME_HEADER.pack(size if left else 0, s, ns, *lengths, 1, _MAC_AT, _MAC_AT + _IP_AT, 0, 0, 0)
        body += (header.ljust(_MAC_AT, b"\0") + packet.data).ljust(size, b"\0")
    at = BLOCK_DESCRIPTOR.size
    return BLOCK_DESCRIPTOR.pack(TPACKET_V3, at, 1, len(packets), at, at + len(body), 1, 0, 0, 0, 0) + body
