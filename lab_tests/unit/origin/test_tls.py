"""The TLS context over real connections: resumption, the key log, rolling, renewed certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from origin.key_log_files import KEEP_S, LARGEST_FILE, ROLL_AFTER_S
from origin.tls import RETRY_AFTER_S, RollingContext
from pki.authority import run
from pki.catalogue import CATALOGUE
from pki.files import Store

NAME = "origin-1.parseltongue.co.in"


@dataclass
class Clock:
    now: float = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Lab:
    """An origin's folders and its clock."""

    root: Path
    clock: Clock

    @property
    def certificate(self) -> Path:
        return self.root / "origin-1/origin-1.pem"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    def contexts(self) -> RollingContext:
        return RollingContext(self.certificate, self.keys, "origin-1", self.clock)

    def logs(self) -> list[str]:
        return sorted(path.name for path in self.keys.iterdir())

    def issue(self) -> None:
        list(run(Store(self.root), CATALOGUE, datetime.now(UTC).replace(microsecond=0)))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    for folder in ("ca", "public", "balancer", "origin-1", "origin-2", "quic", "keys"):
        (tmp_path / folder).mkdir()
    made = Lab(tmp_path, Clock())
    made.issue()
    return made


@dataclass(frozen=True)
class Visit:
    version: str | None
    resumed: bool
    alpn: str | None
    serial: int
    session: ssl.SSLSession | None


def visit(lab: Lab, server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Visit:
    """One verified connection over a socket pair; the server sends a byte, so that tickets arrive."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as connection:
            connection.sendall(b".")
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname=NAME, session=session) as connection:
        connection.recv(1)
        der = connection.getpeercert(binary_form=True)
        assert der is not None
        serial = x509.load_der_x509_certificate(der).serial_number
        found = Visit(
            connection.version(),
            bool(connection.session_reused),
            connection.selected_alpn_protocol(),
            serial,
            connection.session,
        )
        connection.sendall(b".")
    thread.join(5)
    return found


def client_context(lab: Lab) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=lab.root / "public/root.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_the_context_stays_the_same_between_connections_so_sessions_resume(lab: Lab) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    first = visit(lab, contexts.current(), client)
    lab.clock.now += ROLL_AFTER_S - 1
    second = visit(lab, contexts.current(), client, first.session)
    assert (first.resumed, second.resumed) == (False, True)
    assert (first.version, first.alpn) == ("TLSv1.3", "h2")


def test_tls_1_2_is_spoken_and_1_1_is_not(lab: Lab) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert visit(lab, contexts.current(), client).version == "TLSv1.2"
    assert contexts.current().minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_key_log_has_the_secrets_of_each_connection_at_once(lab: Lab) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    visit(lab, contexts.current(), client)
    (name,) = lab.logs()
    labels = [line.split()[0] for line in (lab.keys / name).read_text().splitlines() if not line.startswith("#")]
    assert name == "origin-1.1900000000.log"
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"} <= set(labels)


def test_after_ten_minutes_secrets_go_to_a_new_file(lab: Lab) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    old = contexts.current()
    lab.clock.now += ROLL_AFTER_S
    assert contexts.current() is not old
    visit(lab, contexts.current(), client)
    assert lab.logs() == ["origin-1.1900000000.log", "origin-1.1900000600.log"]
    assert (lab.keys / "origin-1.1900000600.log").stat().st_size > 500


def test_a_full_file_is_followed_by_the_next(lab: Lab) -> None:
    contexts = lab.contexts()
    old = contexts.current()
    with (lab.keys / "origin-1.1900000000.log").open("ab") as file:
        file.truncate(LARGEST_FILE)
    assert contexts.current() is old
    lab.clock.now += 1
    assert contexts.current() is not old


def test_a_file_somebody_removed_is_followed_by_the_next(lab: Lab) -> None:
    contexts = lab.contexts()
    (lab.keys / "origin-1.1900000000.log").unlink()
    lab.clock.now += 1
    contexts.current()
    assert lab.logs() == ["origin-1.1900000001.log"]


def test_own_files_of_more_than_two_hours_ago_go_and_others_stay(lab: Lab) -> None:
    for name in ("origin-1.1800000000.log", "origin-2.1800000000.log", "notes.txt"):
        (lab.keys / name).touch()
    contexts = lab.contexts()
    assert lab.logs() == ["notes.txt", "origin-1.1900000000.log", "origin-2.1800000000.log"]
    lab.clock.now += KEEP_S + 1
    contexts.current()
    assert lab.logs() == ["notes.txt", "origin-1.1900007201.log", "origin-2.1800000000.log"]


def test_a_renewed_certificate_comes_in_with_the_next_file(lab: Lab) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    before = visit(lab, contexts.current(), client).serial
    (lab.root / "public/origin-1.pem").unlink()
    lab.issue()
    assert visit(lab, contexts.current(), client).serial == before
    lab.clock.now += ROLL_AFTER_S
    assert visit(lab, contexts.current(), client).serial != before


def test_a_certificate_that_cannot_be_read_leaves_the_old_one_in_use(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    contexts, client = lab.contexts(), client_context(lab)
    old = contexts.current()
    whole = lab.certificate.read_bytes()
    lab.certificate.chmod(0o600)
    lab.certificate.write_bytes(whole[:300])
    lab.clock.now += ROLL_AFTER_S
    for _ in range(5):
        assert contexts.current() is old
    assert [record.message.partition(":")[0] for record in caplog.records] == [str(lab.certificate)]
    visit(lab, contexts.current(), client)
    lab.certificate.write_bytes(whole)
    lab.clock.now += RETRY_AFTER_S + 1
    assert contexts.current() is not old


def test_without_a_certificate_an_origin_does_not_start(lab: Lab) -> None:
    lab.certificate.unlink()
    with pytest.raises(FileNotFoundError):
        lab.contexts()


def test_many_threads_get_one_context(lab: Lab) -> None:
    contexts = lab.contexts()
    lab.clock.now += ROLL_AFTER_S
    found: list[ssl.SSLContext] = []
    threads = [threading.Thread(target=lambda: found.append(contexts.current())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
