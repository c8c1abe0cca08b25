"""`make explain`: what one types reaches the observer, a page is written whole or not at all, mistakes are named."""

from __future__ import annotations

import os
import stat

import pytest

from machine import Machine, Outcome
from programs_here import needs

pytestmark = needs("make")


@pytest.fixture
def ready(machine: Machine) -> Machine:
    (machine.folder / "lab/a.pcap").write_bytes(b"\n")
    machine.program("docker-build", "")
    (machine.folder / "lab/services/base/make/build-images.sh").write_text("")
    machine.docker_answers("run *", "told\n")
    return machine


def explain(machine: Machine, *words: str, **environment: str) -> Outcome:
    for name in ("LAB", "LAB_NET", "LAB_PORT", "MONITOR_PORT", "LAB_UID", "LAB_GID", "MAKEFLAGS"):
        machine.environment.pop(name, None)
    return machine.command("make", "explain", *words, **({"LANG": "C.UTF-8"} | environment))


def asked(machine: Machine) -> list[str]:
    """What the observer's `explain` was given."""
    return machine.docker_was_told()[-1].partition(" /capture/")[2].split()[1:]


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        ([], []),
        (["FRAMES=1"], ["--frames"]),
        (["JSON=1"], ["--json"]),
        (["ASCII=1"], ["--ascii"]),
        (["FRAMES=1", "ASCII=1"], ["--frames", "--ascii"]),
        (["FRAMES=0", "JSON="], []),
    ],
)
def test_each_form_is_passed_on(ready: Machine, typed: list[str], passed: list[str]) -> None:
    outcome = explain(ready, "PCAP=a.pcap", *typed)
    assert (outcome.status, outcome.said, asked(ready)) == (0, "told\n", passed)


def test_a_terminal_without_utf8_gets_ascii(ready: Machine) -> None:
    explain(ready, "PCAP=a.pcap", LANG="C")
    assert asked(ready) == ["--ascii"]


def test_variables_that_only_lie_in_the_environment_do_not_count(ready: Machine) -> None:
    explain(ready, "PCAP=a.pcap", JSON="1", HTML="b.html", FRAMES="1")
    assert asked(ready) == []


def test_a_page_is_written_with_the_users_rights(ready: Machine) -> None:
    outcome = explain(ready, "PCAP=a.pcap", "HTML=my page.html")
    page = ready.folder / "lab/my page.html"
    assert (outcome.status, asked(ready), page.read_text()) == (0, ["--html"], "told\n")
    umask = os.umask(0)
    os.umask(umask)
    assert (page.stat().st_uid, stat.S_IMODE(page.stat().st_mode)) == (os.getuid(), 0o666 & ~umask)


def test_a_page_that_could_not_be_told_leaves_what_was_there(ready: Machine) -> None:
    page = ready.folder / "lab/page.html"
    page.write_text("before")
    ready.docker_answers("run *", "explain: a.pcap: no capture\n", 1)
    outcome = explain(ready, "PCAP=a.pcap", "HTML=page.html")
    assert outcome.status != 0
    assert outcome.errors[0] == "explain: a.pcap: no capture"
    assert page.read_text() == "before"
    assert [p.name for p in page.parent.iterdir() if p.name.startswith(".explain")] == []


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        (["JSON=1", "FRAMES=1"], "one of FRAMES=1, JSON=1 and HTML=file at a time"),
        (["JSON=yes"], "JSON=yes: expected JSON=1, or leave it out"),
        (["HTML=1"], "HTML=1: expected the name of the file to write"),
        (["HTML=there/is/none.html"], "there/is: there is no such folder to write none.html into"),
        (["HTML=services"], "services is a folder"),
        (["KEYS=none.log"], "none.log: there is no such file"),
        (["KEYS=compose.yaml"], "compose.yaml: no key log: expected lines such as CLIENT_RANDOM"),
        (["PCAP=services"], "services is a folder; name a file in it"),
        (["PCAP=empty.pcap"], "empty.pcap is empty"),
    ],
)
def test_mistakes_are_named_before_anything_runs(ready: Machine, typed: list[str], complaint: str) -> None:
    (ready.folder / "lab/empty.pcap").write_bytes(b"")
    outcome = explain(ready, "PCAP=a.pcap", *typed)
    assert outcome.status != 0
    assert complaint in outcome.errors[0]
    assert ready.docker_was_told() == []


@pytest.mark.parametrize(
    "line",
    [
        f"CLIENT_RANDOM {'5f' * 32} {'9a' * 48}",
        f"CLIENT_HANDSHAKE_TRAFFIC_SECRET {'5F' * 32} {'9A' * 32}\r",
        f"RSA {'5f' * 8} {'9a' * 48}",
        f"RSA Session-ID:{'5f' * 32} Master-Key:{'9a' * 48}",
    ],
)
def test_a_key_log_may_hold_any_kind_of_line(ready: Machine, line: str) -> None:
    (ready.folder / "lab/a.keys").write_bytes(f"# a comment\nno key\n{line}\n".encode())
    outcome = explain(ready, "PCAP=a.pcap", "KEYS=a.keys")
    assert (outcome.status, asked(ready)) == (0, ["--keys", "/capture/session.keys"])


def test_a_capture_is_needed(ready: Machine) -> None:
    assert "which capture?" in explain(ready).errors[0]
