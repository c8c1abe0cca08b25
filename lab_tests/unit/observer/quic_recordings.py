"""An HTTP/3 exchange between two aioquics in one process, as frames of a link: in any version of QUIC, no sockets."""

from __future__ import annotations

import io
import ssl
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted

_inet: Any = import_module("scapy.layers.inet")
_Ether: Any = import_module("scapy.layers.l2").Ether
_Raw: Any = import_module("scapy.packet").Raw

_CLIENT, _SERVER = ("192.0.2.1", 50_000), ("192.0.2.80", 443)
_STEP_S = 0.001  # that each side waits for the other
_MOST_TURNS = 50
_REQUEST = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"foreign.example"), (b":path", b"/one"))


def http3_exchange(folder: Path, version: int) -> tuple[list[bytes], bytes]:
    """The frames of one request and its answer, and the session's keys. Needs openssl."""
    keys = io.StringIO()
    client = _client(version, keys)
    server = _server(version, client.original_destination_connection_id, folder)
    frames: list[bytes] = []
    now = 1.0
    ends = ((client, _CLIENT, _asks(client)), (server, _SERVER, _answers(server)))
    client.connect(_SERVER, now)
    for _ in range(_MOST_TURNS):
        for (sender, own, _), (receiver, other, take_events) in (ends, ends[::-1]):
            now += _STEP_S
            for datagram, _ in sender.datagrams_to_send(now):
                frames.append(_framed(datagram, own, other))
                receiver.receive_datagram(datagram, own, now)
            take_events()
    client.close()
    frames += [_framed(datagram, _CLIENT, _SERVER) for datagram, _ in client.datagrams_to_send(now)]
    return frames, keys.getvalue().encode()


def _client(version: int, keys: io.StringIO) -> QuicConnection:
    return QuicConnection(
        configuration=QuicConfiguration(
            alpn_protocols=["h3"],
            server_name="foreign.example",
            verify_mode=ssl.CERT_NONE,
            secrets_log_file=keys,
            original_version=version,
            supported_versions=[version],
        )
    )


def _server(version: int, destination: bytes, folder: Path) -> QuicConnection:
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=foreign.example"
        f" -keyout {folder}/key.pem -out {folder}/cert.pem".split(),
        check=True,
        capture_output=True,
    )
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"], supported_versions=[version])
    configuration.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return QuicConnection(configuration=configuration, original_destination_connection_id=destination)


def _asks(client: QuicConnection) -> Callable[[], None]:
    http = H3Connection(client)

    def take_events() -> None:
        while event := client.next_event():
            if isinstance(event, HandshakeCompleted):
                http.send_headers(client.get_next_available_stream_id(), list(_REQUEST), end_stream=True)
            http.handle_event(event)

    return take_events


def _answers(server: QuicConnection) -> Callable[[], None]:
    http = H3Connection(server)

    def take_events() -> None:
        while event := server.next_event():
            for message in http.handle_event(event):
                if isinstance(message, HeadersReceived):
                    http.send_headers(message.stream_id, [(b":status", b"200"), (b"content-length", b"3000")])
                    http.send_data(message.stream_id, b"x" * 3000, end_stream=True)

    return take_events


def _framed(datagram: bytes, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    ether = _Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ip = _inet.IP(src=source[0], dst=destination[0])
    return bytes(ether / ip / _inet.UDP(sport=source[1], dport=destination[1]) / _Raw(datagram))
