"""The report is one well-formed page that needs nothing else, cites every frame, and trusts nothing from the wire."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from golden_visits import Golden
from observer.frame_ladder import hops, messages
from observer.messages import Frame
from observer.report import report, reports, verdict
from observer.steps import Journey, RenderingFacts, StepName
from observer.topology import NO_LAB
from observer.waterfall import Phase, PhaseName, Row, Timeline, phases, waterfall

VOID = {"meta", "br", "hr", "img", "input", "link"}
SELF_CLOSING = {"path", "circle", "line"}
HOSTILE = "</text></svg><script>alert('x')</script><img src=x onerror=\"alert(1)\">&\x00\x1b[31m\ud800"


class Page(HTMLParser):
    """A page as its tags: unclosed or crossed ones are `faults`, text is kept by the element it stands in."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(source)
        self.close()
        self.faults += [f"<{tag}> never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in SELF_CLOSING:
            self.faults.append(f"<{tag}/> closes itself")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag != "style")


def page_of(visit: Golden) -> Page:
    return Page(report(visit.journey(), visit.frames, visit.topology))


def test_the_page_is_well_formed(any_visit: Golden) -> None:
    assert page_of(any_visit).faults == []


def test_the_page_needs_nothing_from_elsewhere_and_may_load_nothing(any_visit: Golden) -> None:
    source = report(any_visit.journey(), any_visit.frames, any_visit.topology)
    page = Page(source)
    names = {name for _, attributes in page.tags for name in attributes}
    assert names.isdisjoint({"src", "href", "xlink:href", "srcset", "action", "data", "background"})
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "use", "image"})
    assert "@import" not in source and "url(" not in source
    policies = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_cited_frame_is_named_with_its_link_and_drawn(any_visit: Golden) -> None:
    page = page_of(any_visit)
    cited = {f"{e.link} #{e.frame}" for step in any_visit.journey().steps for e in step.evidence}
    assert cited
    assert cited - {data for tag, data in page.texts if tag == "b"} == set()
    assert cited - {data for tag, data in page.texts if tag == "text"} == set()


def test_all_eight_steps_stand_in_the_ladder_and_in_the_table(any_visit: Golden) -> None:
    page = page_of(any_visit)
    numbers = [data for tag, data in page.texts if tag == "b" and data.isdigit()]
    assert numbers == [*"12345678", *"12345678"]


def test_every_drawing_has_a_title_and_every_table_names_its_columns(any_visit: Golden) -> None:
    source = report(any_visit.journey(), any_visit.frames, any_visit.topology)
    drawings = re.findall(r"<svg [^>]*>", source)
    assert drawings and len(re.findall(r'<svg [^>]*role="img"><title>', source)) == len(drawings)
    tables = re.findall(r"<table(?![^>]*presentation).*?</table>", source, re.DOTALL)
    assert tables and all('scope="col"' in table and 'scope="row"' in table for table in tables)


def hostile(visit: Golden) -> Golden:
    """The same visit with markup wherever a stranger could write some."""

    def spoilt(frame: Frame) -> Frame:
        messages = tuple(
            replace(
                message,
                path=message.path and f"/{HOSTILE}",
                headers=(*message.headers, (HOSTILE, HOSTILE), ("x-origin", HOSTILE), ("content-type", HOSTILE)),
            )
            for message in frame.http
        )
        return replace(frame, info=f"{frame.info}{HOSTILE}", http=messages)

    changed = visit.changed(spoilt)
    asked = replace(visit.visit, program=HOSTILE, error=HOSTILE, exit_code=1, id=HOSTILE, http=HOSTILE)
    return replace(changed.incomplete("home", HOSTILE), visit=asked)


def test_markup_from_the_wire_stays_text(any_visit: Golden) -> None:
    spoilt = hostile(any_visit)
    page = page_of(spoilt)
    assert page.faults == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in page.text()


def test_bytes_that_no_page_can_hold_are_replaced(any_visit: Golden) -> None:
    spoilt = hostile(any_visit)
    source = report(spoilt.journey(), spoilt.frames, spoilt.topology)
    assert "\ufffd" in source
    assert not re.search(r"[\x00\x1b]", source)
    source.encode("utf-8")


def test_the_verdict_names_server_time_and_capture(http2_visit: Golden) -> None:
    assert verdict(http2_visit.journey()) == (
        "200 from origin-1; the last byte came 155.27 ms after Enter. Client: curl 8.14.1, HTTP/2. "
        "Of the eight steps 7 seen, 1 absent; capture complete."
    )


