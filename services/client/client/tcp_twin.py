"""What a QUIC connection can do and a TCP connection cannot: go on from another port or address (claim E6).

`python3 -m client.tcp_twin HOST PATH FROM TO [same-port]` asks for PATH over a connection from address FROM, moves the
connection, whole and unchanged but for its own end, to address TO, and asks again. Prints JSON: the two statuses (null:
no answer), the error of the second, and the key log.

The move is TCP_REPAIR, by which Linux checkpoints and restores connections: sequence numbers and window go over, no
packet is sent. It needs NET_ADMIN, so tests run this as root in the client's container; the agent cannot.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import tempfile
from pathlib import Path

# linux/tcp.h; Python's socket module has no names for these.
_TCP_REPAIR, _TCP_REPAIR_QUEUE, _TCP_QUEUE_SEQ, _TCP_REPAIR_WINDOW = 19, 20, 21, 29
_RECEIVE_QUEUE, _SEND_QUEUE = 1, 2
_OFF_WITHOUT_PROBE = -1
_WINDOW_LENGTH = 20  # bytes: struct tcp_repair_window
_PORT = 443
_ROOT = "/pki/public/root.pem"
_PATIENCE_S = 3.0
_READ = 65_536


class Conversation:
    """HTTP/1.1 over TLS whose records travel over whatever socket is at hand."""

    def __init__(self, host: str, keys: Path) -> None:
        trust = ssl.create_default_context(cafile=_ROOT)
        trust.keylog_filename = str(keys)
        self._host = host
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trust.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def begin(self, connection: socket.socket) -> None:
        """The TLS handshake. Raises OSError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._exchange(connection)
            else:
                break

    def ask(self, connection: socket.socket, path: str) -> int:
        """The status of the answer, which is read whole. Raises OSError, ConnectionResetError among them."""
        self._tls.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        received = b""
        while not is_whole(received):
            try:
                received += self._tls.read(_READ)
            except ssl.SSLWantReadError:
                self._exchange(connection)
        return int(received.split(maxsplit=2)[1])

    def _exchange(self, connection: socket.socket) -> None:
        if self._outgoing.pending:
            connection.sendall(self._outgoing.read())
        data = connection.recv(_READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._incoming.write(data)


def is_whole(received: bytes) -> bool:
    """Whether these bytes are a whole response, by its Content-Length. Raises ValueError for one that has none."""
    head, ended, body = received.partition(b"\r\n\r\n")
    if not ended:
        return False
    fields = dict(line.lower().partition(b":")[::2] for line in head.split(b"\r\n")[1:])
    if b"content-length" not in fields:
        raise ValueError("the response has no Content-Length")
    return len(body) >= int(fields[b"content-length"])


def moved(old: socket.socket, end: tuple[str, int]) -> socket.socket:
    """The same connection with `end` as its own end. No packet is sent; `old` is gone. Raises OSError."""
    old.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    numbers = {}
    for queue in (_SEND_QUEUE, _RECEIVE_QUEUE):
        old.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_QUEUE, queue)
        numbers[queue] = old.getsockopt(socket.IPPROTO_TCP, _TCP_QUEUE_SEQ, 4)
    window = old.getsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_WINDOW, _WINDOW_LENGTH)
    server = old.getpeername()
    old.close()
    new = socket.socket()
    new.settimeout(_PATIENCE_S)
    new.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    new.bind(end)
    for queue, number in numbers.items():
        new.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_QUEUE, queue)
        new.setsockopt(socket.IPPROTO_TCP, _TCP_QUEUE_SEQ, number)
    new.connect(server)  # in repair mode: established at once, without a word
    new.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_WINDOW, window)
    new.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, _OFF_WITHOUT_PROBE)
    return new


def main(host: str, path: str, before: str, after: str, same_port: bool) -> dict[str, object]:
    """Ask, move, ask again. Raises OSError for the first three steps, ssl.SSLError."""
    with tempfile.TemporaryDirectory() as scratch:
        keys = Path(scratch, "keys")
        conversation = Conversation(host, keys)
        connection = socket.create_connection((host, _PORT), _PATIENCE_S, (before, 0))
        conversation.begin(connection)
        first = conversation.ask(connection, path)
        port = connection.getsockname()[1]
        second, error = None, ""
        with moved(connection, (after, port if same_port else 0)) as connection:
            try:
                second = conversation.ask(connection, path)
            except OSError as fault:
                error = str(fault)
        return {"first": first, "second": second, "error": error, "keylog": keys.read_text()}


if __name__ == "__main__":
    host, path, before, after, *rest = sys.argv[1:]
    print(json.dumps(main(host, path, before, after, rest == ["same-port"])))
