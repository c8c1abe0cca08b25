"""`make bench`: the lab's figures beside their goals, as a table. It measures; nothing here passes or fails.

Runs in the tests' container, which may ask Docker for others: the tap's measurement has a network namespace of its
own, unbound stands beside the resolver, the load comes from a neighbour of whom it is put on. `make up` and
`make visit` were timed by the shell that calls this, because they are what a person waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import docker

IDLE_SECONDS = 30
GLASSBOX_ROUNDS = 30
SITE = "https://parseltongue.co.in/"
UNBOUND = """
server:
  interface: 0.0.0.0
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  num-threads: 1
  username: ""
  chroot: ""
  directory: "/tmp"
  pidfile: ""
  use-syslog: no
  root-hints: "/dev/null"
stub-zone:
  name: "."
  stub-addr: {root}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` None: there is no goal to meet."""

    what: str
    measured: str
    goal: str
    met: bool | None


class Bench:
    """The running lab, and containers beside it."""

    def __init__(self) -> None:
        self._docker = docker.from_env()
        self._lab = os.environ["LAB"]
        self._image = f"{self._lab}-tests"
        own = self._docker.containers.get(socket.gethostname())
        # Folders are mounted by their names on the machine, which only Docker knows.
        self._host_path = {mount["Destination"]: mount["Source"] for mount in own.attrs["Mounts"]}

    def tap(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """tap_rate.py in a container with a network of its own."""
        found: dict[str, dict[str, Any]] = json.loads(self._alone("tap_rate.py", *arguments))
        return found

    def explain(self) -> dict[str, Any]:
        """explain_rate.py in a container with a network of its own."""
        found: dict[str, Any] = json.loads(self._alone("explain_rate.py"))
        return found

    def slicing(self) -> dict[str, Any]:
        """slice_rate.py in a container of its own; its spool is on the disk, as the lab's is."""
        found: dict[str, Any] = json.loads(self._alone("slice_rate.py", folder="/var/tmp"))
        return found

    def visit_phases(self, http: str) -> dict[str, int]:
        """What one visit took the observer, by phase, in nanoseconds, from the last sentinel to the whole folder."""
        url = f"http://{os.environ['ADDR_OBSERVER_CONTROL']}:8000/api/visits"
        request = Request(url, json.dumps({"http": http}).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            found: dict[str, int] = json.loads(answer.read())["phases_ns"]
        return found

    def _alone(self, program: str, *arguments: str, folder: str = "/out") -> bytes:
        """What a program of this folder prints in a container with a network of its own, and room for captures."""
        output: bytes = self._docker.containers.run(
            self._image,
            ["python3", "-B", f"/lab/lab_tests/bench/{program}", *arguments, "--folder", folder],
            remove=True,
            user="0:0",
            network_mode="none",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_RAW", "DAC_OVERRIDE", "KILL", "SETUID", "SETGID"],
            tmpfs={"/out": "size=4g,mode=1777", "/tmp": "mode=1777"},
            volumes={self._host_path["/lab"]: {"bind": "/lab", "mode": "ro"}},
            stderr=False,
        )
        return output

    def resolver(self) -> dict[str, Any]:
        """resolver_rate.py from a neighbour of the resolver, with unbound as another."""
        root, ours = os.environ["ADDR_NS_ROOT_INTERNET"], os.environ["ADDR_RESOLVER_INTERNET"]
        start = ["sh", "-c", 'echo "$CONFIG" >/tmp/unbound.conf && exec unbound -d -c /tmp/unbound.conf']
        with self._beside("internet", start, {"CONFIG": UNBOUND.format(root=root)}) as unbound:
            command = ["resolver_rate.py", "--ours", ours, "--unbound", self._address(unbound, "internet")]
            found: dict[str, Any] = json.loads(self._measure(["internet"], command))
        return found

    def site(self, *origins: str) -> dict[str, Any]:
        """site_rate.py from a container on the edge and on the backend link; `origins` are the ones asked directly."""
        command = ["site_rate.py", "--balancer", f"{os.environ['ADDR_BALANCER_EDGE']}:443"]
        for origin in origins:
            command += ["--origin", f"{os.environ[f'ADDR_{origin}_BACKEND']}:8443"]
        found: dict[str, Any] = json.loads(self._measure(["edge", "backend"], command))
        return found

    def visit_s(self, program: str) -> float:
        """Seconds from asking the client's agent for a visit by `program` (TLS 1.3, HTTP/1.1) to its answer."""
        wanted = {"id": "bench", "urls": [SITE], "with": program, "http": "1.1", "tls": "1.3"}
        url = f"http://{os.environ['ADDR_CLIENT_CONTROL']}:8000/visits"
        asked = Request(url, json.dumps(wanted).encode())
        began = time.monotonic()
        with urlopen(asked, timeout=30) as answer:
            told = json.load(answer)
        took = time.monotonic() - began
        if told["exit_code"]:
            raise SystemExit(f"bench: {program}: {told['error']}")
        return took

    def memory(self, host: str | None = None) -> int:
        """Bytes in use, page cache that can go not counted; of one host, or of all."""
        return sum(_in_use(c.stats(stream=False, one_shot=True)) for c in self._hosts(host))

    def idle_cpu(self) -> float:
        """CPU seconds per second, all hosts together, while nobody asks anything of them."""
        hosts = self._hosts(None)

        def used_ns() -> int:
            return sum(c.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"] for c in hosts)

        began, before = time.monotonic_ns(), used_ns()
        time.sleep(IDLE_SECONDS)
        return (used_ns() - before) / (time.monotonic_ns() - began)

    def _hosts(self, host: str | None) -> list[Any]:
        own = {"label": [f"com.docker.compose.project={self._lab}", "com.docker.compose.oneoff=False"]}
        found = self._docker.containers.list(filters=own)
        return [c for c in found if host is None or c.name == f"{self._lab}-{host}"]

    def _measure(self, links: list[str], command: list[str]) -> str:
        with self._beside(links[0], ["sleep", "infinity"], {}) as neighbour:
            for link in links[1:]:
                self._docker.networks.get(f"{self._lab}_{link}").connect(neighbour)
            code, output = neighbour.exec_run(["python3", "-B", f"/bench/{command[0]}", *command[1:]], demux=True)
            if output[0] is None or code not in (0, 1):
                raise SystemExit(f"bench: {command[0]}: {(output[1] or b'no output').decode().strip()}")
            return str(output[0].decode())

    @contextmanager
    def _beside(self, link: str, command: list[str], environment: dict[str, str]) -> Iterator[Any]:
        """A container of the tests' image on one of the lab's links, for as long as it is needed."""
        bench = {f"{self._host_path['/lab']}/lab_tests/bench": {"bind": "/bench", "mode": "ro"}}
        container = self._docker.containers.run(
            self._image,
            command,
            detach=True,
            network=f"{self._lab}_{link}",
            environment=environment,
            volumes=bench,
            tmpfs={"/tmp": "mode=1777"},
            cap_drop=["ALL"],
            labels={"com.docker.compose.project": self._lab, "com.docker.compose.oneoff": "True"},
        )
        try:
            yield container
        finally:
            container.remove(force=True)

    def _address(self, container: Any, link: str) -> str:
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][f"{self._lab}_{link}"]["IPAddress"])


def _in_use(stats: dict[str, Any]) -> int:
    memory = stats["memory_stats"]
    detail = memory["stats"]
    return int(memory["usage"] - detail.get("inactive_file", detail.get("total_inactive_file", 0)))


def idle_rows(bench: Bench) -> Iterator[Row]:
    cpu, memory = bench.idle_cpu(), bench.memory()
    yield Row("idle lab: CPU", f"{cpu:.1%} of one core", "under 3 %", cpu < 0.03)
    yield Row("idle lab: memory", f"{memory / 2**20:.0f} MiB", "under 1 GiB", memory < 2**30)


def shell_rows(options: argparse.Namespace) -> Iterator[Row]:
    if options.up_ns:
        seconds = options.up_ns / 1e9
        yield Row("make up, images built, to a finished visit", f"{seconds:.1f} s", "at most 15 s", seconds <= 15)
    if options.visit_ns:
        visits = [int(ns) / 1e9 for ns in options.visit_ns.split(",")]
        median = statistics.median(visits)
        told = f"{median:.2f} s (median of {len(visits)}; {min(visits):.2f} to {max(visits):.2f})"
        yield Row("make visit, Enter to ladder and files", told, "at most 0.6 s", median <= 0.6)


def lossless_rows(bench: Bench) -> Iterator[Row]:
    for size, found in bench.tap("lossless").items():
        told = f"{found['ratio']:.2f} ({found['tap_per_second']:,} against {found['dumpcap_per_second']:,} frames/s)"
        yield Row(f"tap: lossless rate / dumpcap's, {size} B", told, "at least 1.0", found["ratio"] >= 1)


def cost_rows(bench: Bench) -> Iterator[Row]:
    for (rate, found), goal in zip(bench.tap("cost").items(), (0.3, 0.2), strict=True):
        told = f"{found['ratio']:.3f} ({found['tap_ns_per_packet']} against {found['dumpcap_ns_per_packet']} ns"
        told += f"; {found['sent_per_second']:,} frames/s sent, {found['tap_lost']} lost)"
        asked = f"4 links x {int(rate):,}/s"
        met = found["ratio"] <= goal and not found["tap_lost"]
        yield Row(f"tap: CPU per packet / dumpcap's, {asked}", told, f"at most {goal}, none lost", met)


def resolver_rows(bench: Bench) -> Iterator[Row]:
    found = bench.resolver()
    told = f"{found['ratio']:.2f} ({found['ours_per_second']:,} against {found['unbound_per_second']:,} answers/s)"
    yield Row("resolver: cached answers / unbound's", told, "at least 0.9", found["ratio"] >= 0.9)
    yield Row("resolver: answers lost", str(found["ours_lost"]), "0", found["ours_lost"] == 0)
    memory = bench.memory("resolver")
    yield Row("resolver: memory after that", f"{memory / 2**20:.0f} MiB", "at most 30 MB", memory <= 30_000_000)


def site_rows(bench: Bench) -> Iterator[Row]:
    one, two = bench.site("ORIGIN_1"), bench.site("ORIGIN_1", "ORIGIN_2")
    told = "{ratio:.2f} ({balanced:,.0f} against {direct:,.0f} responses/s)"
    yield Row("site through HAProxy / the origin direct", told.format(**one), "at least 0.9", one["ratio"] >= 0.9)
    yield Row("site through HAProxy / both origins direct at once", told.format(**two), "", None)


def explain_rows(bench: Bench) -> Iterator[Row]:
    found = bench.explain()
    packets = f"{found['packets']:,} packets"
    told = f"{found['ratio']:.2f} ({found['explain_s']} against {found['tshark_s']} s)"
    yield Row(f"explain, {packets}: time / its tshark pass", told, "at most 1.15", found["ratio"] <= 1.15)
    scaled = f"scaled from {found['pyshark_packets']:,} packets"
    told = f"{found['of_pyshark']:.3f} ({found['explain_s']} against {found['pyshark_s']} s, {scaled})"
    yield Row(f"explain, {packets}: time / pyshark's", told, "at most 0.1", found["of_pyshark"] <= 0.1)
    sizes = f"{found['packets']:,} and {found['many_packets']:,} packets"
    for whose, name in (("explain's own", "own"), ("its tshark's", "tshark")):
        small, large = found[f"{name}_mib"], found[f"many_{name}_mib"]
        bounded, goal = large <= 1.25 * small, "bounded: at most a quarter more"
        yield Row(f"{whose} memory, {sizes}", f"{small} and {large} MiB", goal, bounded)


def slice_rows(bench: Bench) -> Iterator[Row]:
    found = bench.slicing()
    spool, goal = f"{found['spool_mib'] / 1024:.0f} GiB", "at most 200 ms"
    new, near, far = (found[case] for case in ("new", "near", "far"))
    told = f"{new['median_ms']} and {near['median_ms']} ms (first calls {new['first_ms']} and {near['first_ms']} ms)"
    told += f"; {found['near_at_once']['median_ms']} ms before its segments' flows are known"
    met = max(new["median_ms"], near["median_ms"], found["near_at_once"]["median_ms"]) <= 200
    yield Row(f"a visit out of {spool} of spool: its own connection, one opened 64 MiB before", told, goal, met)
    told = f"{far['median_ms']} ms (first call {far['first_ms']} ms)"
    met = far["complete"] and far["median_ms"] <= 200
    yield Row(f"the same, its connection opened {found['far_mib']:,} MiB before, idle since", told, goal, met)
    at_once, index = found["far_at_once"], found["index"]
    told = f"{at_once['median_ms']} ms"
    if not at_once["complete"]:
        told += f", and its past is not found: the search ends after {found['limit_mib']} MiB, and says so"
        told += f"; without that limit {found['unlimited']['median_ms']:,.0f} ms"
    told += f". All {index['segments']} are known {index['seconds']} s later, for {index['cpu_seconds']} s of one core"
    yield Row("the same before its segments' flows are known", told, "", None)


def phases_rows(bench: Bench) -> Iterator[Row]:
    bench.visit_phases("2")  # the first one warms up
    runs = [bench.visit_phases("2") for _ in range(9)]
    runs.sort(key=lambda run: sum(run.values()))
    median = runs[len(runs) // 2]
    parts = ", ".join(f"{name} {ns / 1e6:.0f}" for name, ns in median.items())
    total = sum(median.values())
    told = f"{total / 1e6:.0f} ms ({parts})"
    yield Row("visit: last sentinel to the whole folder, warm", told, "at most 150 ms", total <= 150_000_000)


def glassbox_rows(bench: Bench) -> Iterator[Row]:
    rounds = [(bench.visit_s("glassbox"), bench.visit_s("curl")) for _ in range(GLASSBOX_ROUNDS)]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(our / their for our, their in rounds)
    told = f"{ratio:.2f} ({ours * 1000:.1f} against {theirs * 1000:.1f} ms; {GLASSBOX_ROUNDS} rounds)"
    yield Row("a visit by the glass box / by curl", told, "at most 3", ratio <= 3)


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "idle": idle_rows,
    "lossless": lossless_rows,
    "cost": cost_rows,
    "resolver": resolver_rows,
    "site": site_rows,
    "explain": explain_rows,
    "slice": slice_rows,
    "phases": phases_rows,
    "glassbox": glassbox_rows,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="measure the lab against its goals")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--up-ns", type=int, help="how long make up took, if it was timed")
    parser.add_argument("--visit-ns", help="how long each make visit took, with commas between")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    bench = Bench()
    print("| what | measured | goal | met |\n|---|---|---|---|")
    for row in shell_rows(options):
        _print(row)
    for part in options.parts or PARTS:
        for row in PARTS[part](bench):
            _print(row)
    return 0


def _print(row: Row) -> None:
    met = {True: "yes", False: "**no**", None: ""}[row.met]
    print(f"| {row.what} | {row.measured} | {row.goal} | {met} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
