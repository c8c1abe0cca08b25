"""The journeys in a capture that nobody announced: found and told from the frames alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from foreign_captures import foreign
from golden_visits import Golden
from observer.capture_file import Ending
from observer.dissect import DissectionError
from observer.explain import Form, Story, explain, journeys, read_into, told
from observer.kept import Bounds, Kept
from observer.messages import Frame
from observer.oddities import Oddities
from observer.report import page_of
from observer.steps import Journey, Status, StepName
from observer.style import Style
from observer.topology import NO_LAB
from observer.waterfall import PhaseName, waterfall
from written_captures import Written


def of_the_page(told: list[Journey]) -> list[Journey]:
    return [found for found in told if any(resource.path == "/" for resource in found.resources)]


def test_one_request_over_four_links_is_one_journey(any_visit: Golden) -> None:
    (found,) = of_the_page(journeys(any_visit.frames, any_visit.topology))
    assert found.visit.url == "https://parseltongue.co.in/"
    assert found.visit.http == any_visit.visit.http
    assert found.step(StepName.PROCESSING).status.value == "seen"


def test_without_a_lab_addresses_stand_for_themselves(http2_visit: Golden) -> None:
    (found,) = of_the_page(journeys(http2_visit.frames, NO_LAB))
    balancer = http2_visit.topology.address("balancer", "edge")
    assert balancer in found.step(StepName.TCP).summary


def test_what_a_foreign_capture_does_not_show_is_unknown_never_absent(http2_visit: Golden) -> None:
    only_home = http2_visit.without(lambda frame: frame.link != "home")
    (found,) = journeys(only_home.frames, NO_LAB)
    assert found.step(StepName.PROCESSING).status.value == "unknown"
    assert "nobody counted" in found.step(StepName.PROCESSING).summary


def test_a_capture_without_connections_has_no_journey(http2_visit: Golden) -> None:
    assert journeys(http2_visit.without(lambda f: f.tcp is not None or f.quic is not None).frames, NO_LAB) == []


def test_a_file_that_is_no_capture_is_told_so(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear tshark, this is no capture.")
    with pytest.raises(DissectionError, match="no capture: expected pcapng or pcap"):
        list(explain(letter, None, NO_LAB, Style(), Form.LADDER))


# ---------------------------------------------------------------- what was asked for


@pytest.mark.parametrize(
    ("method", "target", "host", "url"),
    [
        ("GET", "/a", "ex.example:8080", "http://ex.example:8080/a"),
        ("GET", "/a", "Ex.Example", "http://Ex.Example/a"),
        ("GET", "/a", "ex.example.", "http://ex.example./a"),
        ("GET", "http://ex.example/a?b", "ex.example", "http://ex.example/a?b"),
        ("GET", "HTTP://ex.example:8080/a", None, "HTTP://ex.example:8080/a"),
        ("GET", "http://ex.example/a", "proxy.example", "http://ex.example/a"),
        ("CONNECT", "ex.example:443", "ex.example:443", "http://ex.example:443/"),
        ("OPTIONS", "*", "ex.example", "http://ex.example/"),
    ],
)
def test_the_url_is_that_of_the_target_in_whatever_form_and_the_lookup_that_of_its_host(
    method: str, target: str, host: str | None, url: str
) -> None:
    written = Written().looks_up("eX.example", 0, 10, port=5001).opens(40001, 11)
    (found,) = journeys(written.asks(40001, 12, host, target, method).answers(40001, 13).frames(), NO_LAB)
    assert found.visit.url == url
    assert found.step(StepName.DNS).status is Status.SEEN
    assert found.step(StepName.TCP).start_ns == 11_000_000
    assert found.step(StepName.REQUEST).summary.startswith(f"{method} {target} ")


@pytest.mark.parametrize("target", ["/[a", "http://[ex.example/a", "//[ex"])
def test_a_target_that_no_url_can_hold_is_told_all_the_same(target: str) -> None:
    written = Written().opens(40001, 0).asks(40001, 1, "[ex.example", target).answers(40001, 2)
    (found,) = journeys(written.frames(), NO_LAB)
    assert "[" not in found.visit.url
    assert found.step(StepName.REQUEST).summary.startswith(f"GET {target} ")


def test_a_request_is_told_and_not_a_later_one_for_the_path_that_it_had_no_use_for() -> None:
    written = Written().opens(40001, 0).asks(40001, 1, "ex.example", "*", "OPTIONS").answers(40001, 2, 204)
    (found,) = journeys(written.asks(40001, 3, "ex.example").answers(40001, 4).frames(), NO_LAB)
    assert found.step(StepName.REQUEST).summary.startswith("OPTIONS * ")


def stories(frames: list[Frame]) -> list[Story]:
    kept = Kept(Bounds.none())
    read_into(kept, Oddities(), frames)
    return told(kept, NO_LAB, Ending(None, None))[0]


@pytest.mark.parametrize(
    ("name", "server"), [("ipv6", "[2001:db8::80]:80"), ("vlan-tags", "192.0.2.80:80")], ids=["ipv6", "ipv4"]
)
def test_a_server_without_a_name_stands_in_the_url_by_its_address_and_has_a_waterfall(name: str, server: str) -> None:
    (story,) = stories([replace(frame, http=()) for frame in foreign(name)])
    assert story.journey.visit.url == f"http://{server}/"
    (row,) = waterfall(story.journey, story.frames, NO_LAB, story.connection)
    assert [phase.name for phase in row.phases] == [PhaseName.CONNECT]
    page = page_of(story.sources, NO_LAB)
    assert f"<h1>http://{server}/</h1>" in page and "Waterfall" in page


def test_the_waterfall_is_that_of_the_journeys_own_connection() -> None:
    written = Written().looks_up("ex.example", 0, 10, port=5001)
    for number in range(1, 4):
        written.opens(40000 + number, 11)
    for number in range(1, 4):
        written.asks(40000 + number, 11 + number, "ex.example", f"/{number}").answers(40000 + number, 20 + number)
    rows = [waterfall(story.journey, story.frames, NO_LAB, story.connection) for story in stories(written.frames())]
    assert [[row.label for row in own] for own in rows] == [["GET /1"], ["GET /2"], ["GET /3"]]


def test_the_page_has_the_whole_chain_of_redirects() -> None:
    written = Written().opens(40001, 0).asks(40001, 1, "ex.example", "/old").answers(40001, 2, 301, location="/new")
    (story,) = stories(written.asks(40001, 3, "ex.example", "/new").answers(40001, 4).frames())
    page = page_of(story.sources, NO_LAB)
    assert "<h1>http://ex.example/old</h1>" in page
    assert "<h1>redirect: http://ex.example/new</h1>" in page


# ---------------------------------------------------------------- whose story


def reusing_an_id(port: int, at: float, written: Written) -> Written:
    """A connection whose client gives every request one id; the capture ends before the second response."""
    written.opens(port, at).asks(port, at + 1, "ex.example", id="abc").answers(port, at + 2, id="abc")
    return written.asks(port, at + 3, "ex.example", id="abc")


def test_a_connection_is_not_behind_itself() -> None:
    (found,) = journeys(reusing_an_id(40001, 0, Written()).frames(), NO_LAB)
    assert [resource.status for resource in found.resources] == [200, None]


def test_a_connection_is_not_behind_itself_on_another_link() -> None:
    frames = reusing_an_id(40001, 0, Written()).frames()
    copies = [replace(frame, link="eth1", number=frame.number + len(frames)) for frame in frames]
    (found,) = journeys([*frames, *copies], NO_LAB)
    assert [resource.status for resource in found.resources] == [200, None]


def test_two_connections_with_one_id_are_not_behind_each_other() -> None:
    found = journeys(reusing_an_id(40002, 10, reusing_an_id(40001, 0, Written())).frames(), NO_LAB)
    assert [[resource.status for resource in journey.resources] for journey in found] == [[200, None]] * 2


def carried(written: Written, path: str, at: float) -> Written:
    """A request on 40001 that a balancer carries onward to its origin on 50001, and says so in its response."""
    written.asks(40001, at, "ex.example", path).asks(50001, at + 1, "ex.example", path, id=f"id{path}")
    return written.answers(50001, at + 2).answers(40001, at + 3, id=f"id{path}")


def test_a_connection_that_carries_only_anothers_requests_has_no_story_whatever_it_carried_before() -> None:
    origin = "192.0.2.90"
    written = Written().opens(40001, 0).opens(50001, 0, server=origin)
    (found,) = journeys(carried(written, "/b", 10).frames(), NO_LAB)
    assert found.step(StepName.PROCESSING).status is Status.SEEN
    written = Written().opens(50001, 0, server=origin).asks(50001, 1, "ex.example", "/a", id="id/a").answers(50001, 2)
    (found,) = journeys(carried(written.opens(40001, 9), "/b", 10).frames(), NO_LAB)
    assert [resource.path for resource in found.resources] == ["/b"]


def test_a_connection_that_also_has_a_request_of_its_own_has_a_story() -> None:
    written = carried(Written().opens(40001, 0).opens(50001, 0, server="192.0.2.90"), "/b", 10)
    found = journeys(written.asks(50001, 20, "ex.example", "/own", id="id/own").answers(50001, 21).frames(), NO_LAB)
    assert [[resource.path for resource in journey.resources] for journey in found] == [["/b"], ["/b", "/own"]]
