"""An image is built again when, and only when, something that goes into it changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from machine import CHECKOUT, Machine

DOCKERFILES = {
    "base": "FROM debian:trixie-slim\nCOPY hostkit ca-certificates /\n",
    "tap": "# what it is\nARG BASE\nFROM ${BASE}\nARG LATER\nCOPY tap /\n",
    "observer": "ARG BASE\nFROM ${BASE}\n",
}


@pytest.fixture
def lab(machine: Machine) -> Path:
    folder = machine.folder / "lab"
    for name, text in DOCKERFILES.items():
        (folder / "services" / name).mkdir(exist_ok=True)
        (folder / "services" / name / "Dockerfile").write_text(text)
    (folder / "services/base/hostkit").mkdir()
    (folder / "services/tap/tap").mkdir()
    (folder / "services/tap/requirements.txt").write_text("scapy==1\n")
    (folder / "services/tap/tap/ring.py").write_text("ring")
    (folder / "lab_tests").mkdir()
    (folder / "lab_tests/Dockerfile").write_text("ARG OBSERVER\nFROM ${OBSERVER}\n")
    (folder / "lab_tests/requirements.txt").write_text("pytest==1\n")
    return folder


def asked(machine: Machine, question: str) -> str:
    script = f'. services/base/make/image-sources.sh; folder=$(mktemp -d); {question}; rm -r "$folder"'
    outcome = machine.command("sh", "-euc", script, CA_FOLDER=str(machine.folder / "ca"))
    assert (outcome.status, outcome.errors) == (0, ())
    return outcome.said.strip()


def source_of(machine: Machine, name: str) -> str:
    digest = asked(machine, f'source_of {name} "$folder"')
    assert re.fullmatch(r"[0-9a-f]{20}", digest)
    return digest


def test_the_lab_needs_the_images_of_services_that_always_run(machine: Machine) -> None:
    (machine.folder / "lab/compose.yaml").write_text(
        "x-nameserver: &nameserver\n  image: ${LAB}-nameserver\nservices:\n"
        "  tap:\n    image: ${LAB}-tap\n"
        "  tests:\n    image: ${LAB}-tests\n    profiles: [test]\n"
        "  monitor:\n    profiles: [monitor]\n    image: ${LAB}-monitor\n"
        "  isp:\n    image: ${LAB}-router\nnetworks:\n  home:\n"
    )
    assert asked(machine, "images_of_the_lab").split() == ["nameserver", "router", "tap"]


def test_every_image_that_compose_names_has_a_folder(machine: Machine) -> None:
    named = set(re.findall(r"image: \$\{LAB\}-(\S+)", (CHECKOUT / "compose.yaml").read_text()))
    assert "tap" in named
    assert set(asked(machine, "images_of_the_lab").split()) <= named
    for name in named:
        assert (CHECKOUT / asked(machine, f"folder_of {name}") / "Dockerfile").exists()


def test_build_arguments_name_what_an_image_is_built_on(machine: Machine, lab: Path) -> None:
    assert asked(machine, "parents_of base") == ""
    assert asked(machine, "parents_of tap") == "base"
    assert asked(machine, "parents_of tests") == "observer"


def test_the_same_sources_give_the_same_digest_whoever_checked_them_out(machine: Machine, lab: Path) -> None:
    before = source_of(machine, "tap")
    os.utime(lab / "services/tap/tap/ring.py", (1, 1))
    (lab / "services/tap/tap/ring.py").chmod(0o600)
    (lab / "services/tap/tap").chmod(0o700)
    assert source_of(machine, "tap") == before


def test_what_python_leaves_behind_changes_nothing(machine: Machine, lab: Path) -> None:
    before = source_of(machine, "tap")
    (lab / "services/tap/tap/__pycache__").mkdir()
    (lab / "services/tap/tap/__pycache__/ring.pyc").write_text("x")
    (lab / "services/tap/README.md").write_text("what the tap is")
    assert source_of(machine, "tap") == before


@pytest.mark.parametrize(
    "changed",
    [
        "services/tap/tap/ring.py",
        "services/tap/tap/new.py",
        "services/tap/Dockerfile",
        "services/base/hostkit/agent.py",
    ],
)
def test_changed_sources_give_another_digest(machine: Machine, lab: Path, changed: str) -> None:
    before = source_of(machine, "tap")
    with (lab / changed).open("a") as file:
        file.write("# changed\n")
    assert source_of(machine, "tap") != before


def test_a_file_that_becomes_executable_is_a_change(machine: Machine, lab: Path) -> None:
    before = source_of(machine, "tap")
    (lab / "services/tap/tap/ring.py").chmod(0o755)
    assert source_of(machine, "tap") != before


def test_the_scripts_of_make_are_not_part_of_the_base(machine: Machine, lab: Path) -> None:
    before = source_of(machine, "base")
    (lab / "services/base/make/new.sh").write_text("x")
    assert source_of(machine, "base") == before


def test_the_machines_own_authorities_go_into_the_base(machine: Machine, lab: Path) -> None:
    without = source_of(machine, "base")
    assert asked(machine, 'context_tar base "$folder" | tar -t | grep certificates') == "ca-certificates/"
    (machine.folder / "ca/company").mkdir(parents=True)
    (machine.folder / "ca/company/proxy.crt").write_text("certificate")
    (machine.folder / "ca/notes.txt").write_text("not one")
    assert source_of(machine, "base") != without
    assert asked(machine, 'context_tar base "$folder" | tar -t | grep certificates/p') == "ca-certificates/proxy.crt"


def test_editing_a_test_builds_nothing(machine: Machine, lab: Path) -> None:
    before = source_of(machine, "tests")
    (lab / "lab_tests/test_new.py").write_text("def test(): ...")
    assert source_of(machine, "tests") == before


@pytest.mark.parametrize("pins", ["lab_tests/requirements.txt", "services/tap/requirements.txt"])
def test_another_pin_builds_the_tests_image_again(machine: Machine, lab: Path, pins: str) -> None:
    before = source_of(machine, "tests")
    (lab / pins).write_text("pytest==2\n")
    assert source_of(machine, "tests") != before


def test_programs_can_be_read_by_user_lab_whatever_the_umask_was(machine: Machine, lab: Path) -> None:
    (lab / "services/tap/tap/ring.py").chmod(0o600)
    listing = asked(machine, "context_tar tap | tar -tv | grep ring.py")
    assert listing.startswith("-rw-r--r-- 0/0 ")


# ---------------------------------------------------------------- which images are built


def built(machine: Machine, *names: str) -> list[str]:
    machine.docker_answers("build *")
    machine.docker_answers("image prune *")
    machine.docker_answers("image inspect debian:trixie-slim")
    outcome = machine.run("build-images.sh", *names, CA_FOLDER=str(machine.folder / "ca"))
    assert (outcome.status, outcome.errors) == (0, ())
    return [line.split(" -t ")[1].split()[0] for line in machine.docker_was_told() if line.startswith("build ")]


def test_missing_images_are_built_after_what_they_are_built_on(machine: Machine, lab: Path) -> None:
    order = built(machine, "tap", "tests")
    assert set(order) == {"eightsteps-base", "eightsteps-tap", "eightsteps-observer", "eightsteps-tests"}
    assert order[0] == "eightsteps-base"
    assert order[-1] == "eightsteps-tests"


def test_a_build_is_told_the_parent_and_labelled_with_its_source(machine: Machine, lab: Path) -> None:
    built(machine, "tap")
    told = machine.docker_was_told()[-2]
    assert f"--label eightsteps.source={source_of(machine, 'tap')}" in told
    assert "--build-arg BASE=eightsteps-base" in told


def exist(machine: Machine, *lines: str) -> None:
    machine.docker_answers("image inspect -f *", "\n".join(lines) + "\n")


def test_images_of_the_present_sources_are_left_alone(machine: Machine, lab: Path) -> None:
    exist(
        machine,
        f"eightsteps-base:latest other-base:latest  {source_of(machine, 'base')}",
        f"eightsteps-tap:latest  {source_of(machine, 'tap')}",
    )
    assert built(machine, "tap") == []


def test_only_the_image_whose_sources_changed_is_built(machine: Machine, lab: Path) -> None:
    exist(
        machine, f"eightsteps-base:latest  {source_of(machine, 'base')}", "eightsteps-tap:latest  0123456789abcdef0123"
    )
    assert built(machine, "tap") == ["eightsteps-tap"]


def test_another_labs_image_is_not_this_labs(machine: Machine, lab: Path) -> None:
    exist(
        machine,
        f"eightsteps-base:latest  {source_of(machine, 'base')}",
        f"xeightsteps-tap:latest  {source_of(machine, 'tap')}",
    )
    assert built(machine, "tap") == ["eightsteps-tap"]


def test_a_build_that_fails_shows_what_the_builder_said(machine: Machine, lab: Path) -> None:
    machine.docker_answers("build *", "Step 2/3 : RUN pip install\nno such package: sacpy\n", 1)
    machine.docker_answers("image inspect debian:trixie-slim")
    outcome = machine.run("build-images.sh", "tap", CA_FOLDER=str(machine.folder / "ca"))
    assert outcome.status == 1
    assert outcome.errors[0].startswith("error: image base could not be built")
    assert "    no such package: sacpy" in outcome.errors


def test_an_image_that_has_no_folder_is_named(machine: Machine, lab: Path) -> None:
    outcome = machine.run("build-images.sh", "tpa")
    assert (outcome.status, outcome.errors) == (
        1,
        ("error: no image tpa: there is no services/tpa/Dockerfile",),
    )
