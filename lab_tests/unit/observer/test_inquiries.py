"""Whose lookups they were, in a capture that no visit was announced in: each connection is told with its own."""

from __future__ import annotations

import pytest

from observer import explain
from observer.capture_file import Ending
from observer.explain import journeys, read_into
from observer.kept import Bounds, Kept
from observer.oddities import Oddities
from observer.steps import DnsFacts, Journey, Status, StepName, ToldApart
from observer.topology import NO_LAB
from observer.waterfall import PhaseName, waterfall
from written_captures import MS, Written

NAME = "ex.example"


def told(written: Written) -> list[Journey]:
    return journeys(written.frames(), NO_LAB)


def lookups(journey: Journey) -> list[tuple[str, float]]:
    """What was looked up, and when since Enter, in milliseconds."""
    facts = journey.step(StepName.DNS).facts
    return [(lookup.type, lookup.start_ns / MS) for lookup in facts.lookups] if isinstance(facts, DnsFacts) else []


def starts(journey: Journey) -> list[float]:
    """When since Enter TCP and the request began, in milliseconds."""
    return [(journey.step(name).start_ns or 0) / MS for name in (StepName.TCP, StepName.REQUEST)]


def told_apart(journey: Journey) -> ToldApart | None:
    facts = journey.step(StepName.DNS).facts
    return facts.told_apart if isinstance(facts, DnsFacts) else None


def twice() -> Written:
    """The same program twice, 3 s apart, each time with its own lookup."""
    written = Written().looks_up(NAME, 0, 10, port=5001).visits(NAME, 40001, at=11)
    return written.looks_up(NAME, 3000, 3010, port=5002).visits(NAME, 40002, at=3011)


def test_a_second_run_has_its_own_lookup_and_its_own_enter() -> None:
    first, second = told(twice())
    assert lookups(first) == lookups(second) == [("A", 0)]
    assert starts(first) == starts(second) == [11, 12]
    cited = [{e.frame for e in journey.step(StepName.DNS).evidence} for journey in (first, second)]
    assert cited[0].isdisjoint(cited[1])
    assert told_apart(second) is ToldApart.ALONE


def test_a_second_run_may_ask_from_the_same_port() -> None:
    written = Written().looks_up(NAME, 0, 10, port=53, id=1).visits(NAME, 40001, at=11)
    _, second = told(written.looks_up(NAME, 3000, 3010, port=53, id=1).visits(NAME, 40002, at=3011))
    assert (lookups(second), starts(second)) == ([("A", 0)], [11, 12])


@pytest.mark.parametrize("later", [1, 3000])
def test_a_second_connection_does_not_inherit_the_lookup_of_the_first(later: float) -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).visits(NAME, 40001, at=11)
    first, second = told(written.visits(NAME, 40002, at=11 + later))
    assert (lookups(first), starts(first)) == ([("A", 0)], [11, 12])
    assert (lookups(second), starts(second)) == ([], [0, 1])
    assert second.step(StepName.DNS).status is Status.UNKNOWN


def test_a_connection_to_another_server_uses_a_lookup_up_as_well() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).visits(NAME, 40001, at=11)
    _, second = told(written.visits(NAME, 40002, at=500, server="192.0.2.81"))
    assert lookups(second) == []


def test_questions_asked_together_belong_together_whatever_their_ports() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).looks_up(NAME, 0.1, 12, port=5002, type="AAAA")
    written.looks_up(NAME, 0.2, 400, port=5003, type="HTTPS").visits(NAME, 40001, at=14)
    first, second = told(written.visits(NAME, 40002, at=600))
    assert lookups(first) == [("A", 0), ("AAAA", 0.1), ("HTTPS", 0.2)]
    assert lookups(second) == [], "though an answer came after the first connection had begun"


def test_what_is_asked_after_an_answer_belongs_to_it() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).looks_up(NAME, 11, 20, port=5002, type="AAAA")
    (only,) = told(written.visits(NAME, 40001, at=21))
    assert (lookups(only), starts(only)) == ([("A", 0), ("AAAA", 11)], [21, 22])


def test_what_is_asked_after_a_connection_has_begun_is_the_next_ones() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).visits(NAME, 40001, at=11)
    written.looks_up(NAME, 50, 60, port=5002, type="AAAA").visits(NAME, 40002, at=61)
    assert [lookups(journey) for journey in told(written)] == [[("A", 0)], [("AAAA", 0)]]


@pytest.mark.parametrize(
    ("port", "id", "later"),
    [(5001, 5001, 100), (5001, 7, 100), (5002, 5001, 100), (5002, 7, 1000)],
    ids=["same-port-and-id", "same-port", "same-id", "another-socket-after-a-second"],
)
def test_a_question_asked_again_before_the_answer_belongs_to_the_same_lookup(port: int, id: int, later: float) -> None:
    written = Written().looks_up(NAME, 0, None, port=5001)
    written.looks_up(NAME, later, later + 10, port=port, id=id).visits(NAME, 40001, at=later + 11)
    first, second = told(written.visits(NAME, 40002, at=later + 500))
    assert starts(first) == [later + 11, later + 12]
    assert starts(second) == [0, 1]


def test_two_programs_at_once_have_a_lookup_each_and_the_journeys_say_that_others_asked() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).looks_up(NAME, 1, 12, port=5002)
    first, second = told(written.visits(NAME, 40001, at=13).visits(NAME, 40002, at=14))
    assert lookups(first) == lookups(second) == [("A", 0)]
    assert (starts(first), starts(second)) == ([13, 14], [13, 14])
    for journey in (first, second):
        assert told_apart(journey) is ToldApart.ORDER
        assert "others asked then, too: told apart by order" in journey.step(StepName.DNS).summary


def test_an_answer_after_the_connection_began_is_anothers() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).looks_up(NAME, 1, 100, port=5002)
    first, second = told(written.visits(NAME, 40001, at=11).visits(NAME, 40002, at=101))
    assert (told_apart(first), starts(first)) == (ToldApart.ANSWERED, [11, 12])
    assert starts(second) == [100, 101]


def test_an_older_lookup_is_nobodys_once_there_is_a_newer_one() -> None:
    written = Written().looks_up(NAME, 0, 10, port=5001).looks_up(NAME, 3000, 3010, port=5002)
    first, second = told(written.visits(NAME, 40001, at=3011).visits(NAME, 40002, at=3020))
    assert (lookups(first), starts(first)) == ([("A", 0)], [11, 12])
    assert lookups(second) == []


def test_a_connection_from_before_the_capture_was_opened_with_nothing_that_is_in_it() -> None:
    written = Written().opens(40000, 0, seen=False).looks_up(NAME, 100, 110, port=5001)
    written.asks(40000, 120, NAME).answers(40000, 121).visits(NAME, 40001, at=130)
    before, after = told(written)
    assert lookups(before) == []
    assert (lookups(after), starts(after)) == ([("A", 0)], [30, 31])


def test_the_waterfall_has_the_same_lookup() -> None:
    kept = Kept(Bounds.none())
    read_into(kept, Oddities(), twice().frames())
    for story in explain.told(kept, NO_LAB, Ending(None, None))[0]:
        (row,) = waterfall(story.journey, story.frames, NO_LAB, story.connection)
        assert (row.start_ns, row.took_ns(PhaseName.DNS)) == (0, 10 * MS)
