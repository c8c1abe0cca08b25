"""The running lab, as its tests drive it: visits to ask for, hosts to restart, frames to read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import docker

from observer.lab import ask_agent
from observer.messages import Frame
from observer.topology import LINKS, Topology
from observer.tshark import dissect_file

SITE = "https://parseltongue.co.in/"
CAPTURES = Path("/captures")


@dataclass(frozen=True)
class Visited:
    """One visit's folder in captures/, as everybody gets it."""

    folder: Path
    exit_code: int

    @cached_property
    def journey(self) -> dict[str, Any]:
        document = json.loads((self.folder / "journey.json").read_text(encoding="utf-8"))
        told: dict[str, Any] = document["journey"]
        return told

    @cached_property
    def frames(self) -> list[Frame]:
        """Every frame of the visit, numbered as in journey.pcapng, dissected with nothing but what the files hold.

        Read from the links' own files: in one file with all links, Wireshark mixes up the copies of a QUIC connection.
        """
        with ThreadPoolExecutor() as pool:
            by_link = list(pool.map(lambda link: list(dissect_file(self.folder / f"{link}.pcapng", None, {})), LINKS))
        found = sorted((frame for frames in by_link for frame in frames), key=lambda frame: frame.time_ns)
        assert found, f"{self.folder} holds no frames: this test looked at nothing"
        return [replace(frame, number=number) for number, frame in enumerate(found, start=1)]

    def on(self, link: str) -> list[Frame]:
        found = [frame for frame in self.frames if frame.link == link]
        assert found, f"no frame on {link}: this test looked at nothing"
        return found

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.journey["steps"] if step["name"] == name)

    def frame(self, evidence: dict[str, Any]) -> Frame:
        """The frame that a step cites, by link and number."""
        cited: Frame = self.frames[evidence["frame"] - 1]
        assert (cited.number, cited.link) == (evidence["frame"], evidence["link"])
        return cited


class Lab:
    """The running lab."""

    def __init__(self, topology: Topology, name: str) -> None:
        self.topology = topology
        self.name = name
        self._docker = docker.from_env()

    def visit(self, url: str = SITE, *, http: str = "2", tls: str | None = None, with_: str = "curl") -> Visited:
        """Have the observer perform a visit, as `make visit` does."""
        answer = self.ask_observer({"url": url, "http": http, "tls": tls, "with": with_})
        return Visited(CAPTURES / Path(answer["folder"]).name, answer["exit_code"])

    def ask_observer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The observer's answer to a request for a visit. Raises ValueError for one that it refuses."""
        return ask_agent("observer", self.topology.address("observer", "control"), "POST /api/visits", request, 60)

    def ask_client(self, route: str, request: dict[str, Any]) -> dict[str, Any]:
        return ask_agent("client", self.topology.address("client", "control"), route, request, timeout_s=30)

    def datagram(self, host: str, port: int, payload: bytes, timeout_s: float = 2.0) -> bytes | None:
        """Send one UDP datagram from the client to `host` on internet; the reply, or None if there was none."""
        to = self.topology.address(host, "internet")
        request = {"to": to, "port": port, "payload": payload.hex(), "timeout_s": timeout_s}
        reply = self.ask_client("POST /datagrams", request)["reply"]
        return None if reply is None else bytes.fromhex(reply)

    def container(self, host: str) -> Any:
        return self._docker.containers.get(f"{self.name}-{host}")

    def containers(self) -> list[Any]:
        own = {"label": f"com.docker.compose.project={self.name}"}
        return list(self._docker.containers.list(filters=own))

    def wait_until_healthy(self, host: str) -> None:
        """Ask the host's own `healthy` until it passes, as `make up` does."""
        script = "until why=$(healthy 2>&1); do sleep 0.1; done"
        code, output = self.container(host).exec_run(["timeout", "30", "sh", "-c", script])
        assert code == 0, f"{host} does not become healthy: {output.decode()}"
