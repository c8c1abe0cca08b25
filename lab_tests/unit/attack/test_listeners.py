"""The isp's servers, over the loopback interface: what clients are told, and what the isp gets to see."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Network

import pytest
from dnslib import DNSRecord

from attack.boundary import Place
from attack.forging_resolver import ForgingResolver
from attack.impostor import PAGE, ImpostorServer
from attack.overheard import Ear
from attack.redirection import DNS_PORT, HTTP_PORT, HTTPS_PORT
from programs_here import require

HERE = IPv4Address("127.0.0.1")


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def plain(ear: Ear) -> Iterator[ImpostorServer]:
    server = ImpostorServer(HERE, "http", ear)
    yield server
    server.end()


@pytest.fixture
def secure(ear: Ear) -> Iterator[ImpostorServer]:
    require("openssl")
    server = ImpostorServer(HERE, "https", ear)
    yield server
    server.end()


def heard(ear: Ear) -> list[tuple[str, str]]:
    """By whom and what, once there is something: a listener's thread may be a moment behind its client."""
    end = time.monotonic() + 5
    while not (found := ear.as_json()):
        assert time.monotonic() < end, "nothing was overheard"
        time.sleep(0.01)
    return [(entry["by"], entry["what"]) for entry in found]


@pytest.mark.usefixtures("plain")
def test_a_request_is_answered_with_the_isps_page_and_overheard_whole(ear: Ear) -> None:
    with closing(http.client.HTTPConnection(str(HERE), HTTP_PORT, timeout=5)) as connection:
        connection.request("POST", "/login", b"password=wonderland", {"Cookie": "session=7"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, PAGE)

    (entry,) = ear.as_json()
    assert (entry["by"], entry["what"]) == ("impostor http", "request")
    assert entry["text"].startswith("POST /login\n")
    assert "Cookie: session=7" in entry["text"]
    assert entry["text"].endswith("\n\npassword=wonderland")


@pytest.mark.parametrize("keeps", [True, False], ids=["kept connection", "new connection"])
def test_the_last_word_is_overheard_by_when_the_server_has_ended(ear: Ear, keeps: bool) -> None:
    server = ImpostorServer(HERE, "http", ear)
    with socket.create_connection((str(HERE), HTTP_PORT), timeout=5) as connection:
        if keeps:
            connection.sendall(b"GET /first HTTP/1.1\r\n\r\n")
            assert connection.recv(1000)
        connection.sendall(b"GET /last HTTP/1.1\r\n\r\n")
        server.end()
    assert [entry["text"].split()[1] for entry in ear.as_json()] == ["/first"] * keeps + ["/last"]


def test_the_last_question_is_overheard_by_when_the_forging_resolver_has_closed(ear: Ear) -> None:
    place = Place(IPv4Network("127.0.0.0/16"), HERE, HERE, HERE, HERE)
    resolver = ForgingResolver(place, {"forged.example": HERE}, ear)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(20):
            client.sendto(DNSRecord.question("forged.example").pack(), (str(HERE), DNS_PORT))
        resolver.close()
    assert [entry["text"] for entry in ear.as_json()] == ["forged.example type 1"] * 20


@pytest.mark.usefixtures("secure")
def test_a_client_that_checks_certificates_sends_no_request(ear: Ear) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection((str(HERE), HTTPS_PORT), timeout=5) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in certificate chain"),
    ):
        context.wrap_socket(connection, server_hostname="parseltongue.co.in")

    assert heard(ear) == [("impostor https", "handshake failed")]


@pytest.mark.usefixtures("secure")
def test_the_certificate_has_the_sites_names_and_whoever_does_not_check_is_answered(ear: Ear) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(http.client.HTTPSConnection(str(HERE), HTTPS_PORT, timeout=5, context=context)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().read() == PAGE

    assert heard(ear) == [("impostor https", "request")]
