"""`make up` looks first: each problem is one line that names the way out, and the exit status is not zero."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from machine import Machine

WAY_OUT = "make up LAB=other LAB_NET=10."


def problem_of(machine: Machine, **environment: str) -> str:
    """The one line that preflight says; it must be one, start with `error:` and come with a failing status."""
    outcome = machine.run("preflight.sh", **environment)
    assert outcome.status == 1
    assert outcome.said == ""
    assert len(outcome.errors) == 1, outcome.errors
    assert outcome.errors[0].startswith("error: ")
    return outcome.errors[0]


def networks(machine: Machine, *lines: str) -> None:
    """Networks as `docker network inspect` tells them: name, project or -, subnets."""
    machine.docker_answers("network ls *", "n1\n")
    machine.docker_answers("network inspect *IPAM*", "\n".join(lines) + "\n")


def test_an_untouched_machine_has_no_problem(machine: Machine) -> None:
    outcome = machine.run("preflight.sh")
    assert (outcome.status, outcome.said, outcome.errors) == (0, "", ())


# ---------------------------------------------------------------- the system and Docker


def test_another_system_is_told_that_links_are_linux_bridges(machine: Machine) -> None:
    machine.program("uname", "#!/bin/sh\necho Darwin\n")
    assert "this is Darwin: the tap listens on Linux bridges" in problem_of(machine)


def test_missing_docker_names_the_package(machine: Machine) -> None:
    assert "docker is missing: install Docker Engine" in problem_of(machine, PATH=machine.path_without("docker"))


NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
NO_PERMISSION = "permission denied while trying to connect to the Docker daemon socket\n"


def test_a_daemon_that_is_not_running_names_the_command_that_starts_it(machine: Machine) -> None:
    machine.docker_answers("info *", NO_DAEMON, 1)
    machine.docker_answers("version", NO_DAEMON, 1)
    problem = problem_of(machine)
    assert "the Docker daemon does not answer: sudo systemctl start docker" in problem
    assert "Cannot connect to the Docker daemon" in problem


def test_a_client_that_ends_well_without_a_daemon_does_not_deceive(machine: Machine) -> None:
    machine.docker_answers("info *", "[]|\n")
    machine.docker_answers("version", NO_DAEMON, 1)
    assert "the Docker daemon does not answer" in problem_of(machine)


def test_a_user_without_the_docker_group_is_told_how_to_join(machine: Machine) -> None:
    machine.docker_answers("info *", NO_PERMISSION, 1)
    machine.docker_answers("version", NO_PERMISSION, 1)
    assert "sudo usermod -aG docker" in problem_of(machine)


def test_a_daemon_that_hangs_is_given_up(machine: Machine) -> None:
    machine.program("timeout", "#!/bin/sh\nexit 124\n")
    assert "does not answer within 10 s" in problem_of(machine)


def test_rootless_docker_is_refused(machine: Machine) -> None:
    machine.docker_answers("info *", "[name=seccomp,profile=default name=rootless]|/home/a/docker\n")
    assert "this Docker runs rootless" in problem_of(machine)


def test_missing_compose_names_the_package(machine: Machine) -> None:
    machine.docker_answers("compose version*", "docker: unknown command: docker compose\n", 1)
    path = f"{machine.folder / 'bin'}:{machine.path_without('docker', 'docker-compose')}"
    assert "Compose is missing: install Docker's compose plugin" in problem_of(machine, PATH=path)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["Abc", "a-b", "a_b", "a b", "ä", "", "a/b", "$(id)"])
def test_a_name_of_other_than_small_letters_and_digits_is_refused(machine: Machine, name: str) -> None:
    assert f"LAB={name}: use small letters and digits only" in problem_of(machine, LAB=name)


def test_a_name_is_as_long_as_an_interface_name_allows(machine: Machine) -> None:
    assert machine.run("preflight.sh", LAB="a" * 10).status == 0
    assert "at most 10 characters" in problem_of(machine, LAB="a" * 11)


@pytest.mark.parametrize("net", ["10.0", "10.255", "172.16", "172.31", "192.168"])
def test_private_networks_are_accepted(machine: Machine, net: str) -> None:
    assert machine.run("preflight.sh", LAB_NET=net).status == 0


@pytest.mark.parametrize(
    "net",
    ["", "10", "10.", ".77", "10.256", "10.077", "10.7x", "10.77.1", "11.1", "172.15", "172.32", "192.169", "10.-1"],
)
def test_anything_but_half_a_private_address_is_refused(machine: Machine, net: str) -> None:
    assert f"LAB_NET={net}: give the first two numbers of a private network" in problem_of(machine, LAB_NET=net)


@pytest.mark.parametrize("port", ["", "80a", "-1", "100000"])
def test_a_port_must_be_one(machine: Machine, port: str) -> None:
    assert f"LAB_PORT={port}: give a port number" in problem_of(machine, LAB_PORT=port)
    assert f"MONITOR_PORT={port}: give a port number" in problem_of(machine, MONITOR_PORT=port)


# ---------------------------------------------------------------- what others hold


def test_a_subnet_of_another_docker_network_is_taken(machine: Machine) -> None:
    networks(machine, "bridge - 172.17.0.0/16", "blog - 10.77.3.128/25")
    problem = problem_of(machine)
    assert "subnet 10.77.3.0/24 is taken (Docker network blog)" in problem
    assert WAY_OUT in problem


def test_a_wider_docker_network_takes_the_subnets_in_it(machine: Machine) -> None:
    networks(machine, "wide - 10.64.0.0/12")
    assert "is taken (Docker network wide)" in problem_of(machine)


def test_a_network_beside_the_labs_subnets_takes_none(machine: Machine) -> None:
    networks(machine, "beside - 10.77.5.0/24", "six - fd00::/64", "below - 10.76.0.0/16")
    assert machine.run("preflight.sh").status == 0


def test_the_labs_own_networks_are_no_obstacle(machine: Machine) -> None:
    networks(machine, "eightsteps_home eightsteps 10.77.1.0/24", "eightsteps_edge eightsteps 10.77.3.0/24")
    machine.routes("eth0 00000000 00000000", "eightsteps-home 00014D0A 00FFFFFF")
    assert machine.run("preflight.sh").status == 0


def test_a_route_of_the_machine_takes_the_subnet(machine: Machine) -> None:
    machine.routes("eth0 00000000 00000000", "tun0 00094D0A 00FFFFFF")
    assert "subnet 10.77.9.0/24 is taken (route on tun0)" in problem_of(machine)


def test_a_route_of_16_bits_is_somebodys_network_and_a_wider_one_only_a_way_out(machine: Machine) -> None:
    machine.routes("tun0 00004D0A 0000FFFF")
    assert "is taken (route on tun0)" in problem_of(machine)
    machine.routes("tun0 00004C0A 0000FEFF", "tun0 0000000A 000000FF")
    assert machine.run("preflight.sh").status == 0


def test_the_network_proposed_is_free_itself(machine: Machine) -> None:
    networks(machine, "a - 10.77.1.0/24", "b - 10.88.0.0/16")
    assert "make up LAB=other LAB_NET=10.99" in problem_of(machine)


def test_a_lab_that_is_up_on_another_network_says_where(machine: Machine) -> None:
    networks(machine, "eightsteps_home eightsteps 10.88.1.0/24")
    assert "lab eightsteps is already up on 10.88" in problem_of(machine)


def test_a_lab_of_this_name_from_another_folder_is_not_touched(machine: Machine) -> None:
    machine.docker_answers("ps *", "/home/else/eightsteps\n")
    assert "lab eightsteps is already up, from /home/else/eightsteps" in problem_of(machine)


def test_an_interface_with_the_name_of_a_bridge_is_taken(machine: Machine) -> None:
    machine.interface("eightsteps-inet")
    problem = problem_of(machine)
    assert "interface eightsteps-inet exists already" in problem
    assert WAY_OUT in problem


def test_the_labs_own_bridges_are_no_obstacle(machine: Machine) -> None:
    machine.interface("eightsteps-inet")
    networks(machine, "eightsteps_internet eightsteps 10.77.2.0/24")
    machine.docker_answers("network inspect *bridge.name*", "eightsteps-inet\n")
    assert machine.run("preflight.sh").status == 0


@pytest.mark.parametrize(
    ("table", "address"),
    [
        ("tcp", "0100007F:1F8D"),
        ("tcp", "00000000:1F8D"),
        ("tcp6", "00000000000000000000000000000000:1F8D"),
        ("tcp6", "0000000000000000FFFF00000100007F:1F8D"),
    ],
)
def test_a_port_that_somebody_listens_on_is_taken(machine: Machine, table: str, address: str) -> None:
    machine.listens(address, table)
    assert "port 8077 on 127.0.0.1 is taken" in problem_of(machine)


@pytest.mark.parametrize("address", ["0100007F:1F8E", "0501A8C0:1F8D"])
def test_another_port_or_another_address_is_not_this_one(machine: Machine, address: str) -> None:
    machine.listens(address)
    assert machine.run("preflight.sh").status == 0


def test_the_kernel_shows_a_listening_port_as_these_tests_do(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        # Its table of ports only: of its routes, one may be to the very network that the lab is to have.
        (machine.folder / "proc/net/tcp").write_text(Path("/proc/net/tcp").read_text())
        assert f"port {port} on 127.0.0.1 is taken" in problem_of(machine, LAB_PORT=port)


def test_the_labs_own_port_is_no_obstacle(machine: Machine) -> None:
    machine.listens("0100007F:1F8D")
    machine.docker_answers("port eightsteps-observer *", "127.0.0.1:8077\n")
    assert machine.run("preflight.sh").status == 0


def test_a_kernel_without_ipv6_cannot_have_it_switched_off(machine: Machine) -> None:
    (machine.folder / "proc/sys/net/ipv6").rmdir()
    assert "start it with ipv6.disable_ipv6=1" in problem_of(machine)


# ---------------------------------------------------------------- room


def disk(machine: Machine, free_mib: int) -> None:
    machine.program(
        "df",
        f"#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted\necho d 9 9 {free_mib * 1024} 9% /\n",
    )


def test_building_takes_three_gigabytes(machine: Machine) -> None:
    machine.docker_answers("image ls *")
    disk(machine, 3071)
    assert "has 3071 MiB free, 3072 are needed to build the images" in problem_of(machine)
    disk(machine, 3072)
    assert machine.run("preflight.sh").status == 0


def test_running_takes_one(machine: Machine) -> None:
    disk(machine, 1023)
    assert "has 1023 MiB free, 1024 are needed to run" in problem_of(machine)
    disk(machine, 1024)
    assert machine.run("preflight.sh").status == 0


def test_a_captures_folder_that_cannot_be_made_is_a_problem(machine: Machine) -> None:
    (machine.folder / "lab/captures").write_text("a file in its place")
    assert "cannot make the folder captures/" in problem_of(machine)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_captures_folder_of_somebody_else_names_the_command_that_gives_it_back(machine: Machine) -> None:
    (machine.folder / "lab/captures").mkdir(mode=0o555)
    assert "captures/ is not writable" in problem_of(machine)


def test_every_problem_is_said_at_once(machine: Machine) -> None:
    machine.listens("0100007F:1F8D")
    machine.interface("eightsteps-home")
    outcome = machine.run("preflight.sh")
    assert outcome.status == 1
    assert [line.split()[1] for line in outcome.errors] == ["interface", "port"]
