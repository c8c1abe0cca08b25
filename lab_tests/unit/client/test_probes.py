"""Single datagrams and streams, over the loopback interface."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

from client.closing import HomeLink, proc_list
from client.probes import open_stream, send_datagram
from client.visit_request import Probe

LOOPBACK = IPv4Address("127.0.0.1")


@contextmanager
def tcp_peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a peer that accepts one connection and does `behave` with it."""
    with socket.create_server((str(LOOPBACK), 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                behave(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def stream(port: int, payload: bytes = b"hello", timeout_s: float = 5.0) -> tuple[bytes, bool, str]:
    return open_stream(Probe(LOOPBACK, port, payload, timeout_s), HomeLink(LOOPBACK, proc_list))


def test_a_datagram_is_answered() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((str(LOOPBACK), 0))

        def answer() -> None:
            payload, sender = peer.recvfrom(100)
            peer.sendto(payload[::-1], sender)

        thread = threading.Thread(target=answer)
        thread.start()

        assert send_datagram(Probe(LOOPBACK, peer.getsockname()[1], b"abc", 5.0)) == (b"cba", "")
        thread.join()


def test_silence_is_no_reply() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((str(LOOPBACK), 0))

        assert send_datagram(Probe(LOOPBACK, peer.getsockname()[1], b"abc", 0.05)) == (None, "no reply within 0.05 s")


def test_a_closed_port_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind((str(LOOPBACK), 0))
        port = unused.getsockname()[1]

    assert send_datagram(Probe(LOOPBACK, port, b"abc", 5.0)) == (None, "Connection refused")


def test_a_half_closed_stream_tells_the_peer_that_no_more_comes_and_reads_on() -> None:
    def behave(connection: socket.socket) -> None:
        received = b""
        while data := connection.recv(100):
            received += data
        connection.sendall(received[::-1])

    with tcp_peer(behave) as port:
        asked = Probe(LOOPBACK, port, b"hello", 5.0, half_close=True)
        assert open_stream(asked, HomeLink(LOOPBACK, proc_list)) == (b"olleh", True, "")


def test_a_stream_is_read_until_the_peer_closes() -> None:
    def behave(connection: socket.socket) -> None:
        assert connection.recv(100) == b"hello"
        connection.sendall(b"one")
        connection.sendall(b"two")

    with tcp_peer(behave) as port:
        assert stream(port) == (b"onetwo", True, "")


def test_a_stream_that_stays_open_gives_what_came() -> None:
    done = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.sendall(b"one")
        done.wait(10)

    with tcp_peer(behave) as port:
        assert stream(port, timeout_s=0.2) == (b"one", False, "not closed within 0.2 s")
        done.set()


def test_a_reset_is_a_close_with_a_reason() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with tcp_peer(behave) as port:
        assert stream(port) == (b"", True, "Connection reset by peer")


def test_a_refused_stream_says_so() -> None:
    with socket.create_server((str(LOOPBACK), 0)) as listener:
        port = listener.getsockname()[1]

    assert stream(port) == (b"", False, "Connection refused")
