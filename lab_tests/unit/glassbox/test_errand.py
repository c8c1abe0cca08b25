"""URLs on loopback: what a host's name becomes in ClientHello and certificate, and names that are none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from glassbox.errand import Errand, Fetched, Opened, fetch
from glassbox.messages import ClientHello, Extension, find
from glassbox.offer import Offer
from glassbox.records import split_records
from glassbox.serve import attend
from glassbox.server import Identity
from pki.catalogue import CATALOGUE, SITE
from pki.profile import Identity as Issued
from pki.profile import issue

_TIMEOUT_S = 5.0
ROWS = {row.name: row for row in CATALOGUE}


@cache
def made() -> dict[str, Issued]:
    found: dict[str, Issued] = {}
    for name in ("root", "intermediate", "site"):
        found[name] = issue(ROWS[name], found, datetime.now(UTC))
    return found


def identity() -> Identity:
    site = made()["site"]
    assert isinstance(site.key, ec.EllipticCurvePrivateKey)
    return Identity([each.public_bytes(Encoding.DER) for each in (site.certificate, *site.sent)], site.key)


@dataclass
class Served:
    """The site on a port of loopback."""

    port: int
    server_names: list[bytes | None] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def play(self, listener: socket.socket, times: int) -> None:
        for _ in range(times):
            client, _ = listener.accept()
            with client:
                client.settimeout(_TIMEOUT_S)
                hello = split_records(client.recv(1 << 16, socket.MSG_PEEK))[0][0]
                extensions = ClientHello.read(hello.fragment[4:]).extensions
                self.server_names.append(find(extensions, Extension.SERVER_NAME))
                self.ends.append(attend(client, identity())[1])


@contextmanager
def serving(times: int = 1) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_TIMEOUT_S)
        served = Served(listener.getsockname()[1])
        thread = threading.Thread(target=served.play, args=(listener, times))
        thread.start()
        try:
            yield served
        finally:
            thread.join()


@pytest.fixture(autouse=True)
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up, of which every one leads to loopback."""
    found: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, *more: int) -> list[object]:
        found.append(host)
        return [*real("127.0.0.1", *more)]

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    return found


def get(*urls: str) -> tuple[list[Fetched], list[Opened]]:
    return fetch(Errand(urls, Offer(""), [made()["root"].certificate], timeout_s=_TIMEOUT_S))


def server_name(name: str) -> bytes:
    """RFC 6066, 3."""
    return bytes([0, len(name) + 3, 0, 0, len(name)]) + name.encode()


@pytest.mark.parametrize("dot", ["", "."])
def test_the_roots_dot_stands_neither_in_server_name_nor_in_the_certificate(dot: str, looked_up: list[str]) -> None:
    with serving() as served:
        (page,), (opened,) = get(f"https://{SITE}{dot}:{served.port}/")
    assert page.error == ""
    assert page.head and page.head.status == 200
    assert opened.completed
    assert served.server_names == [server_name(SITE)]
    assert looked_up[0] == f"{SITE}{dot}", "the name is looked up as it was given"


@pytest.mark.parametrize("host", [f"{SITE}..", "a..b", "a_b.example", "-a.example"])
def test_what_is_no_name_ends_its_url_alone_and_connects_to_nobody(host: str, looked_up: list[str]) -> None:
    with serving(2) as served:
        good = f"https://{SITE}:{served.port}/"
        (before, bad, after), opened = get(good, f"https://{host}:{served.port}/", good)
    assert (before.error, after.error) == ("", "")
    assert f"no certificate can be checked for {host.removesuffix('.')!r}: invalid domain name" in bad.error
    assert not bad.is_new_connection
    assert host not in looked_up
    assert served.ends == ["closed", "closed"], "the connection before was closed in order"
    assert len(opened) == 2


def test_an_address_is_no_server_name_and_the_sites_certificate_is_not_for_it() -> None:
    with serving() as served:
        (page,), (opened,) = get(f"https://127.0.0.1:{served.port}/")
    assert page.error.startswith("bad_certificate sent: Certificate: ")
    assert "no matching subjectAltName" in page.error
    assert opened.failure
    assert served.server_names == [None]
    assert served.ends == ["bad_certificate received"]


def test_an_address_that_stands_in_the_certificate_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(made(), "site", issued_to_loopback())
    with serving() as served:
        (page,), _ = get(f"https://127.0.0.1:{served.port}/")
    assert page.error == ""
    assert served.server_names == [None]


def issued_to_loopback() -> Issued:
    """The site's certificate with an address for names."""
    site, intermediate = made()["site"], made()["intermediate"]
    old = site.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(site.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for each in old.extensions:
        if not isinstance(each.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(each.value, each.critical)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(intermediate.key, hashes.SHA256())
    return Issued(site.key, certificate, site.sent)
