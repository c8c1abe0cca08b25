"""The recorder between rings, spool and visits; the observer's reader judges what it wrote."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import tap.recorder
from hostkit import sentinel
from hostkit.sentinel import Kind
from observer.spool import Record, records_in
from observer.spool import Spool as Reader
from tap.block import Block
from tap.recorder import Recorder, Refused
from tap.settings import MIB
from tap.spool import Spool

A, B = b"a" * 60, b"b" * 60


def block_of(link: str, frames: list[bytes]) -> Block:
    """A block as the kernel fills it: descriptor, then frames of 60 bytes, each behind a header of 82."""
    used = 48 + 144 * len(frames)
    memory = bytearray(struct.pack("=6IQ4I", 2, 48, 1, len(frames), 48, used, 0, 0, 0, 9, 9))
    for frame in frames:
        memory += (
            struct.pack("=6I2H2I2H8x", 144, 7, 7, 60, 60, 1, 82, 96, 0, 0, 0, 0).ljust(82, b"\0") + frame + b"\0\0"
        )
    return Block(link, memory, memoryview(memory), 0)


class FakeLink:
    """A link's ring and sender in one. What is sent comes back in a block of its own, as on a real link."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.interface = f"lab-{name}"
        self.new_drops = 0
        self.deaf = False
        self.deliver: Callable[[Block], None] = lambda block: None

    def drops(self) -> int:
        self.new_drops, drops = 0, self.new_drops
        return drops

    def send(self, frame: bytes) -> None:
        if not self.deaf:
            self.deliver(block_of(self.name, [frame]))


class Lab:
    """Two links, a recorder and the reader of what it records."""

    def __init__(self, folder: Path) -> None:
        self.home, self.edge = FakeLink("home"), FakeLink("edge")
        self.folder = folder
        self.spool = Spool(folder, ["home", "edge"], 16 * MIB)
        links = {"home": self.home, "edge": self.edge}
        self.recorder = Recorder(links, links, self.spool)
        self.home.deliver = self.edge.deliver = self.recorder.take
        self.reader = Reader(folder)

    def passes(self, link: str, *frames: bytes) -> None:
        self.recorder.take(block_of(link, list(frames)))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_visit_is_cut_out_as_the_frames_that_passed(lab: Lab) -> None:
    lab.passes("home", A)
    lab.recorder.begin("visit")
    lab.passes("home", A, B)
    lab.passes("edge", B)
    slices = lab.recorder.end("visit")
    lab.passes("home", A)
    assert {name: (part.packets, part.complete) for name, part in slices.items()} == {
        "home": (2, True),
        "edge": (1, True),
    }
    for name, frames in {"home": [A, B], "edge": [B]}.items():
        part = lab.reader.slice(name, "visit", slices[name].begin, slices[name].end)
        assert [packet.data for packet in part.packets] == frames
        assert part.complete


def test_two_visits_at_once_get_each_their_own(lab: Lab) -> None:
    lab.recorder.begin("one")
    lab.passes("home", A)
    lab.recorder.begin("two")
    lab.passes("home", B)
    one = lab.recorder.end("one")["home"]
    lab.passes("home", B)
    two = lab.recorder.end("two")["home"]
    for visit, part, frames in (("one", one, [A, B]), ("two", two, [B, B])):
        read = lab.reader.slice("home", visit, part.begin, part.end)
        assert [packet.data for packet in read.packets] == frames


def test_blocks_go_back_to_the_kernel(lab: Lab) -> None:
    block = block_of("home", [A])
    lab.recorder.take(block)
    assert block._memory[8] == 0


def test_headers_carry_the_links_counters(lab: Lab) -> None:
    lab.passes("home", A, B)
    lab.home.new_drops = 3
    lab.passes("home", A)
    lab.passes("home", B)
    content = (lab.folder / "home" / "00000000.blocks").read_bytes()
    headers = [record.header for record in records_in(content, 0) if isinstance(record, Record)]
    assert [(h.sequence, h.total_frames, h.drops_before, h.total_drops) for h in headers] == [
        (0, 2, 0, 0),
        (1, 3, 0, 3),
        (2, 4, 3, 3),
    ]
    assert {h.session for h in headers} == {lab.recorder.started_ns}


def test_drops_during_a_visit_are_the_visits_for_tap_and_reader(lab: Lab) -> None:
    lab.home.new_drops = 100
    lab.recorder.begin("visit")
    lab.home.new_drops = 4
    lab.passes("home", A)
    home = lab.recorder.end("visit")["home"]
    assert (home.dropped, home.complete) == (4, False)
    assert not lab.reader.slice("home", "visit", home.begin, home.end).complete


def test_a_sentinel_that_does_not_come_back_is_waited_for_and_then_given_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap.recorder, "END_TIMEOUT_S", 0.01)
    lab.recorder.begin("visit")
    lab.edge.deaf = True
    slices = lab.recorder.end("visit")
    assert slices["home"].complete
    assert slices["edge"].reasons == ("end sentinel was not recorded",)


def test_a_disk_that_takes_nothing_makes_the_visit_incomplete_and_is_told_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.recorder.begin("visit")
    append = lab.spool.append
    monkeypatch.setattr(lab.spool, "append", lambda *_: None)
    lab.passes("home", A)
    lab.passes("home", A)
    monkeypatch.setattr(lab.spool, "append", append)
    home = lab.recorder.end("visit")["home"]
    assert home.reasons == ("2 blocks could not be written to the spool",)
    assert lab.reader.slice("home", "visit", home.begin, home.end).reasons == ("blocks 1 to 2 are not in the spool",)
    assert re.findall("blocks are lost|takes blocks again", capsys.readouterr().err) == [
        "blocks are lost",
        "takes blocks again",
    ]


def test_a_visit_cannot_begin_twice_or_end_twice_or_end_unbegun(lab: Lab) -> None:
    lab.recorder.begin("visit")
    with pytest.raises(Refused, match="'visit' has begun already"):
        lab.recorder.begin("visit")
    lab.recorder.end("visit")
    for visit in ("visit", "another"):
        with pytest.raises(Refused, match=f"{visit!r} has not begun, or has ended already"):
            lab.recorder.end(visit)


def test_a_sentinel_that_cannot_be_sent_refuses_the_visit_by_link(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(frame: bytes) -> None:
        raise OSError(100, "Network is down")

    monkeypatch.setattr(lab.edge, "send", send)
    with pytest.raises(Refused, match=r"link edge: the sentinel could not be sent: .*Network is down"):
        lab.recorder.begin("visit")
    monkeypatch.undo()
    lab.recorder.begin("visit")


def test_a_released_visit_is_forgotten(lab: Lab) -> None:
    lab.recorder.begin("visit")
    lab.recorder.release("visit")
    with pytest.raises(Refused):
        lab.recorder.end("visit")


def test_anothers_sentinel_frame_cannot_end_a_visit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap.recorder, "END_TIMEOUT_S", 0.01)
    lab.recorder.begin("visit")
    lab.passes("home", sentinel.frame(Kind.END, "another"))
    lab.home.deaf = True
    assert lab.recorder.end("visit")["home"].reasons == ("end sentinel was not recorded",)


def test_the_status_has_each_links_counters(lab: Lab) -> None:
    lab.passes("home", A, B)
    lab.home.new_drops = 2
    home = lab.recorder.status()["home"]
    assert (home.interface, home.packets, home.dropped) == ("lab-home", 2, 2)
    assert home.spool_bytes == (lab.folder / "home" / "00000000.blocks").stat().st_size
