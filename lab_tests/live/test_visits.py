"""Visits of every kind that `make visit` offers, several at once among them."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest

from live_lab import CAPTURES, SITE, Lab, Visited
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


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_glass_box_visit_is_told_as_any_other_and_decrypts_with_what_it_tells(lab: Lab, version: str) -> None:
    visited = lab.visit(http="1.1", tls=version, with_="glassbox")
    assert visited.exit_code == 0, visited.journey["visit"]["error"]
    assert visited.step("TLS")["facts"]["version"] == f"TLS {version}"
    assert visited.step("request")["status"] == visited.step("response")["status"] == "seen", (
        "its key log opens its frames"
    )
    assert visited.step("rendering")["status"] == "absent"
    told = (visited.folder / "secrets.txt").read_text(encoding="ascii")
    names = {line.split()[0] for line in told.splitlines() if not line.startswith("#")}
    assert {"client_private_value", "shared_secret", "master_secret", "client_verify_data"} <= names
    keys = (visited.folder / "keys.log").read_text(encoding="ascii")
    secret = "CLIENT_RANDOM" if version == "1.2" else "CLIENT_TRAFFIC_SECRET_0"
    assert any(line.startswith(secret) and line.split()[2] in told for line in keys.splitlines())


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


def test_lookups_at_the_same_time_are_told_apart_or_said_not_to_be(lab: Lab) -> None:
    """A question has one answer per visit; where frames decide whose it was, no two visits tell the same lookup."""
    with ThreadPoolExecutor() as pool:
        visits = list(pool.map(lambda version: lab.visit(http=version), ["1.1", "2"]))
    decided: set[tuple[int, str]] = set()
    for visited in visits:
        facts, step = visited.step("DNS")["facts"], visited.step("DNS")
        asked = [
            f for f in map(visited.frame, step["evidence"]) if f.link == "home" and f.dns and not f.dns.is_response
        ]
        assert sorted(lookup["type"] for lookup in facts["lookups"]) == ["A", "AAAA"]
        own = {(f.udp.source_port, f.dns.type) for f in asked if f.udp and f.dns}
        assert len(own) == 2
        if facts["told_apart"] in ("no other asked", "answered in time"):
            assert not own & decided
            decided |= own
        else:
            assert "others asked then, too" in step["summary"]


def follow(lab: Lab, url: str, **options: str) -> Visited:
    answer = lab.ask_observer({"url": url, "follow": True, **options})
    return Visited(CAPTURES / Path(answer["folder"]).name, answer["exit_code"])


@pytest.mark.parametrize("program", ["curl", "browser"])
def test_a_redirect_that_is_followed_is_a_journey_of_its_own(lab: Lab, program: str) -> None:
    visited = follow(lab, "http://parseltongue.co.in/", **{"with": program})
    first, then = visited.journey, visited.journey["then"]
    assert [(part["occasion"], part["visit"]["url"]) for part in (first, then)] == [
        ("Enter", "http://parseltongue.co.in/"),
        ("redirect", SITE),
    ]
    assert visited.step("response")["facts"]["redirected_to"] == SITE
    assert visited.step("TLS")["status"] == "absent"
    statuses = {step["name"]: step["status"] for step in then["steps"]}
    assert {statuses[name] for name in ("TCP", "TLS", "request", "processing", "response")} == {"seen"}
    assert statuses["rendering"] == ("seen" if program == "browser" else "absent")
    assert then["steps"][3]["start_ns"] > visited.step("response")["start_ns"]
    ladder = (visited.folder / "ladder.txt").read_text(encoding="utf-8")
    assert f"redirect: {SITE}" in ladder
    assert f"redirect: {SITE}" in (visited.folder / "report.html").read_text(encoding="utf-8")


def test_a_redirect_on_the_kept_connection_opens_nothing(lab: Lab) -> None:
    visited = follow(lab, f"{SITE}account")
    then = visited.journey["then"]
    assert (then["occasion"], urlsplit(then["visit"]["url"]).path) == ("redirect", "/login")
    assert {step["name"] for step in then["steps"] if step["status"] == "absent"} >= {"DNS", "TCP", "TLS"}
    assert visited.step("connection kept open")["summary"].startswith("and used again, for GET /login")


def test_a_redirect_that_is_not_followed_says_where_it_leads(lab: Lab) -> None:
    visited = lab.visit("http://parseltongue.co.in/", http="1.1")
    assert visited.journey["then"] is None
    assert f"redirected to {SITE}: FOLLOW=1" in (visited.folder / "ladder.txt").read_text(encoding="utf-8")


@pytest.mark.usefixtures("rotation")
def test_a_retry_is_told_as_attempts(lab: Lab) -> None:
    """origin-1 hangs up, whenever the balancer's turn falls on it; origin-2 then answers."""
    # The balancer takes turns, and an attempt is one: the first of two visits begins at origin-1, or else the second.
    both = [lab.visit(f"{SITE}hangup?origin=origin-1") for _ in range(2)]
    told = [each.step("processing")["facts"] for each in both]
    assert [(each.exit_code, facts["origin"]) for each, facts in zip(both, told, strict=True)] == [(0, "origin-2")] * 2
    retried = [place for place, facts in enumerate(told) if len(facts["attempts"]) > 1]
    assert retried, "both visits began at origin-2"
    visited = both[retried[0]]
    first, second = told[retried[0]]["attempts"]
    assert (first["origin"], first["status"], first["duration_ns"]) == ("origin-1", None, None)
    assert first["broke_off_with"]
    assert (second["origin"], second["status"]) == ("origin-2", 200)
    assert "attempt 2 (origin-1 broke off" in visited.step("processing")["summary"]


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


def test_all_versions_are_compared_on_the_same_resources(lab: Lab) -> None:
    answer = lab.ask_observer({"http": "all"})
    assert answer["exit_code"] == 0 and answer["complete"]
    text = answer["ladder"]
    at_once = {}
    for version in ("HTTP/1.1", "HTTP/2", "HTTP/3"):
        told = re.match(r"\s*10 requests on 1 connection, at most (\d+) at once;", text.partition(f"{version}\n")[2])
        assert told, text
        at_once[version] = int(told[1])
    # Of ten that are asked for together the first may be answered before the last is sent; not before the slow one is.
    assert at_once["HTTP/1.1"] == 1 and at_once["HTTP/2"] > 1 < at_once["HTTP/3"], text
    folder = CAPTURES / Path(answer["folder"]).name
    assert (folder / "comparison.html").read_text(encoding="utf-8").count('<tr><th scope="row">') == 10
    journey = Visited(folder, 0).journey
    assert len(journey["resources"]) == 10


def test_several_resources_are_drawn_as_a_waterfall_below_the_ladder(lab: Lab) -> None:
    told = lab.ask_observer({"url": f"{SITE}bytes/1000 {SITE}bytes/2000", "columns": 100})["ladder"].splitlines()
    axis = next(number for number, line in enumerate(told) if "at ms" in line and "took ms" in line)
    assert [line.split()[:3] for line in told[axis + 1 : axis + 3]] == [
        ["GET", "/bytes/1000", "200"],
        ["GET", "/bytes/2000", "200"],
    ]
    assert not [line for line in lab.ask_observer({})["ladder"].splitlines() if "at ms" in line]
