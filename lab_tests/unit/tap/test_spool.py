"""The spool on disk: bounded, never rewritten, kept for running visits, alive on a full disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hostkit.spool_format import HEADER_SIZE, Position
from tap.settings import MIB
from tap.spool import Spool

HEADER = b"h" * HEADER_SIZE
LIMIT = 16 * MIB
BLOCK = memoryview(b"b" * (256 * 1024 - HEADER_SIZE))  # four records to a segment of 1 MiB


def names(folder: Path, link: str) -> list[int]:
    return sorted(int(path.stem) for path in (folder / link).iterdir())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.blocks"))


def fill(spool: Spool, link: str, mib: int) -> None:
    for _ in range(mib * 4):
        assert spool.append(link, HEADER, BLOCK) is not None


def test_a_record_is_header_and_block_and_the_position_is_behind_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    assert spool.position("home") == Position(0, 0)
    assert spool.append("home", HEADER, memoryview(b"block")) == Position(0, HEADER_SIZE + 5)
    assert (tmp_path / "home" / "00000000.blocks").read_bytes() == HEADER + b"block"


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    fill(spool, "home", 1)
    assert spool.position("home") == Position(0, MIB)
    assert spool.append("home", HEADER, BLOCK) == Position(1, MIB // 4)
    assert names(tmp_path, "home") == [0, 1]


def test_only_the_owner_writes_and_only_the_group_reads(tmp_path: Path) -> None:
    Spool(tmp_path, ["home"], LIMIT)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "home" / "00000000.blocks").stat().st_mode & 0o777 == 0o640


def test_the_oldest_goes_when_the_limit_is_reached(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home", "edge"], LIMIT)
    fill(spool, "home", 40)
    assert size(tmp_path) <= LIMIT
    assert size(tmp_path) > LIMIT - 3 * MIB
    assert names(tmp_path, "home")[-1] == 39
    assert names(tmp_path, "edge") == [0]


def test_a_busy_link_does_not_push_out_a_quiet_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home", "edge"], LIMIT)
    fill(spool, "edge", 3)
    fill(spool, "home", 60)
    assert names(tmp_path, "edge") == [0, 1, 2]


def test_what_is_counted_is_what_lies_on_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home", "edge"], LIMIT)
    fill(spool, "home", 30)
    fill(spool, "edge", 2)
    assert spool.size("home") + spool.size("edge") == size(tmp_path)


# ---------------------------------------------------------------- visits


def test_a_visits_segments_stay_over_the_limit_until_it_is_released(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    fill(spool, "home", 10)
    begin = spool.position("home")
    spool.protect("visit")
    fill(spool, "home", 18)
    assert names(tmp_path, "home")[0] == begin.segment
    assert size(tmp_path) > LIMIT
    assert not spool.overrun
    spool.release("visit")
    fill(spool, "home", 2)
    assert size(tmp_path) <= LIMIT


def test_a_visit_that_outgrows_twice_the_limit_is_given_up_and_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    spool.protect("visit")
    fill(spool, "home", 40)
    assert spool.overrun == {"visit"}
    assert size(tmp_path) <= 2 * LIMIT


def test_the_oldest_visit_is_given_up_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    spool.protect("first")
    fill(spool, "home", 20)
    spool.protect("second")
    fill(spool, "home", 15)
    assert spool.overrun == {"first"}
    assert names(tmp_path, "home")[0] == 19, "where the second visit began"


def test_one_visits_release_does_not_free_anothers(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    spool.protect("first")
    spool.protect("second")
    spool.release("first")
    fill(spool, "home", 20)
    assert names(tmp_path, "home")[0] == 0


# ---------------------------------------------------------------- sessions


def test_a_new_session_writes_behind_the_old_one_and_never_into_it(tmp_path: Path) -> None:
    first = Spool(tmp_path, ["home"], LIMIT)
    fill(first, "home", 2)
    first.close()
    torn = tmp_path / "home" / "00000001.blocks"
    torn.write_bytes(torn.read_bytes()[:-100])
    before = torn.read_bytes()
    second = Spool(tmp_path, ["home"], LIMIT)
    assert second.position("home") == Position(2, 0)
    second.append("home", HEADER, BLOCK)
    assert torn.read_bytes() == before


def test_empty_segments_of_earlier_sessions_go_and_their_numbers_are_not_used_again(tmp_path: Path) -> None:
    for number in range(3):
        spool = Spool(tmp_path, ["home"], LIMIT)
        assert spool.position("home") == Position(number, 0)
        spool.close()
    assert names(tmp_path, "home") == [2]


def test_what_earlier_sessions_left_counts_and_is_recycled(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home", "gone"], LIMIT)
    fill(spool, "gone", 12)
    spool.close()
    spool = Spool(tmp_path, ["home"], LIMIT)
    fill(spool, "home", 10)
    assert size(tmp_path) <= LIMIT
    assert names(tmp_path, "gone")[0] > 0


def test_a_smaller_limit_holds_from_the_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ["home"], 4 * LIMIT)
    fill(spool, "home", 60)
    spool.close()
    Spool(tmp_path, ["home"], LIMIT)
    assert size(tmp_path) <= LIMIT


# ---------------------------------------------------------------- full disks


class FullDisk:
    """os.writev of a disk that has room for `room` more bytes; deleting a file does not help unless `frees`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._writev = os.writev
        monkeypatch.setattr(os, "writev", self.writev)

    def writev(self, file: int, buffers: Sequence[bytes]) -> int:
        data = b"".join(bytes(buffer) for buffer in buffers)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._writev(file, [data[: self.room]])
        self.room -= written
        return written


def test_a_block_that_does_not_fit_on_the_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    good = spool.append("home", HEADER, BLOCK)
    FullDisk(monkeypatch, room=1000)
    assert spool.append("home", HEADER, BLOCK) is None
    assert spool.position("home") == good
    assert size(tmp_path) == MIB // 4
    assert spool.last_error == f"[Errno {errno.ENOSPC}] only 1000 of {MIB // 4} bytes fitted"


def test_a_failed_write_keeps_no_hold_on_the_blocks_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    FullDisk(monkeypatch, room=0)
    memory = bytearray(100)
    spool.append("home", HEADER, memoryview(memory))
    memory.extend(b"a bytearray that is looked at cannot grow")


def test_the_spool_goes_on_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    disk = FullDisk(monkeypatch, room=0)
    assert spool.append("home", HEADER, BLOCK) is None
    disk.room = 10 * MIB
    assert spool.append("home", HEADER, BLOCK) == Position(0, MIB // 4)


def test_a_full_disk_costs_the_oldest_segment_before_it_costs_the_newest_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    fill(spool, "home", 3)
    disk = FullDisk(monkeypatch, room=0)
    unlink = Path.unlink

    def unlink_and_make_room(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        disk.room += MIB

    monkeypatch.setattr(Path, "unlink", unlink_and_make_room)
    fill(spool, "home", 1)
    assert names(tmp_path, "home") == [1, 2, 3]


def test_a_full_disk_never_costs_a_running_visit_its_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    spool.protect("visit")
    fill(spool, "home", 2)
    FullDisk(monkeypatch, room=0)
    assert spool.append("home", HEADER, BLOCK) is None
    assert names(tmp_path, "home") == [0, 1, 2]


def test_a_broken_disk_is_no_reason_to_delete_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ["home"], LIMIT)
    fill(spool, "home", 3)

    def broken(file: int, buffers: Sequence[bytes]) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "writev", broken)
    assert spool.append("home", HEADER, BLOCK) is None
    assert names(tmp_path, "home")[0] == 0
