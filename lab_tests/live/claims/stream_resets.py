"""Why an HTTP/2 stream was ended before its time: the error codes of RST_STREAM, which frames here do not carry."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from captured import Captured
from observer.dissect import nanoseconds
from observer.exchanges import Exchange
from observer.messages import Frame

_RST_STREAM = 3  # RFC 9113, section 6.4
_NAMES = {0x00: "NO_ERROR", 0x02: "INTERNAL_ERROR", 0x07: "REFUSED_STREAM", 0x08: "CANCEL"}  # RFC 9113, section 7


@dataclass(frozen=True, slots=True)
class Reset:
    """The server's RST_STREAM on an exchange's stream."""

    frame: Frame
    code: int

    @property
    def name(self) -> str:
        """As in RFC 9113, section 7; the number of one that nobody here has met."""
        return _NAMES.get(self.code, f"error {self.code:#x}")


class StreamResets:
    """The RST_STREAM frames on one link of a capture, read from the link's own file."""

    def __init__(self, captured: Captured, link: str) -> None:
        fields = ("frame.time_epoch", "http2.rst_stream.error")
        # Put together as the frames were: or a stream that came out of order ends somewhere else.
        command = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", f"http2.type == {_RST_STREAM}"]
        command += [
            "-r",
            str(captured.folder / f"{link}.pcapng"),
            "-T",
            "fields",
            *(argument for name in fields for argument in ("-e", name)),
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = (line.split("\t") for line in output.splitlines())
        self._codes = {nanoseconds(time): [int(code, 0) for code in codes.split(",")] for time, codes in rows}

    def of(self, exchange: Exchange) -> Reset | None:
        """How the server reset the exchange's stream; None where it did not."""
        for frame in exchange.connection.frames:
            reset = [
                stream
                for kind, stream in zip(frame.http2_frame_types, frame.http2_stream_ids, strict=True)
                if kind == _RST_STREAM
            ]
            if exchange.request.stream in reset and exchange.connection.from_server(frame):
                return Reset(frame, self._codes[frame.time_ns][reset.index(exchange.request.stream)])
        return None
