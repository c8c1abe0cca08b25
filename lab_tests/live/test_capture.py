"""What the evidence is worth: complete captures, files that stock tools open, and a tap that stops in the middle."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from live_lab import CAPTURES, SITE, Lab, Visited
from observer.pcapng import read_packets
from observer.topology import LINKS
from waiting import wait_until


def test_a_capture_is_complete_only_with_both_sentinels_and_no_drops(ordinary_visit: Visited) -> None:
    capture = {link["link"]: link for link in ordinary_visit.journey["capture"]}
    assert tuple(capture) == LINKS
    for link in capture.values():
        assert link["complete"], link
        assert link["dropped"] == 0
        assert link["packets"] > 0


def test_the_links_files_together_hold_the_journeys_frames(ordinary_visit: Visited) -> None:
    counted = {link: frames_in(ordinary_visit, f"{link}.pcapng") for link in LINKS}
    assert sum(counted.values()) == frames_in(ordinary_visit, "journey.pcapng") == len(ordinary_visit.frames)
    assert counted == {link: len(ordinary_visit.on(link)) for link in LINKS}


FLOWS_OF_THE_SPOOL = """
import json
from pathlib import Path
from observer.belonging import belongs
from observer.flow import Endpoint, sighting
from observer.segment_flows import directions_in, may_hold
from observer.spool import Record, packets_in, records_in

told = {}
for folder in Path("/spool").iterdir():
    data = max(folder.iterdir(), key=lambda path: path.stat().st_size).read_bytes()
    packets = [p for r in records_in(data, 0) if isinstance(r, Record) for p in packets_in(folder.name, r.block)]
    seen = {found.flow for p in packets if (found := sighting(p.data)) and belongs(p.data, found.flow)}
    directions = directions_in([data], most=len(data))
    strangers = [flow._replace(low=Endpoint("203.0.113.1", flow.low.port)) for flow in seen]
    told[folder.name] = {
        "seen": len(seen),
        "unknown": [flow for flow in seen if not may_hold(directions, flow)],
        "strangers": [flow for flow in strangers if may_hold(directions, flow)],
    }
print(json.dumps(told))
"""


@pytest.mark.usefixtures("ordinary_visit")
def test_every_flow_in_the_kernels_blocks_is_one_that_the_observer_would_search_for(lab: Lab) -> None:
    """Or it would pass over the segment that a connection was opened in."""
    code, output = lab.container("observer").exec_run(["python3", "-c", FLOWS_OF_THE_SPOOL], workdir="/opt/lab")
    assert code == 0, output.decode()
    told = json.loads(output)
    assert set(told) == set(LINKS)
    for link in told.values():
        assert link["seen"] > 0
        assert (link["unknown"], link["strangers"]) == ([], [])


def frames_in(visited: Visited, name: str) -> int:
    command = ["capinfos", "-T", "-r", "-m", "-c", str(visited.folder / name)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(output.strip().rsplit(",", 1)[1])


@pytest.mark.parametrize("name", ["journey", *LINKS])
def test_each_file_is_a_whole_capture_to_capinfos_and_to_a_strict_reader(ordinary_visit: Visited, name: str) -> None:
    path = ordinary_visit.folder / f"{name}.pcapng"
    told = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)
    assert [line for line in told.stderr.splitlines() if not line.startswith("Running as user")] == []
    with path.open("rb") as file:
        packets = sum(1 for _ in read_packets(file))  # raises for a file that is not whole
    assert packets == frames_in(ordinary_visit, path.name) > 0
    links = LINKS if name == "journey" else (name,)
    assert re.findall(r"Name = (\S+)", told.stdout) == list(links)


def test_stock_tshark_shows_decrypted_http_on_edge_and_backend(ordinary_visit: Visited) -> None:
    version = ordinary_visit.journey["visit"]["http"]
    # Wireshark 4.4 finds a QUIC connection by its id alone: of three links' copies in one file it decrypts the first.
    # The link's own file has one copy.
    front_file, protocol = {"1.1": ("journey", "http"), "2": ("journey", "http2"), "3": ("edge", "http3")}[version]
    for link, file, shown_as in (("edge", front_file, protocol), ("backend", "journey", "http")):
        command = ["tshark", "-r", str(ordinary_visit.folder / f"{file}.pcapng")]
        command += ["-Y", f'{shown_as} && frame.interface_name == "{link}"', "-T", "fields", "-e", "_ws.col.info"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "GET /" in shown, f"{link}: no decrypted request"
        assert "200 OK" in shown, f"{link}: no decrypted response"


def test_proving_frames_carry_a_comment_that_names_their_step(ordinary_visit: Visited) -> None:
    command = ["tshark", "-r", str(ordinary_visit.folder / "journey.pcapng"), "-Y", "frame.comment"]
    command += ["-T", "fields", "-e", "frame.number", "-e", "frame.comment"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    commented = {int(line.split("\t")[0]) for line in lines}
    cited = {evidence["frame"] for step in ordinary_visit.journey["steps"] for evidence in step["evidence"]}
    assert commented == cited
    assert all(line.split("\t")[1].startswith("step ") for line in lines)
    said = "\n".join(lines)
    assert re.search(
        r"step 3, TLS: the client offers \d versions? .*, \d+ suites, .* asks for parseltongue.co.in", said
    )
    assert re.search(r"step 5, processing: origin-\d answers 200, \d+\.\d\d ms after it was asked", said)


def test_latest_is_the_newest_visit(lab: Lab) -> None:
    visited = lab.visit()
    assert (CAPTURES / "latest").resolve() == visited.folder.resolve()


@pytest.fixture
def tap_comes_back(lab: Lab) -> Iterator[None]:
    """Afterwards the tap listens again, and the balancer's connections to the origins are new ones: of those it kept
    over the gap nobody saw the beginning, and no later capture would be complete."""
    yield
    lab.container("tap").start()
    lab.wait_until_healthy("tap")
    lab.container("balancer").restart(timeout=2)
    lab.wait_until_healthy("balancer")


@pytest.mark.usefixtures("tap_comes_back")
def test_a_tap_stopped_in_the_middle_makes_steps_unknown_not_absent(lab: Lab) -> None:
    under_way = threading.Event()

    def slow_visit() -> Visited:
        under_way.set()
        return lab.visit(f"{SITE}slow?ms=3000")

    with ThreadPoolExecutor() as pool:
        visiting = pool.submit(slow_visit)
        under_way.wait()
        wait_until_the_balancer_has_a_request(lab)
        lab.container("tap").kill("SIGKILL")
        visited = visiting.result()

    assert visited.exit_code == 0, "the visit itself went well: nobody noticed but the evidence"
    assert [link["link"] for link in visited.journey["capture"]] == list(LINKS)
    for link in visited.journey["capture"]:
        assert not link["complete"]
        assert "end sentinel is not in the spool" in link["reasons"]
    told = {step["name"]: step["status"] for step in visited.journey["steps"]}
    assert told["response"] == "unknown"
    assert "absent" not in {told[name] for name in ("DNS", "TCP", "TLS", "request", "processing", "response")}


def wait_until_the_balancer_has_a_request(lab: Lab) -> None:
    """Until an origin works on /slow: HAProxy counts a current session on a server of the site."""

    def an_origin_is_asked() -> bool:
        output = lab.runtime_command("show stat -1 4 -1")
        rows = [line.split(",") for line in output.splitlines() if line and not line.startswith("#")]
        return any(int(row[4] or 0) for row in rows if row[1].startswith("origin"))

    wait_until(an_origin_is_asked, 3, "an origin gets the request")
