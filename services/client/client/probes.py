"""One UDP datagram, one TCP stream, one traceroute: what is under HTTP, asked for alone."""

from __future__ import annotations

import socket
import subprocess
import time
from ipaddress import IPv4Address

from client.closing import HomeLink
from client.hops import Hop, read_traceroute_output
from client.visit_request import Probe

_LARGEST_DATAGRAM = 65_535
_LARGEST_REPLY = 16 * 1024 * 1024
_MOST_HOPS = 8
_TRACEROUTE_LIMIT_S = 15.0


class TracerouteFault(RuntimeError):
    """traceroute did not do its work; the text is its own."""


def send_datagram(probe: Probe) -> tuple[bytes | None, str]:
    """Send one datagram and wait for one from the same address and port: its payload, or None and why."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(probe.timeout_s)
        try:
            udp.connect((str(probe.to), probe.port))
            udp.send(probe.payload)
            return udp.recv(_LARGEST_DATAGRAM), ""
        except TimeoutError:
            return None, f"no reply within {probe.timeout_s:g} s"
        except OSError as fault:  # an ICMP error, usually
            return None, fault.strerror or str(fault)


def open_stream(probe: Probe, home: HomeLink) -> tuple[bytes, bool, str]:
    """Send the payload over a new connection and read until the peer closes: what came, whether it closed, an error."""
    closings = home.closings()
    end = time.monotonic() + probe.timeout_s
    reply = bytearray()
    try:
        with socket.create_connection((str(probe.to), probe.port), timeout=probe.timeout_s) as tcp:
            tcp.sendall(probe.payload)
            if probe.half_close:
                tcp.shutdown(socket.SHUT_WR)
            while len(reply) < _LARGEST_REPLY:
                tcp.settimeout(max(0.001, end - time.monotonic()))
                data = tcp.recv(65_536)
                if not data:
                    return bytes(reply), True, ""
                reply += data
            return bytes(reply), False, f"more than {_LARGEST_REPLY} bytes: stopped reading"
    except TimeoutError:
        return bytes(reply), False, f"not closed within {probe.timeout_s:g} s"
    except ConnectionResetError as fault:
        return bytes(reply), True, fault.strerror or str(fault)
    except OSError as fault:
        return bytes(reply), False, fault.strerror or str(fault)
    finally:
        closings.wait()


def trace_route(to: IPv4Address) -> tuple[Hop, ...]:
    """The routers on the way to `to`, one UDP probe per TTL, one after the other. Raises TracerouteFault."""
    command = ["traceroute", "-n", "-q", "1", "-N", "1", "-w", "1", "-m", str(_MOST_HOPS), str(to)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TRACEROUTE_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise TracerouteFault(f"traceroute: not done within {_TRACEROUTE_LIMIT_S:g} s") from None
    if done.returncode:
        raise TracerouteFault(f"traceroute: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return read_traceroute_output(done.stdout)
