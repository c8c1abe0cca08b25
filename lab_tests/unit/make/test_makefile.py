"""What one types: every target and variable is in `make help`, and reaches its script unharmed."""

from __future__ import annotations

import re

import pytest

from machine import CHECKOUT, Machine
from programs_here import needs

pytestmark = needs("make")

VISIT = "exec -e NO_COLOR eightsteps-observer visit"


def make(machine: Machine, *words: str, **environment: str) -> str:
    for name in ("LAB", "LAB_NET", "LAB_PORT", "MONITOR_PORT", "LAB_UID", "LAB_GID", "MAKEFLAGS"):
        machine.environment.pop(name, None)
    outcome = machine.command("make", *words, **environment)
    assert outcome.status == 0, outcome
    return outcome.said


def exported(machine: Machine, *words: str, **environment: str) -> dict[str, str]:
    """The names that Compose would see: taken from a target that does nothing but print them."""
    with (machine.folder / "lab/Makefile").open("a") as makefile:
        makefile.write("\nprint-environment:\n\t@env\n")
    lines = make(machine, "print-environment", *words, **environment).splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith(("LAB", "COMPOSE_", "MONITOR_")))


def visit(machine: Machine, *words: str, **environment: str) -> str:
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("exec *", "ladder\n")
    assert make(machine, "visit", *words, **environment) == "ladder\n"
    return machine.docker_was_told()[-1]


@pytest.mark.parametrize("slip", ["HTTPP=3", "http=3", "Url=x"])
def test_a_variable_that_nobody_reads_is_told_before_anything_is_done(machine: Machine, slip: str) -> None:
    outcome = machine.command("make", "visit", slip)
    assert outcome.status == 2
    assert f"no such variable: {slip.partition('=')[0]}; see make help" in outcome.errors[-1]
    assert machine.docker_was_told() == []


def test_what_a_program_may_want_from_its_environment_is_let_through(machine: Machine) -> None:
    visit(machine, "HTTP=3", "http_proxy=http://proxy.example", "DOCKER_HOST=unix:///run/docker.sock", "NO_COLOR=1")


def test_help_is_the_default(machine: Machine) -> None:
    assert make(machine) == make(machine, "help")


def test_help_names_every_target(machine: Machine) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    said = make(machine, "help")
    assert set(phony[1].split()) == set(re.findall(r"^  make (\w+)", said, re.MULTILINE))


def test_help_gives_an_example_of_every_variable(machine: Machine) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    said = make(machine, "help")
    for variable in {
        *re.findall(r"call given,(\w+)", makefile),
        "LAB",
        "LAB_NET",
        "LAB_PORT",
        "MONITOR_PORT",
        "PYTHON",
    }:
        assert re.search(rf"\b{variable}=\S", said), f"{variable} is not in make help"


def test_help_is_plain_where_there_is_no_terminal(machine: Machine) -> None:
    assert "\033" not in make(machine, "help")


def test_defaults_come_from_dot_env_and_the_rest_follows(machine: Machine) -> None:
    names = exported(machine)
    assert names["LAB"] == names["COMPOSE_PROJECT_NAME"] == "eightsteps"
    assert (names["LAB_NET"], names["LAB_PORT"]) == ("10.77", "8077")


@pytest.mark.parametrize(("net", "port"), [("10.88", "088"), ("10.5", "005"), ("192.168", "168"), ("10.255", "255")])
def test_the_ports_follow_from_the_network(machine: Machine, net: str, port: str) -> None:
    names = exported(machine, f"LAB_NET={net}")
    assert (names["LAB_PORT"], names["MONITOR_PORT"]) == (f"8{port}", f"7{port}")


def test_the_command_line_goes_before_the_environment_and_both_before_dot_env(machine: Machine) -> None:
    names = exported(machine, "LAB=typed", LAB="exported", LAB_NET="10.88")
    assert (names["LAB"], names["COMPOSE_PROJECT_NAME"], names["LAB_NET"]) == ("typed", "typed", "10.88")


def as_user(machine: Machine, uid: int, **environment: str) -> tuple[str, str]:
    machine.program("id", f"#!/bin/sh\necho {uid}\n")
    names = exported(machine, **environment)
    return names["LAB_UID"], names["LAB_GID"]


def test_captures_belong_to_whoever_ran_make(machine: Machine) -> None:
    assert as_user(machine, 1234) == ("1234", "1234")


def test_captures_belong_to_whoever_called_sudo(machine: Machine) -> None:
    assert as_user(machine, 0, SUDO_UID="1001", SUDO_GID="1002") == ("1001", "1002")


def test_roots_captures_stay_roots(machine: Machine) -> None:
    assert as_user(machine, 0) == ("0", "0")


def test_an_ordinary_user_with_traces_of_sudo_keeps_their_own(machine: Machine) -> None:
    assert as_user(machine, 1234, SUDO_UID="1", SUDO_GID="1") == ("1234", "1234")


def test_visit_is_one_command_in_the_observer(machine: Machine) -> None:
    assert visit(machine, LANG="C.UTF-8") == VISIT
    assert len(machine.docker_was_told()) == 1


def test_visit_passes_what_was_asked_for(machine: Machine) -> None:
    told = visit(machine, "HTTP=3", "TLS=1.3", "WITH=browser", "URL=https://parseltongue.co.in/a", LANG="C.UTF-8")
    assert told == f"{VISIT} --url https://parseltongue.co.in/a --http 3 --tls 1.3 --with browser"