def test_a_failure_is_in_the_verdict(http2_visit: Golden) -> None:
    failed = replace(http2_visit, visit=replace(http2_visit.visit, exit_code=7, error="Failed to connect"))
    assert "The client failed: Failed to connect." in verdict(failed.journey())
    assert ("p", {"class": "verdict failed"}) in page_of(failed).tags


def test_an_incomplete_capture_is_said_with_its_reason(http2_visit: Golden) -> None:
    page = page_of(http2_visit.incomplete("edge", "3 frames dropped"))
    assert "incomplete: 3 frames dropped" in page.text()
    assert ("p", {"class": "verdict partial"}) in page.tags


def test_a_visit_of_which_nothing_was_recorded_still_makes_a_page(http2_visit: Golden) -> None:
    empty = http2_visit.without(lambda frame: True)
    page = page_of(empty)
    assert page.faults == []
    assert "No request seen." in page.text()


def test_a_capture_from_elsewhere_is_told_by_its_addresses(http2_visit: Golden) -> None:
    page = Page(report(http2_visit.journey(), http2_visit.frames, NO_LAB))
    assert page.faults == []
    assert "10.77.1.10" in [data for tag, data in page.texts if tag == "text"]


def test_several_journeys_make_one_page_and_none_makes_one_that_says_so(http2_visit: Golden) -> None:
    told = http2_visit.journey()
    page = Page(reports([told, told], http2_visit.frames, http2_visit.topology))
    assert page.faults == []
    assert [tag for tag, _ in page.tags].count("article") == 2
    assert "no journey to tell" in Page(reports([], (), NO_LAB)).text()


def test_a_syn_is_one_message_over_three_links(http2_visit: Golden) -> None:
    step = http2_visit.journey().step(StepName.TCP)
    told = messages(step, http2_visit.frames, hops(http2_visit.frames, http2_visit.topology))
    assert [(m.shows, [f.link for f in m.frames]) for m in told] == [
        ("SYN", ["home", "internet", "edge"]),
        ("SYN, ACK", ["edge", "internet", "home"]),
        ("ACK", ["home", "internet", "edge"]),
    ]


def test_a_question_is_drawn_to_the_resolver_though_only_its_first_link_is_cited(http2_visit: Golden) -> None:
    step = http2_visit.journey().step(StepName.DNS)
    told = messages(step, http2_visit.frames, hops(http2_visit.frames, http2_visit.topology))
    question = told[0]
    assert [frame.link for frame in question.frames] == ["home", "internet"]
    assert question.uncited == {question.frames[1].number}


def test_the_balancer_forwards_no_frames_so_none_is_joined_across_it(any_visit: Golden) -> None:
    found = hops(any_visit.frames, any_visit.topology)
    for step in any_visit.journey().steps:
        for message in messages(step, any_visit.frames, found):
            links = {frame.link for frame in message.frames}
            assert "backend" not in links or links == {"backend"}


# The waterfall


def rows_of(visit: Golden) -> tuple[Row, ...]:
    return waterfall(visit.journey(), visit.frames, visit.topology)


def test_phases_follow_each_other_and_add_up(any_visit: Golden) -> None:
    (row,) = rows_of(any_visit)
    for earlier, later in zip(row.phases, row.phases[1:], strict=False):
        assert earlier.end_ns == later.start_ns
    assert all(phase.duration_ns >= 0 for phase in row.phases)
    assert sum(phase.duration_ns for phase in row.phases) == row.end_ns - row.start_ns


def test_over_tcp_a_first_resource_goes_through_every_phase(http2_visit: Golden) -> None:
    (row,) = rows_of(http2_visit)
    assert [phase.name.value for phase in row.phases if phase.name is not PhaseName.STALLED] == [
        "DNS",
        "connect",
        "TLS",
        "wait",
        "receive",
    ]


def test_the_waterfall_agrees_with_the_steps(any_visit: Golden) -> None:
    told, (row,) = any_visit.journey(), rows_of(any_visit)
    for name, phase in (
        (StepName.DNS, PhaseName.DNS),
        (StepName.TLS, PhaseName.TLS),
        (StepName.TCP, PhaseName.CONNECT),
    ):
        assert told.step(name).duration_ns == row.took_ns(phase)
    response = told.step(StepName.RESPONSE)
    assert response.start_ns is not None and response.duration_ns is not None
    assert row.end_ns == response.start_ns + response.duration_ns
    assert (row.status, row.request_frame) == (200, told.resources[0].request_frame)


