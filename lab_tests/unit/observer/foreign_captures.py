"""Captures that no lab made: what else a person may put before `explain`, each with one odd thing in it.

`foreign/<name>.pcapng` was recorded once on a loopback link, its keys inside, or crafted; `<name>.tsv` is what tshark
4.4 printed for it. `record_again` makes them anew, as root, where openssl and tshark are: the tests' container has
both, and may open a packet socket when it is given NET_RAW. The two of QUIC were recorded on the lab's edge link, for
there is no QUIC server on the command line: a client that moves to another port, and one that refuses a certificate.
QUIC version 2 is spoken in one process (`quic_recordings`).
"""

from __future__ import annotations

import io
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from observer import dissect
from observer.messages import Frame
from observer.packet import Packet
from observer.pcapng import DecryptionSecrets, Writer, read_blocks, read_packets
from observer.tshark import command_of
from quic_recordings import http3_exchange

FOREIGN = Path(__file__).parent / "foreign"
# scapy's own types do not allow what scapy allows.
_inet: Any = import_module("scapy.layers.inet")
_l2: Any = import_module("scapy.layers.l2")
IP, TCP, UDP, Ether, Dot1Q = _inet.IP, _inet.TCP, _inet.UDP, _l2.Ether, _l2.Dot1Q
VXLAN: Any = import_module("scapy.layers.vxlan").VXLAN
IPv6: Any = import_module("scapy.layers.inet6").IPv6
Raw: Any = import_module("scapy.packet").Raw

_PORT = 4433
_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35  # socket(7): when each frame arrived, as struct timespec


