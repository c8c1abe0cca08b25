"""A search that passes over segments in which the connection does not occur: what it may skip, and what it may not."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hostkit.spool_format import Position, segment_path
from observer import segment_flows
from observer.flow import Endpoint, Flow, Transport
from observer.flow_index import FlowIndex
from observer.spool import History, Slice, Spool

CLIENT, SERVER, OTHER = ("10.0.0.1", 40000), ("10.0.0.2", 443), ("10.0.0.3", 40000)
FLOW = Flow(Transport.TCP, Endpoint(*CLIENT), Endpoint(*SERVER))
SYN, ACK, SYN_ACK = 0x02, 0x10, 0x12
FOREIGN = 20  # segments between the opening and the visit


class Ring:
    """A link's spool whose first segment opens a connection, whose last one goes on with it, others' between them."""

    def __init__(self, folder: Path, build: Any, ipv4: Any) -> None:
        (folder / "home").mkdir()
        self.folder, self._build = folder, build
        self.opening = [ipv4(CLIENT, SERVER, flags=SYN), ipv4(SERVER, CLIENT, flags=SYN_ACK)]
        self.going_on = ipv4(CLIENT, SERVER, flags=ACK)
        self.others = [ipv4(OTHER, SERVER, flags=ACK, payload=bytes(range(200)))] * 20
        for number, frames in enumerate([self.opening, *[self.others] * FOREIGN, [self.going_on]]):
            self.write(number, frames)
        self.size = self.path(FOREIGN + 1).stat().st_size  # of the last
        self.index = FlowIndex(folder, ("home", "edge"), pause_s=0)

    def path(self, number: int) -> Path:
        return segment_path(self.folder, "home", number)

    def write(self, number: int, frames: list[bytes]) -> None:
        self.path(number).write_bytes(self._build.record(self._build.facts(number), frames))

    def build_all(self) -> int:
        built = 0
        while self.index.build_next():
            built += 1
        return built

    def history(self, limit: int) -> History:
        """Of the connection before a visit that begins behind the last segment's record."""
        visit = Slice("home", Position(FOREIGN + 1, self.size), (), (), 0, ())
        return Spool(self.folder, self.index).earlier(FLOW, visit, limit)

    @property
    def limit(self) -> int:
        """Room for the first segment and the last, and for two of the others."""
        return self.path(0).stat().st_size + self.path(FOREIGN + 1).stat().st_size + 2 * self.path(1).stat().st_size


@pytest.fixture
def ring(tmp_path: Path, build: Any, ipv4: Any) -> Ring:
    return Ring(tmp_path, build, ipv4)


def data(history: History) -> list[bytes]:
    return [packet.data for packet in history.packets]


def test_an_opening_farther_back_than_the_limit_is_found(ring: Ring) -> None:
    assert ring.build_all() == FOREIGN + 1  # all but the one that is still written
    history = ring.history(ring.limit)
    assert (data(history), history.start_seen, history.reasons) == ([*ring.opening, ring.going_on], True, ())


def test_without_what_is_known_of_them_segments_are_searched(ring: Ring) -> None:
    history = ring.history(ring.limit)
    assert (data(history), history.start_seen) == ([ring.going_on], False)
    searched = ring.size + 3 * ring.path(1).stat().st_size  # a segment is searched whole
    assert history.reasons == (f"no opening in {searched} bytes before the slice: that is the limit",)
    assert ring.history(10**9).start_seen


def test_the_newest_are_looked_through_first(ring: Ring) -> None:
    for _ in range(FOREIGN - 2):
        ring.index.build_next()
    assert ring.history(ring.limit).start_seen  # what is left to search are the last segment, two others, the first
    assert not ring.history(ring.limit - ring.path(1).stat().st_size).start_seen


def test_all_links_are_looked_through_in_turn(ring: Ring) -> None:
    (ring.folder / "edge").mkdir()
    for number in range(2):
        segment_path(ring.folder, "edge", number).write_bytes(ring.path(1).read_bytes())
    for _ in range(2):
        ring.index.build_next()
    assert ring.index.size_without("edge", 0, FLOW) == ring.index.size_without("home", FOREIGN, FLOW) is not None
    assert ring.build_all() == FOREIGN


