"""The content of HTTP messages (RFC 9110, section 6.4), byte for byte, as tshark shows it in decrypted frames."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from captured import Captured
from observer.dissect import nanoseconds
from observer.exchanges import Exchange
from observer.messages import Frame, HttpMessage
from observer.topology import LINKS

_FIELDS = (
    "frame.time_epoch",
    "http.file_data",
    "http2.type",
    "http2.streamid",
    "http2.length",
    "http2.data.data",
    "quic.stream.stream_id",
    "http3.data",
)
_DATA = "0"  # RFC 9113, section 6.1

Piece = tuple[int | None, bytes]
"""The stream (None in HTTP/1.1) and some bytes of a message's content on it."""


class HttpContents:
    """The contents of the messages on some links of a capture, read from each link's own file."""

    def __init__(self, captured: Captured, links: Sequence[str] = LINKS) -> None:
        paths = [captured.folder / f"{link}.pcapng" for link in links]
        with ThreadPoolExecutor() as pool:
            self._links = dict(zip(links, pool.map(_read, paths), strict=True))

    def of_request(self, exchange: Exchange) -> bytes:
        from_client = [f for f in exchange.connection.frames if exchange.connection.from_client(f)]
        return self._content(exchange.request, exchange.request_frame, from_client)

    def of_response(self, exchange: Exchange) -> bytes:
        assert exchange.response and exchange.response_frame, f"no response to {exchange.request.path}"
        from_server = [f for f in exchange.connection.frames if exchange.connection.from_server(f)]
        return self._content(exchange.response, exchange.response_frame, from_server)

    def _content(self, message: HttpMessage, shown: Frame, sent: list[Frame]) -> bytes:
        # HTTP/1.1: the dissector shows a message, and the whole of its content, on the frame that completes it.
        frames = [shown] if message.stream is None else sent
        found = (piece for frame in frames for piece in self._links[frame.link].get(frame.time_ns, ()))
        return b"".join(data for stream, data in found if stream == message.stream)


def _read(path: Path) -> dict[int, tuple[Piece, ...]]:
    """What each frame with content has of it, by the frame's time."""
    selected = [argument for name in _FIELDS for argument in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-Y", "http || http2 || http3", "-T", "fields", *selected]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = (line.split("\t") for line in output.splitlines())
    return {nanoseconds(time): tuple(pieces(*fields)) for time, *fields in rows if any(fields)}


def pieces(*fields: str) -> Iterator[Piece]:
    """What a frame has of its messages' contents, in order; `fields` are tshark's, as in `_FIELDS` after the time."""
    file_data, types, streams, lengths, data, quic_streams, http3_data = (
        field.split(",") if field else [] for field in fields
    )
    assert len(file_data) < 2, "two messages of one HTTP/1.1 connection in one frame: which is which is not told"
    yield from ((None, bytes.fromhex(text)) for text in file_data)
    filled = [
        int(stream)
        for stream, kind, length in zip(streams, types, lengths, strict=True)
        if kind == _DATA and length != "0"
    ]
    yield from ((stream, bytes.fromhex(text)) for stream, text in zip(filled, data, strict=True))
    requests = {int(stream) for stream in quic_streams if int(stream) % 4 == 0}  # RFC 9000, section 2.1
    assert not http3_data or len(requests) == 1, "content of several HTTP/3 streams in one datagram"
    yield from ((stream, bytes.fromhex(text)) for stream in requests for text in http3_data)
