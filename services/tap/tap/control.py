"""The tap's Unix socket: one JSON object a line, one visit a connection.

It is served by threads of its own, not by the sniff loop. A visit is a conversation whose second answer waits
for a frame to be recorded: straight-line code for a thread, a second state machine inside scapy's loop,
whose set of sockets cannot grow once it runs. The threads sleep in the kernel between two lines.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostkit.spool_format import Position
from tap.recorder import Recorder, Refused
from tap.visits import LinkSlice

LONGEST_LINE = 4096  # bytes
_MODE = 0o660  # whoever is in the group may use it


class Conversation:
    """What one connection has said so far, and the answers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._visit: str | None = None

    def answer(self, line: bytes) -> dict[str, Any]:
        """The answer to one line; a request that makes no sense gets {"ok": false, "error": ...}."""
        try:
            return {"ok": True, **self._carry_out(_request(line))}
        except Refused as refusal:
            return {"ok": False, "error": str(refusal)}

    def close(self) -> None:
        """The connection is gone: its visit's records may be recycled."""
        if self._visit is not None:
            self._recorder.release(self._visit)

    def _carry_out(self, request: Mapping[str, Any]) -> dict[str, Any]:
        match request:
            case {"op": "begin", "visit": str(visit)} if visit:
                if self._visit is not None:
                    raise Refused(f"this connection belongs to visit {self._visit!r}: open another one")
                sent_ns = self._recorder.begin(visit)
                self._visit = visit
                return {"sent_ns": sent_ns}
            case {"op": "end", "visit": str(visit)} if visit:
                if self._visit != visit:
                    raise Refused(f"visit {visit!r} was not begun on this connection")
                return {"links": {name: _link_json(part) for name, part in self._recorder.end(visit).items()}}
            case {"op": "status"}:
                links = {
                    name: {
                        "interface": link.interface,
                        "packets": link.packets,
                        "dropped": link.dropped,
                        "spool_bytes": link.spool_bytes,
                    }
                    for name, link in self._recorder.status().items()
                }
                return {"started_ns": self._recorder.started_ns, "links": links}
        raise Refused('expected {"op":"begin"|"end","visit":"<id>"} or {"op":"status"}')


class ControlServer:
    """Listens on a Unix socket; a thread a connection. Leaving the `with` block stops the listening."""

    def __init__(self, path: Path, recorder: Recorder) -> None:
        """Bind `path`, in place of a socket that a killed tap left behind. Raises OSError."""
        self._path, self._recorder = path, recorder
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        os.chmod(path, _MODE)
        self._listener.listen()

    def __enter__(self) -> ControlServer:
        threading.Thread(target=self._accept, name="control", daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which close alone would not
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # shut down
                return
            threading.Thread(target=self._converse, args=(connection,), name="visit", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        conversation = Conversation(self._recorder)
        with connection, connection.makefile("rb") as lines:
            try:
                while line := lines.readline(LONGEST_LINE):
                    connection.sendall(json.dumps(conversation.answer(line)).encode() + b"\n")
            except ConnectionError:
                pass  # a caller that leaves in mid-answer has said all it wants to say
            finally:
                conversation.close()


def _request(line: bytes) -> Mapping[str, Any]:
    if not line.endswith(b"\n"):
        raise Refused(f"a request is one line of at most {LONGEST_LINE} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise Refused(f"the request is not a JSON object but {type(request).__name__}")
    return request


def _link_json(part: LinkSlice) -> dict[str, Any]:
    return {
        "begin": _position_json(part.begin),
        "end": _position_json(part.end),
        "packets": part.packets,
        "dropped": part.dropped,
        "complete": part.complete,
        "reasons": list(part.reasons),
    }


def _position_json(position: Position) -> dict[str, int]:
    return {"segment": position.segment, "offset": position.offset}
