"""Key log files: when the next one starts, which ones go."""

from __future__ import annotations

import pytest

from origin.key_log_files import (
    KEEP_S,
    LARGEST_FILE,
    LARGEST_TOTAL,
    ROLL_AFTER_S,
    KeyLogFile,
    file_name,
    is_due,
    outdated,
    started_of,
)

NOW = 1_900_000_000


def test_a_name_tells_host_and_start() -> None:
    assert file_name("origin-1", NOW) == "origin-1.1900000000.log"
    assert started_of("origin-1", "origin-1.1900000000.log") == NOW


@pytest.mark.parametrize(
    "name",
    [
        "origin-2.1900000000.log",
        "origin-1.log",
        "origin-1..log",
        "origin-1.1900000000",
        "origin-1.19e8.log",
        "origin-1.-19.log",
        "origin-1.²².log",
        "origin-11.1900000000.log",
        "",
    ],
)
def test_files_of_others_are_left_alone(name: str) -> None:
    assert started_of("origin-1", name) is None


@pytest.mark.parametrize(
    ("age", "size", "due"),
    [
        (0, 0, False),
        (ROLL_AFTER_S - 1, 0, False),
        (ROLL_AFTER_S, 0, True),
        (-1, 0, True),  # the clock was set back
        (1, LARGEST_FILE - 1, False),
        (1, LARGEST_FILE, True),
        (0, LARGEST_FILE, False),  # within the same second the new file would have the same name
    ],
)
def test_a_file_is_followed_by_the_next_when_old_or_full(age: int, size: int, due: bool) -> None:
    assert is_due(KeyLogFile(NOW - age, size), NOW) is due


def test_files_older_than_two_hours_go() -> None:
    files = [KeyLogFile(NOW - age, 100) for age in (0, ROLL_AFTER_S, KEEP_S, KEEP_S + 1, 10 * KEEP_S)]
    assert outdated(files, NOW) == files[3:]


def test_when_all_together_are_too_large_the_oldest_go() -> None:
    files = [KeyLogFile(NOW - age, LARGEST_FILE) for age in range(20)]
    kept = LARGEST_TOTAL // LARGEST_FILE
    assert outdated(reversed(files), NOW) == files[kept:]
