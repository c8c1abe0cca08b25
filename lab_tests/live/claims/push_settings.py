"""Whether who speaks HTTP/2 lets the other side push: SETTINGS_ENABLE_PUSH, which frames here do not carry."""

from __future__ import annotations

import subprocess

from captured import Captured
from observer.connections import Connection
from observer.dissect import nanoseconds
from observer.messages import Frame


class PushSettings:
    """The values of SETTINGS_ENABLE_PUSH (RFC 9113, section 6.5.2) on one link of a capture, read from the link's own
    file."""

    def __init__(self, captured: Captured, link: str) -> None:
        # Put together as the frames were (observer/tshark.py).
        command = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "http2.settings.enable_push"]
        command += ["-r", str(captured.folder / f"{link}.pcapng")]
        command += ["-T", "fields", "-e", "frame.time_epoch", "-e", "http2.settings.enable_push"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = (line.split("\t") for line in output.splitlines())
        self._values = {nanoseconds(time): [int(value, 0) for value in values.split(",")] for time, values in rows}

    def of_client(self, connection: Connection) -> list[tuple[Frame, int]]:
        """What the connection's client says, and where; nothing where it does not, and pushing is then allowed."""
        own = (frame for frame in connection.frames if connection.from_client(frame))
        return [(frame, value) for frame in own for value in self._values.get(frame.time_ns, ())]
