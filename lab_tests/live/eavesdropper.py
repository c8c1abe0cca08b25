"""What somebody on the path gets who has the frames and no keys: needles in raw bytes, dissection without secrets."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from captured import Captured, dissected
from frame_bytes import FrameBytes
from observer.connections import Connection, Transport
from observer.messages import Frame


class Eavesdropper:
    """Somebody who recorded every link of `captured` and reads it without keys."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._bytes = FrameBytes(captured)

    def finds(self, needle: bytes, link: str) -> list[Frame]:
        """The frames of `link` in which `needle` crossed it, whole, or in a TCP connection over several segments."""
        assert len(needle) >= 4, f"{needle!r} is so short that it would be found by chance"
        own = self._captured.since_begun(link)
        assert own, f"no frame on {link}: whoever looks for something there looked at nothing"
        found = {frame.number: frame for frame in own if needle in self._bytes.of(frame)}
        for connection in self._captured.connections:
            if connection.link == link and connection.transport is Transport.TCP:
                found |= {frame.number: frame for frame in self._across_segments(needle, connection)}
        return [found[number] for number in sorted(found) if found[number].time_ns >= self._captured.began_ns]

    def dissects(self, link: str) -> list[Frame]:
        """The frames of `link` as they are dissected by somebody without keys, numbered as the others are."""
        with tempfile.TemporaryDirectory() as folder:
            stripped = Path(folder, "without-keys.pcapng")
            source = self._captured.folder / f"{link}.pcapng"
            subprocess.run(["editcap", "--discard-all-secrets", source, stripped], check=True, capture_output=True)
            closed = dissected(stripped)
        numbers = [frame.number for frame in self._captured.on(link)]
        return [replace(frame, number=number) for frame, number in zip(closed, numbers, strict=True)]

    def _across_segments(self, needle: bytes, connection: Connection) -> Iterable[Frame]:
        for sent in (connection.from_client, connection.from_server):
            pieces = [(f, self._bytes.tcp_payload(f)) for f in connection.frames if sent(f)]
            stream = b"".join(payload for _, payload in pieces)
            at = stream.find(needle)
            while at >= 0:
                start = 0
                for frame, payload in pieces:
                    if start < at + len(needle) and at < start + len(payload):
                        yield frame
                    start += len(payload)
                at = stream.find(needle, at + 1)
