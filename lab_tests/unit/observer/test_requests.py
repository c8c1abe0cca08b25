"""What `make visit` accepts, and what it says to the rest."""

from __future__ import annotations

import pytest

from observer.comparing import requests_for_all
from observer.topology import TopologyError, from_environment
from observer.visit import VisitRequest


def test_nothing_asked_is_the_site_over_http2() -> None:
    assert VisitRequest.from_json({}) == VisitRequest("https://parseltongue.co.in/", "2", None, "curl")


def test_plain_http_is_http_1_unless_asked_otherwise() -> None:
    assert VisitRequest.from_json({"url": "http://parseltongue.co.in/"}).http == "1.1"


def test_any_request_can_be_made() -> None:
    asked = VisitRequest.from_json({"method": "PUT", "headers": "Accept: */* | X-Empty: | A: b:c", "body": "hello"})
    assert (asked.method, asked.body) == ("PUT", "hello")
    assert asked.headers == (("Accept", "*/*"), ("X-Empty", ""), ("A", "b:c"))


def test_a_body_alone_is_a_post() -> None:
    assert VisitRequest.from_json({"body": "hello"}).method == "POST"


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"url": "parseltongue.co.in"}, "URL=parseltongue.co.in: expected http://NAME"),
        ({"url": "ftp://parseltongue.co.in/"}, "expected http://NAME"),
        ({"http": "4"}, "HTTP=4: expected 1.1, 2 or 3"),
        ({"tls": "1.1"}, "TLS=1.1: expected 1.2 or 1.3"),
        ({"with": "lynx"}, "WITH=lynx: expected curl, browser or glassbox"),
        ({"headers": "Accept"}, "HEADERS=Accept: expected Name: value"),
        ({"http": "3", "tls": "1.2"}, "QUIC carries TLS 1.3 only"),
        ({"url": "http://parseltongue.co.in/", "http": "2"}, "ask for https://parseltongue.co.in/"),
    ],
)
def test_what_no_visit_can_be_is_refused_in_one_line(request_: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("?", ".")) as refusal:
        VisitRequest.from_json(request_)
    assert "\n" not in str(refusal.value)


def test_all_versions_are_asked_for_the_same_ten_each_in_its_own_way() -> None:
    found = requests_for_all({"http": "all"})
    assert [(r.http, r.parallel, len(r.more_urls)) for r in found] == [
        ("1.1", False, 9),
        ("2", True, 9),
        ("3", True, 9),
    ]
    assert len({(r.url, r.more_urls) for r in found}) == 1
    assert sum("/slow" in url for url in found[0].more_urls) == 1


def test_one_resource_and_a_browsers_page_are_asked_for_as_ever() -> None:
    assert not any(r.parallel for r in requests_for_all({"url": "https://parseltongue.co.in/"}))
    assert [(r.url, r.parallel) for r in requests_for_all({"with": "browser"})] == [
        ("https://parseltongue.co.in/", False)
    ] * 3


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"frames": True}, "HTTP=all FRAMES=1: a comparison has no ladder"),
        ({"with": "glassbox"}, "HTTP=all WITH=glassbox: it speaks HTTP/1.1 only"),
        ({"tls": "1.2"}, "QUIC carries TLS 1.3 only"),
        ({"url": "http://parseltongue.co.in/"}, "ask for https://parseltongue.co.in/"),
    ],
)
def test_what_not_every_version_can_do_is_refused(request_: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        requests_for_all(request_)


def test_the_topology_is_read_from_composes_variables() -> None:
    found = from_environment(
        {"LAB": "x", "ADDR_ORIGIN_1_BACKEND": "10.0.4.11", "ADDR_NS_IN_INTERNET": "10.0.2.5", "PATH": "/"}
    )
    assert found.address("origin-1", "backend") == "10.0.4.11"
    assert found.name("10.0.2.5") == "ns-in"
    assert found.name("10.9.9.9") == "10.9.9.9"
    with pytest.raises(TopologyError, match="client has no address on home"):
        found.address("client", "home")
    with pytest.raises(TopologyError, match="no ADDR_"):
        from_environment({"PATH": "/"})
