"""The pipe to Chromium and its end, against a stand-in that speaks, stays silent, or dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from client.browser_process import BrowserFault, BrowserProcess
from client.cdp import Event

# Answers each command with its own method's name; some methods make it do something else.
STAND_IN = """
import json, os, signal, subprocess, sys
def say(message): os.write(4, json.dumps(message).encode() + b"\\0")
pieces = b""
while True:
    data = os.read(3, 65536)
    if not data: sys.exit(0)
    pieces += data
    while b"\\0" in pieces:
        text, pieces = pieces.split(b"\\0", 1)
        command = json.loads(text)
        method, number = command["method"], command["id"]
        if method == "Die": print("out of paper", file=sys.stderr); sys.exit(7)
        if method == "Hang": continue
        if method == "Child":
            child = subprocess.Popen(["sleep", "100"])
            say({"id": number, "result": {"pid": child.pid}})
            continue
        if method == "Refuse": say({"id": number, "error": {"message": "not today"}}); continue
        if method == "Crash": say({"method": "Inspector.targetCrashed", "params": {}}); continue
        if method == "Speak": say({"method": "Page.spoke", "params": {"word": command["params"]["word"]}})
        say({"id": number, "result": {"method": method}})
        if method == "Browser.close": sys.exit(0)
"""


def stand_in(tmp_path: Path, seconds: float = 10.0) -> BrowserProcess:
    command = [sys.executable, "-c", STAND_IN]
    return BrowserProcess(command, {"PATH": os.environ["PATH"]}, tmp_path / "log", time.monotonic() + seconds)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # what another process has yet to reap is not running


def test_a_command_gets_its_own_answer_and_events_keep_their_order(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process:
        for word in ("one", "two"):
            assert process.call("Speak", word=word) == {"method": "Speak"}

        assert process.events == [Event("Page.spoke", {"word": word}, "") for word in ("one", "two")]
        assert process.wait_for(lambda event: event.params["word"] == "two", 0, "a word").params == {"word": "two"}


def test_a_refused_command_says_why(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process, pytest.raises(BrowserFault, match="Chromium refused Refuse: not today"):
        process.call("Refuse")


def test_no_answer_ends_at_the_deadline_and_names_what_was_waited_for(tmp_path: Path) -> None:
    with stand_in(tmp_path, seconds=0.3) as process:
        started = time.monotonic()
        with pytest.raises(BrowserFault, match="out of time while waiting for the page to answer"):
            process.call("Hang", purpose="the page to answer")
        assert time.monotonic() - started < 2


def test_an_event_that_never_comes_ends_at_the_deadline(tmp_path: Path) -> None:
    with stand_in(tmp_path, seconds=0.3) as process, pytest.raises(BrowserFault, match="waiting for a word"):
        process.wait_for(lambda _: True, 0, "a word")


def test_an_end_in_the_middle_tells_the_exit_code_and_the_last_words(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process, pytest.raises(BrowserFault, match=r"exit code 7.*: out of paper"):
        process.call("Die")


def test_a_crashed_page_is_noticed_at_once(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process, pytest.raises(BrowserFault, match="the page's process crashed"):
        process.call("Crash")


def test_a_clean_close_lets_the_browser_exit_by_itself(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process:
        process.close()


def test_closing_a_browser_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process:
        with pytest.raises(BrowserFault):
            process.call("Die")
        process.close()


def test_afterwards_nothing_of_the_group_runs(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process:
        child = process.call("Child")["pid"]
        assert is_running(child)

    assert not is_running(child)


def test_the_end_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        with stand_in(tmp_path) as process:
            process.call("Speak", word="x")

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(FileNotFoundError):
        BrowserProcess([str(tmp_path / "none")], {}, tmp_path / "log", time.monotonic() + 1)

    assert len(os.listdir("/proc/self/fd")) == before