def with_second_request(visit: Golden, answered: bool) -> Golden:
    """The visit with another request, on a stream of its own, after the first was answered."""
    request = next(f for f in visit.frames if f.link == "home" and f.http and f.http[0].is_request)
    response = next(f for f in visit.frames if f.link == "home" and f.http and not f.http[0].is_request)
    number, last = visit.frames[-1].number, visit.frames[-1].time_ns
    asked = replace(
        request, number=number + 1, time_ns=last + 1_000, http=(replace(request.http[0], stream=3, path="/style.css"),)
    )
    answer = replace(
        response,
        number=number + 2,
        time_ns=last + 5_000,
        http=(replace(response.http[0], stream=3, status=404),),
        ended_streams=(3,),
    )
    return replace(visit, frames=(*visit.frames, asked, *([answer] if answered else [])))


def test_a_second_resource_on_the_same_connection_only_waits_and_receives(http2_visit: Golden) -> None:
    first, second = rows_of(with_second_request(http2_visit, answered=True))
    assert (first.label, second.label, second.status) == ("GET /", "GET /style.css", 404)
    assert [(phase.name, phase.duration_ns) for phase in second.phases] == [
        (PhaseName.WAIT, 4_000),
        (PhaseName.RECEIVE, 0),
    ]
    assert second.took_ns(PhaseName.CONNECT) is None


def test_an_unanswered_request_waits_and_says_so(http2_visit: Golden) -> None:
    waiting = with_second_request(http2_visit, answered=False)
    _, second = rows_of(waiting)
    assert (second.status, [phase.name for phase in second.phases]) == (None, [PhaseName.WAIT])
    assert "no answer" in page_of(waiting).text()


def test_without_a_request_the_waterfall_shows_how_far_it_came(http2_visit: Golden) -> None:
    silent = http2_visit.changed(lambda frame: replace(frame, http=()))
    (row,) = rows_of(silent)
    assert row.request_frame is None
    assert [p.name.value for p in row.phases if p.name is not PhaseName.STALLED] == ["DNS", "connect", "TLS"]


def test_a_connection_kept_from_before_is_not_opened_again(http2_visit: Golden) -> None:
    later = replace(http2_visit, visit=replace(http2_visit.visit, started_ns=http2_visit.frames[60].time_ns))
    (row,) = rows_of(later)
    assert [phase.name for phase in row.phases] == [PhaseName.WAIT, PhaseName.RECEIVE]


def test_overlapping_spans_are_told_one_after_the_other() -> None:
    spans = [(PhaseName.DNS, 10, 30), (PhaseName.CONNECT, 20, 25), (PhaseName.TLS, 40, 50)]
    assert phases(spans) == (
        Phase(PhaseName.DNS, 10, 30),
        Phase(PhaseName.CONNECT, 30, 30),
        Phase(PhaseName.STALLED, 30, 40),
        Phase(PhaseName.TLS, 40, 50),
    )


@pytest.mark.parametrize("span_ns", [1, 7, 999, 1_850_000, 20_000_000, 99_999_999, 3_000_000_000, 123_456_789_012])
def test_the_axis_has_a_few_round_times_whatever_the_span(span_ns: int) -> None:
    row = Row("GET /", "HTTP/2", 200, None, None, 1, (Phase(PhaseName.WAIT, 0, span_ns),))
    labels = re.findall(r">([^<]+) ms</text>", Timeline.of([row], None).axis())
    assert labels[0] == "0" and len(labels) <= 10
    assert all(float(label) * 1e6 <= span_ns for label in labels)


def test_the_browsers_own_moments_are_marked(http2_visit: Golden) -> None:
    rendering = RenderingFacts("Chromium", 160_000_000, 180_000_000, None)
    rendered = replace(http2_visit, visit=replace(http2_visit.visit, rendering=rendering))
    text = page_of(rendered).text()
    assert "first paint at 180.00 ms" in text and "document parsed at 160.00 ms" in text
    assert "loaded at" not in text


def test_a_journey_is_the_same_page_every_time(http2_visit: Golden) -> None:
    told: Journey = http2_visit.journey()
    first, again = (report(told, http2_visit.frames, http2_visit.topology) for _ in range(2))
    assert first == again
