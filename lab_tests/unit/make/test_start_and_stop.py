"""Starting leaves a whole lab or none; stopping takes away what is the lab's and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import Machine, Outcome

HOSTS = ("client", "tap")
OWN = "label=com.docker.compose.project=eightsteps"


@pytest.fixture
def startable(machine: Machine) -> Machine:
    """Images are there, Compose starts the hosts, each is healthy, a visit succeeds."""
    (machine.folder / "lab/services/base/make/build-images.sh").write_text("exit 0\n")
    machine.interface("eightsteps-ctrl")
    machine.docker_answers("network inspect *bridge.name*", "eightsteps-ctrl\n")
    machine.docker_answers("network ls *", "n1\n")
    machine.docker_answers("compose up *")
    machine.docker_answers("ps -aq *", "c1\nc2\n")
    machine.docker_answers(
        "inspect *Healthcheck*", "/eightsteps-client CMD\n/eightsteps-tap CMD\n/eightsteps-pki NONE\n"
    )
    machine.docker_answers(
        "inspect *State.Running* eightsteps-*", "/eightsteps-client 0 true\n/eightsteps-tap 0 true\n"
    )
    machine.docker_answers("exec *healthy*")
    machine.docker_answers("exec *visit*", "ladder\n")
    machine.docker_answers("rm *")
    machine.docker_answers("network rm *")
    machine.docker_answers("volume *")
    return machine


def start(machine: Machine, *options: str) -> Outcome:
    return machine.run("start-lab.sh", *options)


def told(machine: Machine, beginning: str) -> list[str]:
    return [line for line in machine.docker_was_told() if line.startswith(beginning)]


def test_a_start_ends_with_a_visit_and_what_to_do_next(startable: Machine) -> None:
    outcome = start(startable)
    assert (outcome.status, outcome.errors) == (0, ())
    assert "2 hosts healthy\nladder\n" in outcome.said
    assert "make test" in outcome.said


def test_a_start_for_the_tests_visits_nothing(startable: Machine) -> None:
    assert start(startable, "--no-visit").status == 0
    assert told(startable, "exec -e NO_COLOR") == []


def test_compose_is_not_left_to_build_and_takes_away_what_is_no_longer_a_service(startable: Machine) -> None:
    start(startable)
    assert told(startable, "compose up") == ["compose up -d --no-build --remove-orphans"]


def with_a_note_of_what_is_built(machine: Machine) -> Path:
    note = machine.folder / "built"
    (machine.folder / "lab/services/base/make/build-images.sh").write_text(
        f'echo "${{*:-lab}} ${{COMPOSE_PROFILES:-}}" >>{note}\n'
    )
    return note


def test_the_monitor_comes_on_request(startable: Machine) -> None:
    built = with_a_note_of_what_is_built(startable)
    outcome = startable.run("start-lab.sh", UP_MONITOR="1")
    assert outcome.status == 0, outcome
    assert built.read_text() == "lab \nmonitor monitor\n"
    assert "Prometheus watches: http://127.0.0.1:7077/alerts" in outcome.said


def test_a_monitor_that_runs_stays_with_the_lab(startable: Machine) -> None:
    startable.docker_answers(f"ps -q --filter {OWN} --filter label=com.docker.compose.service=monitor", "m1\n")
    built = with_a_note_of_what_is_built(startable)
    assert start(startable).status == 0
    assert "monitor monitor\n" in built.read_text()


def test_nobody_asked_for_a_monitor(startable: Machine) -> None:
    built = with_a_note_of_what_is_built(startable)
    outcome = start(startable)
    assert built.read_text() == "lab \n"
    assert "Prometheus" not in outcome.said


def test_the_monitors_port_is_looked_at_only_if_it_is_wanted(startable: Machine) -> None:
    startable.listens("0100007F:1BA5")
    assert start(startable).status == 0
    outcome = startable.run("start-lab.sh", UP_MONITOR="1")
    assert outcome.status == 1
    assert outcome.errors[0].startswith("error: port 7077 on 127.0.0.1 is taken")
    assert "MONITOR_PORT=9077" in outcome.errors[0]


def test_every_host_is_asked_but_the_one_shot(startable: Machine) -> None:
    start(startable)
    assert {line.split()[1] for line in told(startable, "exec eightsteps")} == {f"eightsteps-{host}" for host in HOSTS}


def test_a_start_that_compose_refuses_shows_why_and_takes_back_what_it_made(startable: Machine) -> None:
    startable.docker_answers("compose up *", 'service "pki" did not complete\n', 1)
    startable.docker_answers("inspect *OOMKilled*", "/eightsteps-pki exited 3 false\n/eightsteps-tap running 0 false\n")
    startable.docker_answers("logs --tail 15 eightsteps-pki", "no root key\n")
    outcome = start(startable)
    assert outcome.status == 1
    assert outcome.errors == (
        "error: eightsteps-pki ended with status 3; its last lines:",
        "    no root key",
        "error: Compose could not start the lab:",
        '    service "pki" did not complete',
    )
    assert outcome.said.endswith("nothing was left running\n")
    assert told(startable, "rm --force")


def test_a_host_that_never_gets_healthy_is_named_with_its_reason_and_its_log(startable: Machine) -> None:
    startable.docker_answers("exec eightsteps-tap *healthy*", "no ring on eightsteps-edge\n", 9)
    startable.docker_answers("logs --tail 15 eightsteps-tap", "opening rings\n")
    outcome = start(startable)
    assert outcome.status == 1
    # The fake daemon has one stream for failures, so what the host said arrives as its last line.
    assert outcome.errors[:2] == (
        "error: eightsteps-tap is not healthy after 60 s (no ring on eightsteps-edge); its last lines:",
        "    opening rings",
    )
    assert told(startable, "rm --force")


def test_a_host_that_ends_at_once_is_named_with_its_log(startable: Machine) -> None:
    startable.docker_answers("exec eightsteps-client *", "", 137)
    startable.docker_answers("inspect *keeps ending* eightsteps-client", "ended with status 4\n")
    startable.docker_answers("logs --tail 15 eightsteps-client", "cannot bind\n")
    outcome = start(startable)
    assert outcome.status == 1
    assert outcome.errors == ("error: eightsteps-client ended with status 4; its last lines:", "    cannot bind")


def test_a_lab_that_was_up_is_left_up_when_a_second_start_fails(startable: Machine) -> None:
    startable.docker_answers("ps -q *", "c1\n")
    startable.docker_answers("compose up *", "no\n", 1)
    outcome = start(startable)
    assert outcome.status == 1
    assert told(startable, "rm --force") == []
    assert "nothing was left running" not in outcome.said


def test_a_failed_visit_leaves_the_lab_up_to_be_looked_at(startable: Machine) -> None:
    startable.docker_answers("inspect --format {{.State.Running}} *", "true\n")
    startable.docker_answers("exec *visit*", "visit: the resolver does not answer\n", 2)
    outcome = start(startable)
    assert outcome.status == 1
    assert outcome.errors[-1] == "error: the lab is up, but the visit failed: see make logs"
    assert told(startable, "rm --force") == []


def test_new_certificates_restart_the_hosts_that_were_up_and_read_them(startable: Machine) -> None:
    startable.docker_answers("ps -q *", "c1\n")
    startable.docker_answers("logs --since *", "made leaf for balancer\n")
    startable.docker_answers("ps -q *volume=eightsteps_pki-public", "balancer-id\n")
    startable.docker_answers("restart *")
    assert start(startable).status == 0
    assert told(startable, "restart") == ["restart -t 3 balancer-id"]


def test_certificates_that_still_hold_restart_nothing(startable: Machine) -> None:
    startable.docker_answers("ps -q *", "c1\n")
    startable.docker_answers("logs --since *", "kept all\n")
    assert start(startable).status == 0
    assert told(startable, "restart") == []


def test_problems_found_before_the_start_touch_nothing(startable: Machine) -> None:
    startable.listens("0100007F:1F8D")
    assert start(startable).status == 1
    assert told(startable, "compose up") == []
    assert told(startable, "rm") == []


# ---------------------------------------------------------------- stop


def volumes(machine: Machine, *names: str) -> None:
    machine.docker_answers(f"volume ls -q --filter {OWN}", "\n".join(names) + "\n")


def test_down_takes_all_that_carries_the_projects_label(startable: Machine) -> None:
    volumes(startable, "eightsteps_spool", "eightsteps_keys")
    outcome = startable.run("stop-lab.sh")
    assert (outcome.status, outcome.errors) == (0, ())
    asked = [line for line in startable.docker_was_told() if " --filter " in line]
    assert all(OWN in line for line in asked)
    assert told(startable, "rm") == ["rm --force --volumes c1 c2"]
    assert told(startable, "network rm") == ["network rm n1"]
    assert told(startable, "volume rm") == ["volume rm eightsteps_spool eightsteps_keys"]


def test_down_keeps_the_labs_authority(startable: Machine) -> None:
    volumes(startable, "eightsteps_pki-ca", "eightsteps_spool", "eightsteps_pki-public")
    startable.run("stop-lab.sh")
    assert told(startable, "volume rm") == ["volume rm eightsteps_spool"]


def test_clean_takes_the_authority_too(startable: Machine) -> None:
    volumes(startable, "eightsteps_pki-ca", "eightsteps_spool")
    startable.run("stop-lab.sh", "--all-volumes")
    assert told(startable, "volume rm") == ["volume rm eightsteps_pki-ca eightsteps_spool"]


def test_down_of_a_lab_that_is_not_there_does_nothing(startable: Machine) -> None:
    for question in ("ps -aq *", "network ls *", "volume ls *"):
        startable.docker_answers(question)
    assert startable.run("stop-lab.sh").status == 0
    assert [line for line in startable.docker_was_told() if "rm" in line.split()] == []


def test_what_cannot_be_taken_away_is_said(startable: Machine) -> None:
    startable.docker_answers("network rm *", "network eightsteps_home has active endpoints\n", 1)
    outcome = startable.run("stop-lab.sh")
    assert outcome.status == 1
    assert outcome.errors == (
        "    network eightsteps_home has active endpoints",
        "error: lab eightsteps could not be taken down completely",
    )


def test_clean_without_a_terminal_wants_a_yes(startable: Machine) -> None:
    outcome = startable.run("remove-lab.sh")
    assert outcome.status == 1
    assert outcome.errors[0].endswith("say make clean YES=1")
    assert told(startable, "rm") == []


def test_clean_removes_the_labs_images_and_captures_and_no_others(startable: Machine) -> None:
    captures = startable.folder / "lab/captures"
    (captures / "visit-1").mkdir(parents=True)
    (captures / "visit-1/keys.log").write_text("secret")
    (captures / ".gitignore").write_text("*")
    startable.docker_answers(
        "image ls --filter label=eightsteps.source *",
        "eightsteps-tap:latest\nother-tap:latest\neightsteps2-tap:latest\n",
    )
    startable.docker_answers("image ls --filter label=eightsteps.bootstrapped=yes *", "debian:trixie-slim\n")
    startable.docker_answers("image rm *")
    startable.docker_answers("image prune *")
    assert startable.run("remove-lab.sh", CLEAN_YES="1").status == 0
    assert told(startable, "image rm") == ["image rm eightsteps-tap:latest"]
    assert [path.name for path in captures.iterdir()] == [".gitignore"]


def test_the_last_lab_to_be_cleaned_takes_the_debian_image_that_was_made_here(startable: Machine) -> None:
    (startable.folder / "lab/captures").mkdir()
    startable.docker_answers("image ls --filter label=eightsteps.source *")
    startable.docker_answers(
        "image ls --filter label=eightsteps.bootstrapped=yes *", "debian:trixie-slim\nmine-on-it:latest\n"
    )
    startable.docker_answers("image rm *")
    startable.docker_answers("image prune *")
    assert startable.run("remove-lab.sh", CLEAN_YES="1").status == 0
    assert told(startable, "image rm") == ["image rm debian:trixie-slim"]
