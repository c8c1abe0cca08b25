"""Where debian:trixie-slim comes from: it is there, a registry gives it, or debootstrap makes it."""

from __future__ import annotations

import pytest

from machine import Machine, Outcome


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """A machine without the image, whose registry does not exist, and whose user is not root."""
    (machine.folder / "var").mkdir()
    machine.environment["BOOTSTRAP_FOLDER"] = str(machine.folder / "var")
    machine.docker_answers("pull *", "Error response from daemon: no such host\n", 1)
    machine.docker_answers("import *", "sha256:1\n")
    machine.program("apt-get", "#!/bin/sh\nexit 0\n")
    user(machine, 1000)
    return machine


def user(machine: Machine, uid: int) -> None:
    machine.program("id", f"#!/bin/sh\necho {uid}\n")


def debootstrap(machine: Machine, body: str) -> None:
    """Called with --variant, release, folder, mirror (empty: its own) and, for a release it is too old for, rules."""
    log = machine.folder / "mirrors.log"
    machine.program("debootstrap", f'#!/bin/sh\necho "${{4:-its own}}" >>{log}\n{body}\n')


def bootstrap(machine: Machine) -> Outcome:
    outcome = machine.run("bootstrap.sh")
    assert list((machine.folder / "var").iterdir()) == [], "its working folder was left behind"
    return outcome


def told(machine: Machine) -> list[str]:
    return [line.split()[0] for line in machine.docker_was_told()]


def test_an_image_that_is_there_is_not_asked_for(bare: Machine) -> None:
    bare.docker_answers("image inspect debian:trixie-slim", "[]")
    assert bootstrap(bare).said == ""
    assert told(bare) == ["image"]


def test_a_registry_that_has_it_is_enough(bare: Machine) -> None:
    bare.docker_answers("pull debian:trixie-slim", "trixie-slim: Pulling from library/debian\n")
    outcome = bootstrap(bare)
    assert (outcome.status, outcome.said) == (0, "pulling debian:trixie-slim\n")


def test_without_a_registry_a_user_is_told_the_one_command(bare: Machine) -> None:
    outcome = bootstrap(bare)
    assert outcome.status == 1
    assert "no registry gives debian:trixie-slim (Error response from daemon: no such host)" in outcome.said
    assert outcome.errors == ("error: making debian:trixie-slim takes root, once: sudo make base",)


def test_the_one_command_names_the_lab(bare: Machine) -> None:
    bare.environment |= {"LAB": "other", "LAB_NET": "10.88"}
    assert bootstrap(bare).errors[-1].endswith("sudo make base LAB=other LAB_NET=10.88")


def test_a_registry_that_stays_silent_is_given_up(bare: Machine) -> None:
    bare.program("timeout", "#!/bin/sh\nexec sleep 30\n")
    bare.environment["ANSWER_LIMIT"] = "1"
    assert "(no answer within 1 s)" in bootstrap(bare).said


def test_root_makes_the_image_from_debians_packages(bare: Machine) -> None:
    user(bare, 0)
    debootstrap(bare, 'mkdir -p "$3/etc" "$3/var/lib/apt/lists" && echo 13 >"$3/etc/debian_version"')
    outcome = bootstrap(bare)
    assert (outcome.status, outcome.errors) == (0, ())
    assert outcome.said.endswith("made debian:trixie-slim\n")
    imported = bare.docker_was_told()[-1]
    assert imported.endswith("- debian:trixie-slim")
    assert "--change LABEL eightsteps.bootstrapped=yes" in imported


def test_a_mirror_that_lacks_the_release_is_followed_by_the_default_one(bare: Machine) -> None:
    user(bare, 0)
    bare.program("apt-get", "#!/bin/sh\necho http://mirror.example/debian/\n")
    debootstrap(bare, '[ "${4:-}" = "" ] && mkdir -p "$3"')
    assert bootstrap(bare).status == 0
    mirrors = (bare.folder / "mirrors.log").read_text().splitlines()
    assert mirrors == ["http://mirror.example/debian/", "its own"]


def test_a_debootstrap_that_fails_shows_its_last_words(bare: Machine) -> None:
    user(bare, 0)
    debootstrap(bare, "echo E: cannot fetch Release; exit 1")
    outcome = bootstrap(bare)
    assert outcome.status == 1
    assert outcome.errors == ("    E: cannot fetch Release", "error: debootstrap could not fetch Debian trixie")
    assert "import" not in told(bare)


def test_a_missing_debootstrap_that_cannot_be_installed_is_named(bare: Machine) -> None:
    user(bare, 0)
    bare.program("apt-get", "#!/bin/sh\necho E: unable to locate package; exit 100\n")
    path = f"{bare.folder / 'bin'}:{bare.path_without('debootstrap', 'apt-get')}"
    outcome = bare.run("bootstrap.sh", PATH=path)
    assert outcome.status == 1
    assert outcome.errors[-1] == "error: apt-get could not install debootstrap"
