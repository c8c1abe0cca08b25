"""POST /visits and its siblings: what is asked for, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from client.destinations import lab_network
from client.visit import Again, HttpVersion, Program, TlsVersion, Visit
from client.visit_request import Probe, read_probe, read_traceroute, read_visit
from hostkit.agent import BadRequest

LAB = lab_network("10.77")
SITE = "https://parseltongue.co.in/"


def visit(**request: Any) -> Visit:
    return read_visit({"id": "v1", "urls": [SITE], **request}, LAB)


def test_an_id_and_a_url_are_enough() -> None:
    assert visit() == Visit("v1", (SITE,), Program.CURL, HttpVersion.HTTP_2, None, "GET", (), None, 30.0)


def test_everything_can_be_said() -> None:
    asked = visit(
        **{"with": "curl", "http": "1.1", "tls": "1.2", "method": "POST", "timeout_s": 5, "body": "₹"},
        headers=[["Accept", " a/b "], ["X-Empty", ""]],
        follow=True,
        parallel=True,
        cookies=True,
        crl=True,
        trust=False,
    )

    assert asked == Visit(
        id="v1",
        urls=(SITE,),
        program=Program.CURL,
        http=HttpVersion.HTTP_1_1,
        tls=TlsVersion.TLS_1_2,
        method="POST",
        headers=(("Accept", "a/b"), ("X-Empty", "")),
        body="₹".encode(),
        timeout_s=5.0,
        follow=True,
        parallel=True,
        cookies=True,
        crl=True,
        trust=False,
    )


@pytest.mark.parametrize(
    ("request_part", "because"),
    [
        ({"id": ""}, "^id: "),
        ({"id": "../x"}, "^id: "),
        ({"id": 7}, "^id: "),
        ({"urls": []}, "^urls: expected a list of 1 to 100"),
        ({"urls": SITE}, "^urls: expected a list"),
        ({"urls": [SITE] * 101}, "^urls: expected a list"),
        ({"urls": [SITE, 7]}, "^urls: expected text, found 7"),
        ({"urls": [SITE, "https://8.8.8.8/"]}, "outside the lab"),
        ({"with": "wget"}, "^with: expected curl or browser or python or aioquic or glassbox, found 'wget'"),
        ({"http": 2}, "^http: expected 1.1 or 2 or 3, found 2"),
        ({"http": []}, "^http: expected"),
        ({"tls": "1.1"}, "^tls: expected 1.2 or 1.3"),
        ({"again": "later"}, "^again: expected port or address or resumed or early"),
        ({"method": "GET /"}, "^method: .* is not a token"),
        ({"method": ""}, "^method: "),
        ({"headers": {"a": "b"}}, "^headers: expected a list"),
        ({"headers": [["a"]]}, "^headers: expected .name, value."),
        ({"headers": [["a", 1]]}, "^headers: expected .name, value."),
        ({"headers": [["@/etc/passwd", "x"]]}, "is not a field name"),
        ({"headers": [["a:", "x"]]}, "is not a field name"),
        ({"headers": [["a", "b\r\nc: d"]]}, "control or wide character"),
        ({"headers": [["a", "₹"]]}, "control or wide character"),
        ({"body": ["x"]}, "^body: expected text or null, found list"),
        ({"timeout_s": 0}, "^timeout_s: "),
        ({"timeout_s": 301}, "^timeout_s: "),
        ({"timeout_s": True}, "^timeout_s: "),
        ({"timeout_s": float("nan")}, "^timeout_s: "),
        ({"follow": "yes"}, "^follow: expected true or false"),
        ({"colour": "red"}, "^unknown 'colour'; known: again, alt_svc, "),
    ],
)
def test_a_part_that_cannot_be_carried_out_is_named(request_part: dict[str, Any], because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        visit(**request_part)


@pytest.mark.parametrize(
    ("request_parts", "because"),
    [
        ({"http": "3", "urls": ["http://parseltongue.co.in/"]}, "use https instead of http://parseltongue"),
        ({"http": "3", "tls": "1.2"}, "always uses TLS 1.3"),
        ({"method": "HEAD", "body": ""}, "HEAD request carries none"),
        ({"with": "python", "http": "2"}, "speaks 1.1 only"),
        ({"with": "python", "http": "1.1", "parallel": True}, "one URL after the other"),
        ({"with": "browser", "method": "POST"}, "use curl for other requests"),
        ({"with": "browser", "body": ""}, "use curl for other requests"),
        ({"with": "browser", "parallel": True}, "one page after the other"),
        ({"with": "browser", "crl": True}, "does not read revocation lists"),
        ({"again": "port"}, "only aioquic can move"),
        ({"with": "python", "http": "1.1", "alt_svc": True}, "only a visit by curl or a browser"),
        ({"http": "1.1", "alt_svc": True}, "begins with HTTP/2"),
        ({"with": "browser", "http": "3", "alt_svc": True}, "begins with HTTP/2"),
        ({"with": "aioquic"}, "aioquic speaks version 3 only"),
        ({"with": "aioquic", "http": "3", "method": "POST"}, "aioquic only GETs"),
        ({"with": "aioquic", "http": "3", "urls": [SITE, "https://www.parseltongue.co.in/"]}, "one connection"),
    ],
)
def test_parts_that_exclude_each_other_are_refused(request_parts: dict[str, Any], because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        visit(**request_parts)


def test_a_quic_client_can_be_told_to_move() -> None:
    asked = visit(**{"with": "aioquic", "http": "3", "again": "address"})

    assert (asked.program, asked.again) == (Program.AIOQUIC, Again.ADDRESS)


def test_a_probe_is_read() -> None:
    probe = read_probe({"to": "10.77.2.53", "port": 53, "payload": "00ff", "timeout_s": 0.5}, LAB)

    assert probe == Probe(LAB[2 * 256 + 53], 53, b"\x00\xff", 0.5)


@pytest.mark.parametrize(
    ("request_part", "because"),
    [
        ({"to": "8.8.8.8"}, "outside the lab"),
        ({"to": None}, "^to: "),
        ({"port": 0}, "^port: "),
        ({"port": "53"}, "^port: "),
        ({"port": True}, "^port: "),
        ({"half_close": 1}, "^half_close: "),
        ({"payload": "0"}, "^payload: expected hexadecimal"),
        ({"payload": 0}, "^payload: expected hexadecimal"),
        ({"size": 1}, "^unknown 'size'"),
    ],
)
def test_a_probe_that_cannot_be_sent_is_refused(request_part: dict[str, Any], because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        read_probe({"to": "10.77.2.53", "port": 53, "payload": "", **request_part}, LAB)


def test_a_traceroute_needs_a_target_inside() -> None:
    assert str(read_traceroute({"to": "10.77.3.10"}, LAB)) == "10.77.3.10"
    with pytest.raises(BadRequest, match=r"^to: expected an IPv4 address, found None"):
        read_traceroute({}, LAB)
