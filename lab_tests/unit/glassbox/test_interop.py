"""The glass box against other people's servers on loopback: OpenSSL's, GnuTLS's, and gunicorn with Python's ssl."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certified import certified
from glassbox.errand import Connections, Errand, Fetched, Opened, fetch
from glassbox.groups import Group
from glassbox.offer import PSK_KE, Offer
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3, KeyExchange
from programs_here import require

_APPLICATION = "def app(e, s):\n    s('200 OK', [('Content-Type', 'text/plain')])\n    return [b'hello']\n"


def openssl(port: int, certificate: Path, key: Path, *more: str) -> list[str]:
    files = ["-cert", str(certificate), "-key", str(key)]
    return ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *files, "-www", "-quiet", *more]


def gnutls(port: int, certificate: Path, key: Path, *more: str) -> list[str]:
    files = ["--x509certfile", str(certificate), "--x509keyfile", str(key)]
    return ["gnutls-serv", "--port", str(port), "--http", "--quiet", *files, *more]


def gunicorn(port: int, certificate: Path, key: Path, *more: str) -> list[str]:
    (certificate.parent / "hello.py").write_text(_APPLICATION)
    files = ["--certfile", str(certificate), "--keyfile", str(key), "--chdir", str(certificate.parent)]
    return [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "2", *files, "hello:app"]


@contextmanager
def serving(server: Callable[..., list[str]], folder: Path, kind: str, *more: str) -> Iterator[int]:
    """The port on which `server` listens with a certificate of `kind`; see `require` for where it is not installed."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = server(port, *certified(kind).write(folder), *more)
    require(command[0])
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, (folder / "log").read_text()
            yield port
        finally:
            process.kill()


def get(port: int, offer: Offer, times: int = 1) -> tuple[list[Fetched], list[Opened]]:
    urls = (f"https://localhost:{port}/",) * times
    roots = [certified("ecdsa").certificate, certified("rsa").certificate]
    how = Connections.RESUMED if times > 1 else Connections.FRESH
    # These certificates signed themselves, which path validation by browsers' rules refuses: here the handshake counts.
    fetched, opened = fetch(Errand(urls, offer, roots, connections=how, timeout_s=10, check_chain=lambda chain: None))
    assert [each.error for each in fetched] == [""] * times
    assert all(each.head and each.head.status == 200 and each.body for each in fetched)
    return fetched, opened


@pytest.mark.parametrize("server", [openssl, gnutls, gunicorn])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_every_group_and_suite_of_1_3(server: Callable[..., list[str]], kind: str, tmp_path: Path) -> None:
    offer = Offer("", versions=(TLS_1_3,))
    with serving(server, tmp_path, kind) as port:
        for group in (Group.X25519, Group.SECP256R1):
            _, (opened,) = get(port, replace(offer, groups=(group,), shares=(group,)))
            assert opened.completed and opened.completed.group == group.name.lower()
        for number in (0x1301, 0x1302, 0x1303):
            _, (opened,) = get(port, replace(offer, suites=(number,)))
            assert opened.completed and opened.completed.suite == SUITES[number].name


@pytest.mark.parametrize("server", [openssl, gnutls])
def test_finite_fields_and_a_retry_for_them(server: Callable[..., list[str]], tmp_path: Path) -> None:
    offer = Offer("", versions=(TLS_1_3,), groups=(Group.FFDHE2048,))
    with serving(server, tmp_path, "ecdsa") as port:
        for shares in ((Group.FFDHE2048,), ()):
            _, (opened,) = get(port, replace(offer, shares=shares))
            assert opened.completed and opened.completed.group == "ffdhe2048"
            retried = [each for each in opened.intermediates if each.name == "client_hello_1_hash"]
            assert len(retried) == (0 if shares else 1)


def test_the_short_tags_of_ccm(tmp_path: Path) -> None:
    suites = "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"
    with serving(openssl, tmp_path, "ecdsa", "-ciphersuites", suites, "-cipher", "ALL:@SECLEVEL=0") as port:
        for number in (0x1304, 0x1305):
            _, (opened,) = get(port, Offer("", versions=(TLS_1_3,), suites=(number,)))
            assert opened.completed and opened.completed.suite == SUITES[number].name


# Not gunicorn's: it makes a new context, and with it new ticket keys, for every connection.
@pytest.mark.parametrize("server", [openssl, gnutls])
@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_session_is_resumed(server: Callable[..., list[str]], version: int, tmp_path: Path) -> None:
    with serving(server, tmp_path, "ecdsa") as port:
        _, opened = get(port, Offer("", versions=(version,)), times=3)
        assert [each.completed.is_resumed for each in opened if each.completed] == [False, True, True]


def test_a_psk_may_stand_alone(tmp_path: Path) -> None:
    with serving(openssl, tmp_path, "ecdsa", "-allow_no_dhe_kex") as port:
        _, opened = get(port, Offer("", versions=(TLS_1_3,), psk_modes=(PSK_KE,)), times=2)
        assert [each.completed.group for each in opened if each.completed] == ["x25519", None]


@pytest.mark.parametrize("extended", [True, False], ids=["extended", "plain"])
@pytest.mark.parametrize("server", [openssl, gnutls])
def test_every_suite_of_1_2(server: Callable[..., list[str]], extended: bool, tmp_path: Path) -> None:
    """Each with both master secrets, and CBC with both orders of encryption and MAC."""
    more = {
        openssl: ("-cipher", "ALL:@SECLEVEL=0"),
        gnutls: ("--priority", "NORMAL:+RSA:+DHE-RSA:+AES-128-CBC:+AES-256-CBC:+SHA256:+SHA1"),
    }
    offer = Offer("", versions=(TLS_1_2,), extended_master_secret=extended, encrypt_then_mac=extended)
    for kind in ("ecdsa", "rsa"):
        with serving(server, tmp_path, kind, *more[server]) as port:
            for suite in SUITES.values():
                wants = "ECDSA" if suite.key_exchange is KeyExchange.ECDHE and "ECDSA" in suite.name else "RSA"
                if suite.version != TLS_1_2 or wants != kind.upper():
                    continue
                _, (opened,) = get(port, replace(offer, suites=(suite.number,)))
                assert opened.completed and opened.completed.suite == suite.name
