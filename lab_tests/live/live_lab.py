"""The running lab, as its tests drive it: visits and recordings to ask for, hosts to stop, faults to put in."""

from __future__ import annotations

import base64
import socket
from pathlib import Path
from typing import Any, Self

import docker

from attacks import Attacks
from captured import Captured, Visited, link_captures
from faults import Faults
from observer.lab import ask_agent
from observer.steps import LinkCapture
from observer.topology import Topology

__all__ = ["CAPTURES", "SITE", "Attacks", "Captured", "Faults", "Lab", "Recording", "Visited"]

SITE = "https://parseltongue.co.in/"
CAPTURES = Path("/captures")


class Lab:
    """The running lab."""

    def __init__(self, topology: Topology, name: str) -> None:
        self.topology = topology
        self.name = name
        self.docker = docker.from_env()

    def visit(self, url: str = SITE, *, http: str = "2", tls: str | None = None, with_: str = "curl") -> Visited:
        """Have the observer perform a visit, as `make visit` does."""
        answer = self.ask_observer({"url": url, "http": http, "tls": tls, "with": with_})
        return Visited(CAPTURES / Path(answer["folder"]).name, answer["exit_code"])

    def recording(self, about: str, *, moving: bool = False) -> Recording:
        """Record every link while a `with` block runs; `about` says in a few words what the recording shows.

        With `moving` a connection changes its end meanwhile: each link may have one flow whose opening is another's.
        """
        return Recording(self, about, moving)

    def faults(self, *sentences: str) -> Faults:
        """Faults of the isp while a `with` block runs: "drop the 3rd data segment from balancer to client"."""
        return Faults(self.ask_isp, sentences, self.topology.address("router", "internet"))

    def attacks(self, *orders: dict[str, Any]) -> Attacks:
        """Have the isp attack its customers while a `with` block runs; services/router/README.md has the orders."""
        return Attacks(self.ask_isp, orders)

    def ask_isp(self, route: str, request: dict[str, Any]) -> dict[str, Any]:
        return ask_agent("isp", self.topology.address("isp", "control"), route, request, timeout_s=30)

    def ask_observer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The observer's answer to a request for a visit. Raises ValueError for one that it refuses."""
        return self.post("/api/visits", request)

    def post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """The observer's answer to a POST."""
        return ask_agent("observer", self.topology.address("observer", "control"), f"POST {path}", request, 60)

    def ask_client(self, route: str, request: dict[str, Any]) -> dict[str, Any]:
        return ask_agent("client", self.topology.address("client", "control"), route, request, timeout_s=30)

    def datagram(
        self, host: str, port: int, payload: bytes, timeout_s: float = 2.0, *, link: str = "internet"
    ) -> bytes | None:
        """Send one UDP datagram from the client to `host` on `link`; the reply, or None if there was none."""
        to = self.topology.address(host, link)
        request = {"to": to, "port": port, "payload": payload.hex(), "timeout_s": timeout_s}
        reply = self.ask_client("POST /datagrams", request)["reply"]
        return None if reply is None else bytes.fromhex(reply)

    def container(self, host: str) -> Any:
        return self.docker.containers.get(f"{self.name}-{host}")

    def containers(self) -> list[Any]:
        own = {"label": f"com.docker.compose.project={self.name}"}
        return list(self.docker.containers.list(filters=own))

    def runtime_command(self, command: str) -> str:
        """HAProxy's answer to a command of its runtime API."""
        with socket.create_connection((self.topology.address("balancer", "control"), 9999), timeout=5) as connection:
            connection.sendall(command.encode() + b"\n")
            with connection.makefile("r") as answer:
                return answer.read()

    def wait_until_healthy(self, host: str) -> None:
        """Ask the host's own `healthy` until it passes, as `make up` does."""
        script = "until why=$(healthy 2>&1); do sleep 0.1; done"
        code, output = self.container(host).exec_run(["timeout", "30", "sh", "-c", script])
        assert code == 0, f"{host} does not become healthy: {output.decode()}"


class Recording(Captured):
    """What the links carry while its `with` block runs; the frames are there once the block has ended."""

    def __init__(self, lab: Lab, about: str, moving: bool) -> None:
        self._lab = lab
        self._about = about
        self._moving = moving
        self._name = ""
        self._keylogs: list[str] = []
        self._ended: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._name = self._lab.post("/api/recordings", {})["recording"]
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        request = {"keylog": "".join(self._keylogs), "about": self._about}
        self._ended = self._lab.post(f"/api/recordings/{self._name}/end", request)
        if fault is None:
            missing = {link["link"]: link["reasons"] for link in self._ended["capture"] if not link["complete"]}
            if self._moving:
                missing = {link: reasons for link, reasons in missing.items() if not _only_moved(reasons)}
            assert not missing, f"the capture is incomplete: {missing}"

    def visit(self, urls: str | list[str] = SITE, **options: Any) -> dict[str, Any]:
        """Have the client make a visit, as `POST /visits` of its agent says (services/client/README.md): `http`,
        `tls`, `with_`, `method`, `headers`, `body`, `parallel`, `follow`, `trust`, ... The client's own answer."""
        request = {name.rstrip("_"): value for name, value in options.items()}
        request |= {"id": f"{self._name}-{len(self._keylogs)}", "urls": [urls] if isinstance(urls, str) else urls}
        answer = self._lab.ask_client("POST /visits", request)
        self.add_keys(answer["keylog"])
        return answer

    def add_keys(self, keylog: str) -> None:
        """TLS secrets (NSS key log) of a client that somebody else ran."""
        self._keylogs.append(keylog if keylog.endswith("\n") or not keylog else f"{keylog}\n")

    def attach(self, name: str, content: bytes | str) -> None:
        """Put a table or a picture that was made of the ended recording into its folder."""
        data = content.encode() if isinstance(content, str) else content
        request = {"name": name, "base64": base64.b64encode(data).decode()}
        self._lab.post(f"/api/recordings/{self.folder.name}/files", request)

    @property
    def folder(self) -> Path:
        assert self._ended, "the recording has not ended: look at its frames after the `with` block"
        return CAPTURES / Path(self._ended["folder"]).name

    @property
    def capture(self) -> tuple[LinkCapture, ...]:
        assert self._ended, "the recording has not ended"
        return link_captures(self._ended["capture"])

    @property
    def began_ns(self) -> int:
        assert self._ended, "the recording has not ended"
        return int(self._ended["began_ns"])


def _only_moved(reasons: list[str]) -> bool:
    """Whether all that is said to be missing is the opening of one flow."""
    return len(reasons) == 1 and " was open before: no opening in " in reasons[0]
