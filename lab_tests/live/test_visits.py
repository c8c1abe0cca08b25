"""Visits of every kind that `make visit` offers, several at once among them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest

from live_lab import SITE, Lab, Visited
from observer.document import schema

PNG = b"\x89PNG\r\n\x1a\n"


def test_every_visit_follows_the_published_schema(ordinary_visit: Visited) -> None:
    document = json.loads((ordinary_visit.folder / "journey.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema())


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_tls_version_asked_for_is_the_one_on_the_wire(lab: Lab, version: str) -> None:
    visited = lab.visit(tls=version)
    assert visited.step("TLS")["facts"]["version"] == f"TLS {version}"
    assert visited.step("response")["facts"]["status"] == 200


@pytest.mark.parametrize("version", ["1.1", "2", "3"])
def test_a_browser_renders_what_it_fetched(lab: Lab, version: str) -> None:
    visited = lab.visit(http=version, with_="browser")
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    assert visited.step("rendering")["status"] == "seen"
    assert visited.step("rendering")["facts"]["first_contentful_paint_ns"] > 0
    assert (visited.folder / "screenshot.png").read_bytes().startswith(PNG)
    told = {(r["path"], r["status"], r["version"]) for r in visited.journey["resources"]}
    assert ("/", 200, f"HTTP/{version}") in told
    assert len(told) > 1, "the page has a style sheet and a picture"


def test_a_browser_asks_for_nothing_but_the_site(lab: Lab) -> None:
    visited = lab.visit(with_="browser")
    client = lab.topology.address("client", "home")
    asked = {f.dns.name for f in visited.on("home") if f.dns and f.source == client}
    reached = {f.destination for f in visited.on("home") if f.source == client and (f.tcp or f.quic)}
    assert asked == {"parseltongue.co.in"}
    assert reached == {lab.topology.address("balancer", "edge")}


def test_visits_at_the_same_time_do_not_mix(lab: Lab) -> None:
    versions = ["1.1", "2", "3", "2"]
    paths = [f"bytes/{1000 + number}" for number in range(len(versions))]
    with ThreadPoolExecutor() as pool:
        visits = list(pool.map(lambda v, p: lab.visit(SITE + p, http=v), versions, paths))
    assert len({visited.folder for visited in visits}) == len(visits)
    for visited, version, path in zip(visits, versions, paths, strict=True):
        told = [(r["path"], r["status"], r["version"]) for r in visited.journey["resources"]]
        assert told == [(f"/{path}", 200, f"HTTP/{version}")]
        assert visited.step("processing")["status"] == "seen"


def test_a_visit_that_fails_is_told_as_far_as_it_got(lab: Lab) -> None:
    visited = lab.visit("https://no-such-name.parseltongue.co.in/")
    assert visited.exit_code != 0
    assert "resolve" in visited.journey["visit"]["error"].lower()
    assert "NXDOMAIN" in visited.step("DNS")["summary"]
    for name in ("TCP", "TLS", "request", "processing", "response", "connection kept open"):
        assert visited.step(name)["status"] == "absent"


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"url": "ftp://parseltongue.co.in/"}, "expected http://NAME"),
        ({"http": "4"}, "expected 1.1, 2 or 3"),
        ({"url": "https://192.0.2.1/"}, "192.0.2.1"),
    ],
)
def test_what_no_visit_can_be_is_refused_in_one_line(lab: Lab, request_: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        lab.ask_observer(request_)
    assert "\n" not in str(refusal.value)
