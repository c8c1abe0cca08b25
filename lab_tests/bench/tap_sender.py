"""Send frames of one size into a set of links at a steady rate: the traffic of the tap's measurements.

    python3 tap_sender.py --interfaces bt0,bt1 --bytes 100 --rate 20000 --seconds 5

The rate is frames per second and link; 0 means as fast as this core can. Frames leave by sendmmsg(2), up to a
batch a system call, past the queueing discipline, so that the sender and not a queue sets the pace.
Prints one JSON object: what was sent on each link, and in how long. It sends to an address that no host has.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import socket
import sys
import time

ETHER_TYPE = 0x88B6  # for local experiments, IEEE 802
LARGEST_BATCH = 64  # frames a system call
NAP_S = 0.0005  # between two looks at the clock when nothing is due
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20


class _IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _MessageHeader(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.POINTER(_IoVec)),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _MessageHeader), ("sent", ctypes.c_uint)]


class Outlet:
    """One link's socket, with a batch of equal frames ready to go."""

    def __init__(self, interface: str, frame: bytes) -> None:
        self.sent = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((interface, 0))
        self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._frame = ctypes.create_string_buffer(frame, len(frame))
        self._part = _IoVec(ctypes.addressof(self._frame), len(frame))
        self._batch = (_Message * LARGEST_BATCH)()
        for message in self._batch:
            message.header.parts = ctypes.pointer(self._part)
            message.header.part_count = 1
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._file = self._socket.fileno()

    def send(self, frames: int) -> None:
        """Send that many frames, at most a batch. Raises OSError."""
        done: int = self._sendmmsg(self._file, self._batch, frames, 0)
        if done < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.sent += done


def traffic_frame(size: int) -> bytes:
    """A frame of `size` bytes that no host takes: both addresses are locally administered and nobody's."""
    return (bytes.fromhex("0238535445fe 0238535445ff") + ETHER_TYPE.to_bytes(2, "big")).ljust(size, b"\x5a")


def send_at(outlets: list[Outlet], rate: int, seconds: float) -> float:
    """Keep all outlets at `rate` (0: as fast as possible) for `seconds`; how long it really took, in seconds."""
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        idle = True
        for outlet in outlets:
            due = min(int(passed * rate) - outlet.sent, LARGEST_BATCH) if rate else LARGEST_BATCH
            if due > 0:
                outlet.send(due)
                idle = False
        if idle:
            time.sleep(NAP_S)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description="steady traffic on links made for a measurement")
    parser.add_argument("--interfaces", required=True, help="names, with commas between them")
    parser.add_argument("--bytes", type=int, default=100, help="size of a frame")
    parser.add_argument("--rate", type=int, default=0, help="frames per second and link; 0: as many as possible")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    outlets = [Outlet(name, traffic_frame(options.bytes)) for name in options.interfaces.split(",")]
    seconds = send_at(outlets, options.rate, options.seconds)
    print(json.dumps({"sent": [outlet.sent for outlet in outlets], "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
