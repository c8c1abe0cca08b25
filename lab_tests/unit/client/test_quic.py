"""The QUIC client against the lab's own second server, both on this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.quic import Quic
from client.visit import Again, HttpVersion, Outcome, Program, Visit
from quicsite.server import serve_until

HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")


@dataclass(frozen=True)
class Site:
    port: int
    root: Path

    def visit(self, *paths: str, again: Again | None = None, timeout_s: float = 10.0) -> Outcome:
        urls = tuple(f"https://localhost:{self.port}{path}" for path in paths)
        quic = Quic("aioquic", self.root, self.root, HERE, THERE)
        asked = Visit("v1", urls, Program.AIOQUIC, HttpVersion.HTTP_3, again=again, timeout_s=timeout_s)
        return quic.visit(asked)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((str(HERE), 0))
        return int(probe.getsockname()[1])


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own root, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    chain, key = self_signed(tmp_path_factory.mktemp("pki"))
    port = free_port()
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()
    serving = serve_until(stopped, str(HERE), port, chain, key)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
    thread.start()
    yield Site(port, chain)
    loop.call_soon_threadsafe(stopped.set)
    thread.join()
    loop.close()


def labels(outcome: Outcome) -> list[str]:
    return [line.split()[0] for line in outcome.keylog.splitlines()]


def test_all_resources_come_over_one_connection(site: Site) -> None:
    outcome = site.visit("/bytes/100000", "/bytes/5", "/nothing")
    assert (outcome.exit_code, outcome.error) == (0, "")
    assert [(r.status, r.size_download, r.num_connects) for r in outcome.responses[:2]] == [
        (200, 100000, 1),
        (200, 5, 0),
    ]
    assert outcome.responses[2].status == 404
    assert labels(outcome).count("CLIENT_TRAFFIC_SECRET_0") == 1


@pytest.mark.parametrize("again", [Again.PORT, Again.ADDRESS])
def test_a_connection_goes_on_after_a_move(site: Site, again: Again) -> None:
    outcome = site.visit("/bytes/1000", again=again)
    assert outcome.error == ""
    assert [(r.status, r.num_connects) for r in outcome.responses] == [(200, 1), (200, 0)]
    assert labels(outcome).count("CLIENT_TRAFFIC_SECRET_0") == 1


@pytest.mark.parametrize(("again", "early"), [(Again.RESUMED, 0), (Again.EARLY, 1)])
def test_a_session_is_resumed_by_a_second_connection(site: Site, again: Again, early: int) -> None:
    outcome = site.visit("/bytes/1000", again=again)
    assert outcome.error == ""
    assert [(r.status, r.num_connects) for r in outcome.responses] == [(200, 1), (200, 1)]
    assert labels(outcome).count("CLIENT_TRAFFIC_SECRET_0") == 2
    assert labels(outcome).count("CLIENT_EARLY_TRAFFIC_SECRET") == early


def test_a_server_that_does_not_prove_its_name_gets_no_request(site: Site, tmp_path: Path) -> None:
    other, _ = self_signed(tmp_path)
    outcome = Site(site.port, other).visit("/")
    assert outcome.exit_code == 1
    assert outcome.responses == ()
    assert "certificate" in outcome.error


def test_nobody_there_is_told_once_the_time_is_up(site: Site) -> None:
    outcome = Site(free_port(), site.root).visit("/", timeout_s=0.2)
    assert outcome.exit_code == 1
    assert outcome.error.startswith("aioquic: ")
