"""A server that tells its own ephemeral keys, on the edge link for as long as an experiment needs it.

HAProxy and OpenSSL reveal none of theirs: nobody could compare both sides. So this is the glass box's server half
(services/client/glassbox/serve.py) on a host of its own, reached by name over the same links.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker.types import LogConfig

from live_lab import Lab
from waiting import wait_until

URL = "https://glass.parseltongue.co.in/"
HOST = "glass.parseltongue.co.in"
_PORT = 443
_CAPABILITIES = ["NET_ADMIN", "SETUID", "SETGID", "SETPCAP"]  # to join the network, then given up (compose.yaml)


class GlassHost:
    """The running server."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def end(self) -> dict[str, Any]:
        """What it said of its first TLS connection, once that has ended: `end`, and `intermediates` by name.

        It says so after its client may have gone, and Docker passes it on in its own time.
        """
        return wait_until(self._ends, 10, "the glass host says how its connection ended")[0]

    def _ends(self) -> list[dict[str, Any]]:
        whole, _, _ = self._container.logs(stderr=False).decode().rpartition("\n")
        lines = [json.loads(line) for line in whole.splitlines()]
        return [
            {"end": line["end"], "intermediates": {name: bytes.fromhex(value) for name, value in line["intermediates"]}}
            for line in lines
            if line.get("intermediates")
        ]


@contextmanager
def glass_host(lab: Lab, key: str = "glass") -> Iterator[GlassHost]:
    """Start it, wait until it listens, and remove it in the end. It shows its own certificate and proves itself with
    the private key of `key`, a row of the lab's catalogue: another's makes it an impostor."""
    address = lab.topology.address("glass", "edge")
    files = ["/pki/own/glass.pem", f"/pki/own/{key}.pem"]
    with _host(lab, ["python3", "-m", "glassbox.serve", address, str(_PORT), *files], b"listening") as container:
        yield GlassHost(container)


@contextmanager
def openssl_host(lab: Lab, *options: str) -> Iterator[None]:
    """In its place and with its certificate, `openssl s_server` with options that no other server here has."""
    own = ["-accept", str(_PORT), "-cert_chain", "/pki/own/glass.pem", "-cert", "/pki/own/glass.pem"]
    command = ["openssl", "s_server", "-www", *own, "-key", "/pki/own/glass.pem", *options]
    with _host(lab, command, b"ACCEPT"):
        yield


@contextmanager
def _host(lab: Lab, command: list[str], ready: bytes) -> Iterator[Any]:
    """A host on the edge link, once it has said `ready`."""
    address = lab.topology.address("glass", "edge")
    client, name = lab.container("client"), f"{lab.name}-glass"
    logs = client.attrs["HostConfig"]["LogConfig"]
    for left in lab.docker.containers.list(all=True, filters={"name": f"^/{name}$"}):
        left.remove(force=True)  # of a run that was killed
    container = lab.docker.containers.create(
        client.image.id,
        command,
        name=name,
        labels=_labels(client),
        hostname="glass",
        environment={"DEFAULT_VIA": lab.topology.address("isp", "edge")},
        cap_drop=["ALL"],
        cap_add=_CAPABILITIES,
        security_opt=["no-new-privileges:true"],
        read_only=True,
        mem_limit="128m",
        pids_limit=64,
        log_config=LogConfig(type=logs["Type"], config=logs["Config"]),
        sysctls={"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv4.ip_unprivileged_port_start": "0"},
        volumes={f"{lab.name}_pki-balancer": {"bind": "/pki/own", "mode": "ro"}},
        network="none",
    )
    try:
        lab.docker.networks.get("none").disconnect(container)
        lab.docker.networks.get(f"{lab.name}_edge").connect(container, ipv4_address=address)
        container.start()
        wait_until(lambda: _has_said(container, ready), 10, "the host in the glass host's place is ready")
        yield container
    finally:
        container.remove(force=True)


def _labels(client: Any) -> dict[str, str]:
    """Those by which `make down` finds what belongs to the lab. Like what `compose run` starts, it is no host of it."""
    kept = ("com.docker.compose.project", "com.docker.compose.project.working_dir")
    return {name: client.labels[name] for name in kept} | {
        "com.docker.compose.service": "glass",
        "com.docker.compose.oneoff": "True",
    }


def _has_said(container: Any, ready: bytes) -> bool:
    container.reload()
    assert container.status == "running", f"the host ended: {container.logs().decode()}"
    return ready in container.logs(stderr=False)
