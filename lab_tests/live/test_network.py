"""Routing and NAT as frames show them: addresses, time to live, checksums, sizes."""

from __future__ import annotations

import subprocess

import pytest

from live_lab import Lab, Visited
from observer.connections import Connection, across_links, connections
from observer.messages import Frame

LARGEST_FRAME = 1514  # bytes: an MTU of 1500 and the Ethernet header
CHECKED = ("ip", "tcp", "udp")


def front_connection(visited: Visited, lab: Lab) -> tuple[Connection, ...]:
    found = connections(visited.frames)
    home = next(c for c in found if c.link == "home" and c.client.address == lab.topology.address("client", "home"))
    mates = across_links(home, found)
    assert [c.link for c in mates] == ["home", "internet", "edge"]
    return mates


def test_the_clients_address_is_seen_nowhere_beyond_home(ordinary_visit: Visited, lab: Lab) -> None:
    client = lab.topology.address("client", "home")

    def seen_on(link: str) -> list[Frame]:
        return [f for f in ordinary_visit.on(link) if client in (f.source, f.destination) or client in f.info]

    assert seen_on("home"), "the positive control: on home it is seen"
    for link in ("internet", "edge", "backend"):
        assert seen_on(link) == []


def test_each_nat_puts_its_own_address_in_the_place_of_the_last(ordinary_visit: Visited, lab: Lab) -> None:
    told = [c.client.address for c in front_connection(ordinary_visit, lab)]
    assert told == [
        lab.topology.address("client", "home"),
        lab.topology.address("router", "internet"),
        lab.topology.address("isp", "edge"),
    ]


def test_time_to_live_falls_by_one_at_each_router_both_ways(ordinary_visit: Visited, lab: Lab) -> None:
    mates = front_connection(ordinary_visit, lab)
    for outward, links in ((True, mates), (False, mates[::-1])):
        lives = {
            c.link: {f.ttl for f in c.frames if (c.from_client(f) if outward else c.from_server(f))} for c in links
        }
        first = next(iter(lives[links[0].link]))
        assert first is not None
        assert [lives[c.link] for c in links] == [{first}, {first - 1}, {first - 2}]


def test_no_frame_exceeds_the_mtu(ordinary_visit: Visited, link: str) -> None:
    too_long = [f for f in ordinary_visit.on(link) if f.length > LARGEST_FRAME]
    assert too_long == []


@pytest.fixture(scope="session")
def checksum_status(ordinary_visit: Visited) -> list[list[str]]:
    """Per frame: link and what tshark says of each checksum. 0 bad, 1 good, 2 unverified, 3 not present."""
    options = [o for layer in CHECKED for o in ("-o", f"{layer}.check_checksum:TRUE")]
    fields = [f for layer in CHECKED for f in ("-e", f"{layer}.checksum.status")]
    command = ["tshark", "-r", str(ordinary_visit.folder / "journey.pcapng"), *options, "-T", "fields"]
    command += ["-e", "frame.interface_name", *fields]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in output.splitlines()]


def test_every_checksum_is_right(checksum_status: list[list[str]], ordinary_visit: Visited) -> None:
    assert len(checksum_status) == len(ordinary_visit.frames)
    for position, layer in enumerate(CHECKED, start=1):
        told = [(number, row[position]) for number, row in enumerate(checksum_status, start=1) if row[position]]
        assert told, f"no frame has a {layer} checksum: this test looked at nothing"
        # An ICMP error quotes the packet it is about, whose checksum follows the first.
        assert [(n, status) for n, status in told if status.split(",")[0] != "1"] == []


def test_a_traceroute_names_both_routers(lab: Lab) -> None:
    balancer = lab.topology.address("balancer", "edge")
    hops = lab.ask_client("POST /traceroute", {"to": balancer})["hops"]
    assert [hop["address"] for hop in hops] == [
        lab.topology.address("router", "home"),
        lab.topology.address("isp", "internet"),
        balancer,
    ]
