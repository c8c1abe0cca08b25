"""`make wireshark`: what is started with which settings, and what is said where there is no screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from machine import CHECKOUT, Machine, Outcome
from programs_here import needs

pytestmark = needs("make")


@pytest.fixture
def with_visit(machine: Machine) -> Machine:
    lab = machine.folder / "lab"
    shutil.copytree(CHECKOUT / "services/observer/wireshark", lab / "services/observer/wireshark")
    (lab / "captures/visit").mkdir(parents=True)
    (lab / "captures/visit/journey.pcapng").write_bytes(b"")
    (lab / "captures/latest").symlink_to("visit")
    # A Wireshark that tells how it was started; the shell that started it in the background waits for the file.
    script = 'cat >/dev/null; echo "$WIRESHARK_CONFIG_DIR $*" >"$STARTED.part"; mv "$STARTED.part" "$STARTED"'
    machine.program("wireshark", f"#!/bin/sh\n{script}\n")
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("exec *", "frames")
    return machine


def wireshark(machine: Machine, *words: str, display: str = "") -> Outcome:
    for name in ("LAB", "LAB_NET", "LAB_PORT", "MONITOR_PORT", "LAB_UID", "LAB_GID", "MAKEFLAGS", "WAYLAND_DISPLAY"):
        machine.environment.pop(name, None)
    started = machine.folder / "started"
    return machine.command("make", "wireshark", *words, DISPLAY=display, STARTED=str(started), NO_COLOR="1")


def started(machine: Machine) -> str:
    return (machine.folder / "started").read_text().strip()


def test_live_frames_go_to_the_machines_wireshark_with_the_labs_settings(with_visit: Machine) -> None:
    outcome = wireshark(with_visit, "LIVE=1", display=":0")
    assert outcome.status == 0, outcome
    settings = with_visit.folder / "lab/captures/.wireshark"
    assert started(with_visit) == f"{settings} -k -i -"
    assert with_visit.docker_was_told() == ["exec -i eightsteps-observer live --hold 0"]
    assert [p.name for p in sorted(settings.iterdir())] == [
        "colorfilters",
        "dfilter_buttons",
        "preferences",
        "recent",
        "recent_common",
    ]
    assert settings.stat().st_uid == os.getuid()


def test_what_the_user_changed_there_stays_changed(with_visit: Machine) -> None:
    wireshark(with_visit, "LIVE=1", display=":0")
    preferences = with_visit.folder / "lab/captures/.wireshark/preferences"
    preferences.write_text("mine")
    wireshark(with_visit, "LIVE=1", display=":0")
    assert preferences.read_text() == "mine"


def test_without_a_screen_they_go_to_the_terminal(with_visit: Machine) -> None:
    outcome = wireshark(with_visit, "LIVE=1", "HOLD=1.5")
    assert (outcome.status, outcome.said) == (0, "frames")
    assert with_visit.docker_was_told() == ["exec -i eightsteps-observer live --lines --hold 1.5"]


@pytest.mark.parametrize("display", ["", ":0"], ids=["terminal", "screen"])
@pytest.mark.parametrize(
    ("status", "said"),
    [(137, "error: the stream of frames broke off: exit code 137"), (1, "live: no spool")],
)
def test_a_stream_that_fails_is_told_in_one_line(with_visit: Machine, display: str, status: int, said: str) -> None:
    with_visit.docker_answers("exec *", "live: no spool\n" if status == 1 else "", status)
    outcome = wireshark(with_visit, "LIVE=1", display=display)
    assert outcome.status != 0
    assert [line for line in outcome.errors if not line.startswith("make: ")] == [said]


def test_a_wireshark_that_was_closed_first_is_no_failure(with_visit: Machine) -> None:
    with_visit.docker_answers("exec *", "frames", 141)
    outcome = wireshark(with_visit, "LIVE=1", display=":0")
    assert outcome.status == 0, outcome


@pytest.mark.parametrize("display", ["", ":0"], ids=["terminal", "screen"])
def test_ctrl_c_ends_it_without_a_word(with_visit: Machine, display: str) -> None:
    ready = with_visit.folder / "ready"
    os.mkfifo(ready)
    with_visit.program("docker", f"#!/bin/sh\necho >{ready}\nexec sleep 60\n")
    with_visit.program("wireshark", "#!/bin/sh\nexec cat\n")
    command = ["sh", "services/base/make/open-wireshark.sh"]
    environment = with_visit.environment | {"WIRESHARK_LIVE": "1", "DISPLAY": display, "NO_COLOR": "1"}
    environment.pop("WAYLAND_DISPLAY", None)
    with subprocess.Popen(
        command,
        cwd=with_visit.folder / "lab",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, which gets the signal as a terminal's foreground does
    ) as process:
        ready.read_text()  # the stream has begun
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_without_a_screen_the_last_visit_is_pointed_to(with_visit: Machine) -> None:
    outcome = wireshark(with_visit)
    assert outcome.status == 0
    assert "captures/visit/journey.pcapng" in outcome.said
    assert "docker exec eightsteps-observer tshark" in outcome.said


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        (["LIVE=yes"], "LIVE=yes: expected LIVE=1"),
        (["LIVE=1", "HOLD=soon"], "HOLD=soon: expected seconds"),
        (["LIVE=1", "HOLD=."], "HOLD=.: expected seconds"),
    ],
)
def test_mistakes_are_named(with_visit: Machine, typed: list[str], complaint: str) -> None:
    outcome = wireshark(with_visit, *typed)
    assert outcome.status != 0
    assert complaint in outcome.errors[0]
    assert with_visit.docker_was_told() == []


def test_a_lab_that_is_down_and_a_visit_that_was_not_made_are_said(machine: Machine) -> None:
    assert "is not up" in wireshark(machine, "LIVE=1").errors[0]
    assert "no visit has been captured yet" in wireshark(machine).errors[0]


# ---------------------------------------------------------------- `live --lines`, in the observer


def lines(machine: Machine, stream: str, tshark: str = "exec cat") -> Outcome:
    """What `live --lines` makes of a stream and a tshark that do so."""
    machine.program("python3", f"#!/bin/sh\n{stream}\n")
    machine.program("tshark", f"#!/bin/sh\n{tshark}\n")
    return machine.command("sh", str(CHECKOUT / "services/observer/live"), "--lines", "--hold", "0")


def test_lines_are_those_of_the_stream(machine: Machine) -> None:
    assert lines(machine, 'echo "$*"') == Outcome(0, "-m observer live --hold 0\n", ())


def test_a_stream_that_said_why_it_failed_fails_the_lines_without_another_word(machine: Machine) -> None:
    outcome = lines(machine, "echo frames; echo 'live: no spool' >&2; exit 1")
    assert outcome == Outcome(1, "frames\n", ("live: no spool",))


def test_a_stream_that_was_killed_fails_the_lines_in_one(machine: Machine) -> None:
    outcome = lines(machine, "echo frames; kill -KILL $$")
    assert (outcome.status, outcome.said) == (1, "frames\n")
    assert outcome.errors == ("live: the stream of frames broke off: exit code 137",)


def test_a_tshark_that_fails_fails_the_lines(machine: Machine) -> None:
    assert lines(machine, "echo frames", "cat >/dev/null; echo 'tshark: no' >&2; exit 2") == Outcome(
        2, "", ("tshark: no",)
    )