def test_a_segment_with_too_many_flows_is_searched(ring: Ring, ipv4: Any) -> None:
    flood = [ipv4((OTHER[0], port), SERVER, flags=SYN) for port in range(segment_flows.MOST_DIRECTIONS + 1)]
    ring.write(5, flood)
    ring.build_all()
    assert ring.index.size_without("home", 4, FLOW) is not None
    assert ring.index.size_without("home", 5, FLOW) is None
    assert not ring.history(ring.limit).start_seen
    assert ring.history(ring.limit + ring.path(5).stat().st_size).start_seen


def test_a_flow_that_is_nowhere_is_sought_nowhere_and_the_reason_says_so(ring: Ring) -> None:
    ring.write(0, ring.others)
    ring.build_all()
    history = ring.history(ring.limit)
    before = sum(path.stat().st_size for path in (ring.folder / "home").iterdir())
    told = f"({ring.size} of them searched, in the others the connection has no frame)"
    expected = f"no opening in {before} bytes before the slice {told}: this is all that the spool holds"
    assert history.reasons == (expected,)


def test_a_segment_that_the_ring_gives_up_leaves_the_index(ring: Ring) -> None:
    ring.build_all()
    assert ring.index.size_without("home", 1, FLOW) == ring.path(1).stat().st_size
    content = ring.path(1).read_bytes()
    ring.path(1).unlink()
    assert ring.index.size_without("home", 1, FLOW) is None
    assert not ring.index.build_next()
    ring.path(1).write_bytes(content)
    assert ring.index.build_next()  # it was forgotten


def test_another_segment_of_the_same_name_is_searched(ring: Ring) -> None:
    """As after `make clean`: the spool begins again at number 0."""
    ring.build_all()
    again = ring.path(1).with_suffix(".new")
    again.write_bytes(ring.path(0).read_bytes())
    again.replace(ring.path(1))
    assert ring.index.size_without("home", 1, FLOW) is None
    assert ring.history(ring.limit).start_seen


def test_a_segment_swept_while_it_is_looked_through_is_forgotten(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(_: float) -> None:
        ring.path(FOREIGN).unlink(missing_ok=True)

    monkeypatch.setattr("time.sleep", sweep)
    assert ring.build_all() == FOREIGN + 1
    assert ring.index.size_without("home", FOREIGN, FLOW) is None
    assert ring.history(ring.limit).start_seen


def test_segments_swept_while_they_are_searched_end_the_search(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.listdir(ring.folder / "home")
    for number in range(FOREIGN):
        ring.path(number).unlink()
    monkeypatch.setattr(os, "listdir", lambda folder: listed)
    history = ring.history(10**9)
    assert (data(history), history.start_seen) == ([ring.going_on], False)
    assert history.reasons[0].endswith("this is all that the spool holds")


def test_a_segment_that_cannot_be_read_holds_up_no_other(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, read = ring.path(FOREIGN), Path.open

    def opened(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == bad:
            raise OSError(errno.EIO, "no")
        return read(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", opened)
    assert ring.build_all() == FOREIGN + 1
    assert ring.index.size_without("home", FOREIGN, FLOW) is None
    assert ring.index.size_without("home", FOREIGN - 1, FLOW) is not None
    with pytest.raises(OSError, match="no"):
        ring.history(ring.limit)


def test_a_spool_that_is_not_there_yet_has_nothing_to_look_through(tmp_path: Path) -> None:
    assert not FlowIndex(tmp_path / "nothing", ("home",)).build_next()


def test_its_thread_builds_what_is_sealed_and_then_looks_again(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Enough(Exception):
        pass

    def sleep(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            ring.write(FOREIGN + 2, ring.others)  # seals the one before
            if len(waited) == 3:
                raise Enough

    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(Enough):
        ring.index.keep()
    assert waited == [1.0, 1.0, 1.0]
    assert ring.index.size_without("home", FOREIGN + 1, Flow(Transport.TCP, Endpoint(*OTHER), Endpoint(*CLIENT)))
    assert ring.index.size_without("home", FOREIGN + 2, FLOW) is None  # still written


def test_it_may_be_asked_while_it_is_built(ring: Ring) -> None:
    building = threading.Thread(target=ring.build_all)
    building.start()
    while building.is_alive():
        assert ring.history(10**9).start_seen
    building.join()
    assert ring.history(ring.limit).start_seen