def test_visit_passes_any_request(machine: Machine) -> None:
    words = ("METHOD=PUT", "HEADERS=Accept: */* | X: y", 'BODY={"item": "lamp"}')
    told = visit(machine, *words, LANG="C.UTF-8")
    assert told == f'{VISIT} --method PUT --headers Accept: */* | X: y --body {{"item": "lamp"}}'


def test_an_address_is_passed_as_typed(machine: Machine) -> None:
    url = "https://parseltongue.co.in/?a=1&b=$HOME$(id)'\";x y"
    assert visit(machine, f"URL={url}", LANG="C.UTF-8") == f"{VISIT} --url {url}"


def test_variables_that_only_lie_in_the_environment_do_not_count(machine: Machine) -> None:
    assert visit(machine, URL="https://else/", HTTP="3", TLS="1.2", WITH="browser", LANG="C.UTF-8") == VISIT


def test_a_terminal_without_utf8_gets_an_ascii_ladder(machine: Machine) -> None:
    assert visit(machine, LC_ALL="C") == f"{VISIT} --ascii"


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (["ASCII=1"], " --ascii"),
        (["ASCII=1", "FRAMES=1"], " --ascii --frames"),
        (["ASCII=1", "HTTP=all"], " --http all --ascii"),
        (["ASCII=0"], ""),
        (["ASCII="], ""),
    ],
)
def test_plain_characters_can_be_asked_for_in_any_terminal(machine: Machine, words: list[str], passed: str) -> None:
    assert visit(machine, *words, LANG="C.UTF-8") == VISIT + passed


def test_asking_for_them_in_another_way_is_a_mistake_and_asks_for_no_visit(machine: Machine) -> None:
    machine.interface("eightsteps-ctrl")
    outcome = machine.run("visit.sh", VISIT_ASCII="yes")
    assert (outcome.status, outcome.errors) == (1, ("error: ASCII=yes: expected ASCII=1, or leave it out",))
    assert machine.docker_was_told() == []


def test_visit_without_a_lab_says_how_to_start_it(machine: Machine) -> None:
    outcome = machine.run("visit.sh")
    assert (outcome.status, outcome.said) == (1, "")
    assert outcome.errors == ("error: lab eightsteps is not up: make up",)


def test_visit_without_an_observer_says_how_to_start_it(machine: Machine) -> None:
    machine.interface("eightsteps-ctrl")
    outcome = machine.run("visit.sh", LAB="eightsteps")
    assert outcome.status == 1
    assert outcome.errors[-1] == "error: lab eightsteps is not up: make up"


def test_a_visit_that_failed_is_not_blamed_on_the_lab(machine: Machine) -> None:
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("inspect *", "true\n")
    machine.docker_answers("exec *", "visit: no such option\n", 2)
    outcome = machine.run("visit.sh", LANG="C.UTF-8")
    assert (outcome.status, outcome.errors) == (2, ("visit: no such option",))


def test_a_docker_that_does_not_answer_is_not_taken_for_a_lab_that_is_down(machine: Machine) -> None:
    machine.interface("eightsteps-ctrl")
    for command in ("exec *", "info *", "inspect *"):
        machine.docker_answers(command, status=1)
    for script in ("visit.sh", "fault.sh"):
        outcome = machine.run(script)
        assert outcome.status == 1
        assert outcome.errors[-1].startswith("error: the Docker daemon does not answer: sudo systemctl start docker")


@pytest.mark.parametrize(
    ("script", "switch"), [("visit.sh", "VISIT_FRAMES"), ("visit.sh", "VISIT_FOLLOW"), ("show-logs.sh", "LOGS_FOLLOW")]
)
def test_a_switch_takes_no_word(machine: Machine, script: str, switch: str) -> None:
    machine.interface("eightsteps-ctrl")
    outcome = machine.run(script, **{switch: "yes"})
    name = switch.partition("_")[2]
    assert (outcome.status, outcome.errors) == (1, (f"error: {name}=yes: expected {name}=1, or leave it out",))
    assert machine.docker_was_told() == []


@pytest.mark.parametrize("said", ["drop every SYN to balancer; delay 25 ms each way", 'replace "a;b" by "c$d"', "none"])
def test_a_fault_is_passed_as_said(machine: Machine, said: str) -> None:
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("exec *", "told\n")
    assert make(machine, "fault", f"SAY={said}") == "told\n"
    assert machine.docker_was_told()[-1] == f"exec eightsteps-isp fault {said}"


def test_faults_are_shown_when_none_is_asked_for(machine: Machine) -> None:
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("exec *", "no fault in force\n")
    assert make(machine, "fault") == "no fault in force\n"
    assert machine.docker_was_told()[-1] == "exec eightsteps-isp fault"


def test_a_host_that_wrote_nothing_is_said_to_have_written_nothing(machine: Machine) -> None:
    machine.docker_answers("ps -a *", "eightsteps-resolver\n")
    machine.docker_answers("logs *")
    assert make(machine, "logs", "HOST=resolver") == "resolver has written nothing\n"
    machine.docker_answers("logs *", "a line\n")
    assert make(machine, "logs", "HOST=resolver") == "a line\n"
    assert machine.docker_was_told()[-1] == "logs --tail 100 eightsteps-resolver"
