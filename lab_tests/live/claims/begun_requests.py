"""Requests that were begun, whether or not their content came whole: over HTTP/1.1 the dissector shows a message on the
frame that completes it, and one that breaks off nowhere."""

from __future__ import annotations

import re
import subprocess

from answers import Answer
from captured import Captured
from observer.dissect import nanoseconds
from observer.messages import Frame
from observer.topology import Topology

_REQUEST_ID = re.compile(r"x-request-id: ([0-9a-f-]{36})", re.IGNORECASE)


class BegunRequests:
    """Where the balancer sent each request on, read from the origins' link a second time: with header sections shown as
    they come. That reading misses what follows such a request on its connection, and so it only adds to the first."""

    def __init__(self, captured: Captured) -> None:
        # Put together as the frames were, but for the content (observer/tshark.py).
        settings = ("http.desegment_body:FALSE", "tcp.reassemble_out_of_order:TRUE")
        command = ["tshark", "-n", *(argument for setting in settings for argument in ("-o", setting))]
        command += ["-Y", "http.request", "-r", str(captured.folder / "backend.pcapng")]
        command += ["-T", "fields", "-e", "frame.time_epoch", "-e", "http.request.line"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        frames = {frame.time_ns: frame for frame in captured.on("backend")}
        self._frames: dict[str, list[Frame]] = {}
        for time, _, lines in (row.partition("\t") for row in output.splitlines()):
            for request_id in _REQUEST_ID.findall(lines):
                self._frames.setdefault(request_id, []).append(frames[nanoseconds(time)])

    def of(self, told: Answer) -> list[Frame]:
        """Where it was sent on, each time, under the id that its response has. Fails if it never was."""
        whole = {attempt.exchange.connection.number: attempt.exchange.request_frame for attempt in told.attempts}
        begun = {f.tcp.stream: f for f in self._frames.get(told.front.request_id or "", ()) if f.tcp}
        found = sorted((whole | begun).values(), key=lambda frame: frame.number)
        assert found, f"{told.front.request.path}: the balancer sent it to nobody"
        return found

    def tried(self, told: Answer, topology: Topology) -> tuple[str, ...]:
        """The origins that it was sent to."""
        return tuple(topology.name(frame.destination) for frame in self.of(told))
