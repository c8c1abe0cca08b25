"""The tap's verdict on one link of a visit."""

from __future__ import annotations

from hostkit.sentinel import Kind
from hostkit.spool_format import Position
from tap.visits import LinkSlice, LinkState, Passage, Sighting


def state(offset: int, drops: int = 0, unwritten: int = 0) -> LinkState:
    return LinkState(Position(0, offset), drops, unwritten)


def passage(begin: LinkState, first: Sighting | None = None, last: Sighting | None = None) -> Passage:
    new = Passage(begin)
    if first:
        new.sighted(Kind.BEGIN, first)
    if last:
        new.sighted(Kind.END, last)
    return new


NOW = state(900)


def test_a_visit_with_both_sentinels_and_no_loss_is_complete() -> None:
    seen = passage(state(0), Sighting(10, state(200)), Sighting(15, state(700)))
    assert seen.slice(NOW, overrun=False) == LinkSlice(Position(0, 0), Position(0, 700), 4, 0, ())
    assert seen.slice(NOW, overrun=False).complete


def test_the_slice_begins_where_the_spool_stood_before_the_sentinel_was_sent() -> None:
    assert passage(state(40), Sighting(1, state(200))).slice(NOW, overrun=False).begin == Position(0, 40)


def test_a_sentinel_that_was_lost_is_said() -> None:
    no_end = passage(state(0), Sighting(10, state(200))).slice(NOW, overrun=False)
    assert (no_end.reasons, no_end.end, no_end.packets) == (("end sentinel was not recorded",), NOW.position, 0)
    no_begin = passage(state(0), None, Sighting(10, state(200))).slice(NOW, overrun=False)
    assert no_begin.reasons == ("begin sentinel was not recorded",)


def test_drops_between_begin_and_end_are_said_and_others_are_not() -> None:
    """The kernel's counter at the begin is read before the sentinel is sent: later drops are the visit's."""
    seen = passage(state(0, drops=5), Sighting(10, state(200, drops=8)), Sighting(15, state(700, drops=8)))
    part = seen.slice(state(900, drops=100), overrun=False)
    assert (part.dropped, part.reasons) == (3, ("the kernel dropped 3 frames",))


def test_drops_while_the_end_was_waited_for_count_when_it_never_came() -> None:
    part = passage(state(0, drops=5), Sighting(10, state(200, drops=5))).slice(state(900, drops=6), overrun=False)
    assert part.dropped == 1


def test_blocks_that_were_not_written_are_said() -> None:
    seen = passage(state(0, unwritten=1), Sighting(10, state(200, 0, 1)), Sighting(15, state(700, 0, 3)))
    assert seen.slice(NOW, overrun=False).reasons == ("2 blocks could not be written to the spool",)


def test_a_visit_that_outgrew_the_spool_is_not_complete() -> None:
    seen = passage(state(0), Sighting(10, state(200)), Sighting(15, state(700)))
    assert not seen.slice(NOW, overrun=True).complete
