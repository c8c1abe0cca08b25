"""The observer's conversations with the rest of the lab: the tap's marks, the client's visits.

Only this module opens sockets to other services.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any

from hostkit.agent import PORT
from hostkit.spool_format import Position

_TAP_TIMEOUT_S = 5.0


class LabError(RuntimeError):
    """Another service of the lab did not do what was asked; the text says which, and what to look at."""


class RefusedError(ValueError):
    """An agent of the lab refused a request as malformed; the text is its own."""


@dataclass(frozen=True, slots=True)
class LinkMarks:
    """Where a visit lies in one link's spool: its sentinels, if recorded, stand between the two positions."""

    link: str
    begin: Position
    end: Position


class TapSession:
    """One visit's talk with the tap. Until it is closed, the spool keeps what the visit recorded.

    Raises:
        LabError: the tap does not answer, or refuses.
    """

    def __init__(self, path: str, visit: str) -> None:
        self._visit = visit
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TAP_TIMEOUT_S)
        try:
            self._socket.connect(path)
        except OSError as fault:
            self._socket.close()
            raise LabError(f"the tap does not answer on {path} ({fault.strerror}): see make logs HOST=tap") from fault
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def begin(self) -> None:
        """Return once the begin sentinel went out on every link."""
        self._ask("begin")

    def end(self) -> tuple[LinkMarks, ...]:
        """The visit's place in each link's spool, once the end sentinel is recorded there, or known to be lost."""
        links: dict[str, dict[str, dict[str, int]]] = self._ask("end")["links"]
        return tuple(LinkMarks(link, _position(m["begin"]), _position(m["end"])) for link, m in links.items())

    def _ask(self, operation: str) -> dict[str, Any]:
        try:
            self._socket.sendall(json.dumps({"op": operation, "visit": self._visit}).encode() + b"\n")
            line = self._lines.readline()
        except OSError as fault:
            raise LabError(f"the tap broke off at {operation}: {fault}: see make logs HOST=tap") from fault
        if not line:
            raise LabError(f"the tap closed the connection at {operation}: see make logs HOST=tap")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise LabError(f"the tap refused {operation}: {answer['error']}")
        return answer


def _position(mark: dict[str, int]) -> Position:
    return Position(mark["segment"], mark["offset"])


def ask_agent(host: str, address: str, route: str, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Send `request` to the agent of `host`; `route` is "POST /visits" or the like.

    Raises:
        RefusedError: the agent refused the request as malformed; the text is its own.
        LabError: the agent does not answer or failed.
    """
    method, path = route.split(" ")
    connection = http.client.HTTPConnection(address, PORT, timeout=timeout_s)
    try:
        connection.request(method, path, json.dumps(request), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as fault:
        raise LabError(f"the {host}'s agent does not answer ({fault}): see make logs HOST={host}") from fault
    finally:
        connection.close()
    if response.status == http.client.BAD_REQUEST:
        raise RefusedError(answer["error"])
    if response.status != http.client.OK:
        raise LabError(f"the {host}'s agent failed: {answer['error']}")
    return answer
