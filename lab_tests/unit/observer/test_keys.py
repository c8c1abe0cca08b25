"""Key logs that others write and sweep while they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from observer.following import KeyLogFollower
from observer.keys import opening_secrets, whole_lines

RANDOM = bytes(range(32))
LINE = f"CLIENT_RANDOM {RANDOM.hex()} {'ab' * 48}\n"
HELLO = b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + RANDOM


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE + LINE[:-20])
    assert len(opening_secrets(tmp_path, HELLO)) == 1
    assert whole_lines(tmp_path / "a.log", len(LINE)) == b""


def test_a_follower_takes_a_line_once_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(LINE[:40])
    follower = KeyLogFollower(tmp_path)
    assert follower.new() == ()
    log.write_text(LINE)
    assert len(follower.new()) == 1
    assert follower.new() == ()


def test_a_log_that_was_swept_after_it_was_listed_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "swept.log").symlink_to(tmp_path / "gone")  # listed, and not there
    (tmp_path / "there.log").write_text(LINE)
    assert len(opening_secrets(tmp_path, HELLO)) == 1
    assert KeyLogFollower(tmp_path).new() == ()


def test_a_log_that_cannot_be_read_for_another_reason_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder.log").mkdir()
    with pytest.raises(IsADirectoryError):
        opening_secrets(tmp_path, HELLO)
