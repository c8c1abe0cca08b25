"""The client addresses lab sites and nothing else."""

from __future__ import annotations

import pytest

from client.destinations import Origin, check_address, check_url, lab_network
from hostkit.agent import BadRequest

LAB = lab_network("10.77")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://parseltongue.co.in", Origin("https", "parseltongue.co.in", 443)),
        ("http://parseltongue.co.in/", Origin("http", "parseltongue.co.in", 80)),
        ("https://WWW.Parseltongue.co.in.:8443/a%20b?c=d#e", Origin("https", "www.parseltongue.co.in.", 8443)),
        ("https://10.77.3.10/orders?n=[1-3]", Origin("https", "10.77.3.10", 443)),
        ("http://xn--bcher-kva.in?q", Origin("http", "xn--bcher-kva.in", 80)),
    ],
)
def test_a_url_into_the_lab_has_an_origin(url: str, origin: Origin) -> None:
    assert check_url(url, LAB) == origin


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("", "is not http"),
        ("parseltongue.co.in", "is not http"),
        ("file:///etc/passwd", "is not http"),
        ("HTTPS://parseltongue.co.in/", "is not http"),
        ("-o/tmp/x", "is not http"),
        ("https://user:pw@parseltongue.co.in/", "no user information"),
        ("https://parseltongue.co.in/a b", "is not http"),
        ("https://parseltongue.co.in/\n", "is not http"),
        ("https://parseltongue.co.in/₹", "is not http"),
        ("https://parseltongue.co.in\\@10.77.3.10/", "is not http"),
        ("https://[::1]/", "is not http"),
        ("https://parseltongue.co.in:0/", "port 0"),
        ("https://parseltongue.co.in:65536/", "port 65536"),
        ("https://-a.in/", "neither a domain name"),
        ("https://a..in/", "neither a domain name"),
        (f"https://{'a' * 64}.in/", "neither a domain name"),
        (f"https://{'a.' * 127}in/", "neither a domain name"),
        ("https://parseltongue.co.in/" + "a" * 8000, "at most 8000"),
    ],
)
def test_what_is_no_plain_url_is_refused(url: str, because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        check_url(url, LAB)


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "a.localhost", "client"])
def test_a_name_that_the_labs_resolver_is_not_asked_for_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="names a machine"):
        check_url(f"http://{host}/", LAB)


@pytest.mark.parametrize("host", ["8.8.8.8", "127.0.0.1", "10.78.0.1", "10.76.255.255"])
def test_an_address_outside_the_lab_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match=r"lies outside the lab, 10\.77\.0\.0/16"):
        check_url(f"http://{host}/", LAB)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "010.077.003.010", "a.0x", "10.77.3.10."]
)
def test_an_address_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="dotted-quad"):
        check_url(f"http://{host}/", LAB)


def test_the_lab_is_a_slash_16() -> None:
    assert str(check_address("10.77.255.255", LAB)) == "10.77.255.255"
    with pytest.raises(ValueError, match=r"10\.0\.0"):
        lab_network("10")
