"""Captures that no lab made: what else a person may put before `explain`, each with one odd thing in it.

`foreign/<name>.pcapng` was recorded once on a loopback link, its keys inside; `<name>.tsv` is what tshark 4.4 printed
for it. `record_again` makes them anew, as root, where openssl and tshark are: the tests' container has both, and may
open a packet socket when it is given NET_RAW.
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
from pathlib import Path

from observer import dissect
from observer.messages import Frame
from observer.packet import Packet
from observer.pcapng import Writer
from observer.tshark import command_of

FOREIGN = Path(__file__).parent / "foreign"
_PORT = 4433
_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35  # socket(7): when each frame arrived, as struct timespec


def foreign(name: str) -> list[Frame]:
    """The typed frames of one foreign capture."""
    lines = (FOREIGN / f"{name}.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return list(dissect.frames(lines, {}))


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


_SAVE, _AGAIN = ("-sess_out", "{folder}/session"), ("-sess_in", "{folder}/session")
RECORDINGS = {
    "tls12-session-id": _by_openssl(("-tls1_2", "-no_ticket"), _SAVE, _AGAIN),
    "tls12-ticket": _by_openssl(("-tls1_2",), _SAVE, _AGAIN),
    "tls13-psk": _by_openssl(("-tls1_3",), _SAVE, _AGAIN),
    "tls13-hello-retry": _by_openssl(("-tls1_3", "-groups", "P-384"), ("-groups", "X25519:P-384")),
    "tls13-refused": _by_openssl(("-tls1_3",), ("-verify_return_error",)),
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