def foreign(name: str) -> list[Frame]:
    """The typed frames of one foreign capture."""
    lines = (FOREIGN / f"{name}.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return list(dissect.frames(lines))


def names() -> list[str]:
    return sorted(path.stem for path in FOREIGN.glob("*.tsv"))


# ---------------------------------------------------------------- recording


@contextmanager
def recorded(packets: list[Packet], port: int = _PORT) -> Iterator[None]:
    """Every frame of the loopback link to or from `port` while the block runs."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as tap:
        tap.bind(("lo", _ETH_P_ALL))
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        yield
        tap.setblocking(False)
        while True:
            try:
                data, [(_, _, arrived)], _, (_, _, kind, _, _) = tap.recvmsg(65535, 64)
            except BlockingIOError:
                return
            if kind != socket.PACKET_OUTGOING and port.to_bytes(2, "big") in (data[34:36], data[36:38]):
                seconds, nanoseconds = struct.unpack("=qq", arrived)
                packets.append(Packet(seconds * 1_000_000_000 + nanoseconds, 0, data, len(data)))


class Openssl:
    """s_server on the loopback link with a certificate of its own, and s_client to visit it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.keys = folder / "keys.log"
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=foreign.example"
            f" -keyout {folder}/key.pem -out {folder}/cert.pem".split(),
            check=True,
            capture_output=True,
        )
        self._server = subprocess.Popen(
            ["openssl", "s_server", "-accept", str(_PORT), "-www", *self._identity(), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._server.stdout is not None
        while b"ACCEPT" not in self._server.stdout.readline():
            pass

    def _identity(self) -> tuple[str, ...]:
        return ("-cert", f"{self.folder}/cert.pem", "-key", f"{self.folder}/key.pem")

    def visit(self, *options: str, request: bytes = b"GET / HTTP/1.0\r\n\r\n") -> None:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{_PORT}", "-servername", "foreign.example"]
        command += ["-keylogfile", str(self.keys), "-ign_eof", *options]
        subprocess.run(command, input=request, capture_output=True, check=False, timeout=10)

    def close(self) -> None:
        self._server.kill()
        self._server.wait()


def _by_openssl(server: tuple[str, ...], *visits: tuple[str, ...]) -> Callable[[Path], tuple[list[Packet], bytes]]:
    def record(folder: Path) -> tuple[list[Packet], bytes]:
        packets: list[Packet] = []
        openssl = Openssl(folder, *server)
        try:
            with recorded(packets):
                for options in visits:
                    openssl.visit(*[option.format(folder=folder) for option in options])
        finally:
            openssl.close()
        return packets, openssl.keys.read_bytes()

    return record


# ---------------------------------------------------------------- crafting

_REQUEST = b"GET /one HTTP/1.1\r\nHost: a.example\r\nX-N: 1\r\n\r\n"
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000


def _exchange(client: str, server: str, port: int = 40000) -> list[Any]:
    """IP packets of one HTTP exchange in the clear, opened and closed: a response of three segments."""
    there = {"sport": port, "dport": 80}
    back = {"sport": 80, "dport": port}
    ip = IPv6 if ":" in client else IP
    asked, parts = 101 + len(_REQUEST), [_RESPONSE[n : n + 1200] for n in range(0, len(_RESPONSE), 1200)]
    end = 501 + len(_RESPONSE)
    packets = [
        ip(src=client, dst=server) / TCP(**there, seq=100, flags="S"),
        ip(src=server, dst=client) / TCP(**back, seq=500, ack=101, flags="SA"),
        ip(src=client, dst=server) / TCP(**there, seq=101, ack=501, flags="A"),
        ip(src=client, dst=server) / TCP(**there, seq=101, ack=501, flags="PA") / Raw(_REQUEST),
    ]
    for number, part in enumerate(parts):
        packets.append(
            ip(src=server, dst=client) / TCP(**back, seq=501 + 1200 * number, ack=asked, flags="A") / Raw(part)
        )
    packets += [
        ip(src=client, dst=server) / TCP(**there, seq=asked, ack=end, flags="A"),
        ip(src=client, dst=server) / TCP(**there, seq=asked, ack=end, flags="FA"),
        ip(src=server, dst=client) / TCP(**back, seq=end, ack=asked + 1, flags="FA"),
        ip(src=client, dst=server) / TCP(**there, seq=asked + 1, ack=end + 1, flags="A"),
    ]
    return packets


def _crafted(frames: list[Any]) -> tuple[list[Packet], bytes]:
    """The frames a millisecond apart, without keys."""
    data = [bytes(frame) for frame in frames]
    return [Packet(1_700_000_000_000_000_000 + n * 1_000_000, 0, d, len(d)) for n, d in enumerate(data)], b""


def _framed(packets: list[Any], *tags: int) -> list[Any]:
    frames = []
    for packet in packets:
        frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        for tag in tags:
            frame = frame / Dot1Q(vlan=tag)
        frames.append(frame / packet)
    return frames


def _one_lost_and_repeated(packets: list[Any]) -> list[Any]:
    """The response's second segment overtaken by its third, and sent again later."""
    return [*packets[:5], packets[6], packets[5], packets[5], *packets[7:]]


def _alternating(one: list[Any], other: list[Any]) -> list[Any]:
    return [packet for pair in zip(one, other, strict=True) for packet in pair]


def _fragmented(packets: list[Any]) -> list[Any]:
    return [
        piece for packet in packets for piece in (_inet.fragment(packet, 600) if packet.haslayer(Raw) else [packet])
    ]


def _in_vxlan(packets: list[Any]) -> list[Any]:
    """Between two tunnel ends. The port that each sends from depends on the flow inside, so they differ."""
    outside = {
        "192.0.2.1": ("203.0.113.1", "203.0.113.2", 55_001),
        "192.0.2.80": ("203.0.113.2", "203.0.113.1", 55_002),
    }
    found = []
    for packet in packets:
        source, destination, port = outside[packet.src]
        tunnel = IP(src=source, dst=destination) / UDP(sport=port, dport=4789) / VXLAN(vni=7)
        found.append(tunnel / Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04") / packet)
    return found


def _in_ipv4(packets: list[Any]) -> list[Any]:
    return [IP(src="203.0.113.1", dst="203.0.113.2", proto=41) / packet for packet in packets]  # RFC 4213


_V4, _V6 = ("192.0.2.1", "192.0.2.80"), ("2001:db8::1", "2001:db8::80")
CRAFTED: dict[str, Callable[[], list[Any]]] = {
    "vlan-tags": lambda: _framed(_exchange(*_V4), 100, 7),
    "ipv6": lambda: _framed(_exchange(*_V6)),
    "fragments": lambda: _framed(_fragmented(_exchange(*_V4))),
    "out-of-order": lambda: _framed(_one_lost_and_repeated(_exchange(*_V4))),
    "start-cut-off": lambda: _framed(_exchange(*_V4)[3:]),
    "end-cut-off": lambda: _framed(_exchange(*_V4)[:5]),
    "two-at-once": lambda: _framed(
        [p for pair in zip(_exchange(*_V4), _exchange(*_V4, 40001), strict=True) for p in pair]
    ),
    "vxlan": lambda: _framed(_in_vxlan(_exchange(*_V4))),
    "6in4": lambda: _framed(_in_ipv4(_exchange(*_V6))),
    "unknown-protocol": lambda: [*_framed(_exchange(*_V4)), Ether(type=0x88CC) / Raw(b"\0" * 50)],
}


def _record_crafted(name: str) -> Callable[[Path], tuple[list[Packet], bytes]]:
    return lambda folder: _crafted(CRAFTED[name]())


def _by_aioquic(version: int) -> Callable[[Path], tuple[list[Packet], bytes]]:
    def record(folder: Path) -> tuple[list[Packet], bytes]:
        frames, keys = http3_exchange(folder, version)
        return _crafted(frames)[0], keys

    return record


def _on_another_port(name: str, port: int, other: int) -> Callable[[Path], tuple[list[Packet], bytes]]:
    """The capture of that name with the UDP port `other` in place of `port`."""

    def record(_folder: Path) -> tuple[list[Packet], bytes]:
        data = (FOREIGN / f"{name}.pcapng").read_bytes()
        keys = b"".join(block.data for block in read_blocks(io.BytesIO(data)) if isinstance(block, DecryptionSecrets))
        return [_moved(packet, port, other) for packet in read_packets(io.BytesIO(data))], keys

    return record


def _moved(packet: Packet, port: int, other: int) -> Packet:
    frame = Ether(packet.data)
    if UDP in frame:
        udp = frame[UDP]
        udp.sport, udp.dport = (other if own == port else own for own in (udp.sport, udp.dport))
        del udp.chksum
    return packet._replace(data=bytes(frame))


_SAVE, _AGAIN = ("-sess_out", "{folder}/session"), ("-sess_in", "{folder}/session")
RECORDINGS = {
    "tls12-session-id": _by_openssl(("-tls1_2", "-no_ticket"), _SAVE, _AGAIN),
    "tls12-ticket": _by_openssl(("-tls1_2",), _SAVE, _AGAIN),
    "tls13-psk": _by_openssl(("-tls1_3",), _SAVE, _AGAIN),
    "tls13-hello-retry": _by_openssl(("-tls1_3", "-groups", "P-384"), ("-groups", "X25519:P-384")),
    "tls13-refused": _by_openssl(("-tls1_3",), ("-verify_return_error",)),
    "quic-version-2": _by_aioquic(0x6B3343CF),
    "quic-high-port": _on_another_port("quic-moved", 443, 60443),
    **{name: _record_crafted(name) for name in CRAFTED},
}


def _write(name: str, packets: list[Packet], keys: bytes) -> None:
    stream = io.BytesIO()
    with Writer(stream, os="Linux", application="eightsteps") as writer:
        writer.add_interface("lo", "a loopback link")
        if keys:
            writer.add_secrets(keys)
        writer.write_packets(packets, {})
    (FOREIGN / f"{name}.pcapng").write_bytes(stream.getvalue())


def record_again(*wanted: str) -> None:
    """Record `wanted` (default: all) anew, and have tshark type out every capture."""
    for name in wanted or RECORDINGS:
        with tempfile.TemporaryDirectory() as folder:
            _write(name, *RECORDINGS[name](Path(folder)))
    type_out_again()


def type_out_again() -> None:
    for path in FOREIGN.glob("*.pcapng"):
        with path.with_suffix(".tsv").open("wb") as lines:
            subprocess.run(command_of(str(path)), stdout=lines, check=True)


if __name__ == "__main__":
    record_again(*sys.argv[1:])
