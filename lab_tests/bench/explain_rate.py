"""What `explain` takes on a large capture, beside the one tshark pass it rests on and beside pyshark; and its memory.

    python3 explain_rate.py --folder /out [--packets 200000] [--times 5]

The capture is made here: HTTPS on a loopback link of its own, its keys logged by the server, frames of an ordinary MTU.
tshark (the same command, its output thrown away) and explain alternate, and the ratio is the median of the rounds' own:
what else the machine does then hits both alike. pyshark reads the first packets only, and its time is scaled up: on
all of them it would take a quarter of an hour. The larger capture is the same one several times over, each time between
other addresses. Needs NET_ADMIN and NET_RAW in a network of its own. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parents[2] / "services"
sys.path[:0] = [str(SOURCES / "observer"), str(SOURCES / "base")]

from observer.packet import Packet  # noqa: E402
from observer.pcapng import Writer, read_packets  # noqa: E402
from observer.tshark import command_of  # noqa: E402

PORT = 8443
ROUNDS = 5
PYSHARK_PACKETS = 10_000
_ADDRESSES = slice(26, 34)  # source and destination in an Ethernet frame with an IPv4 header

SERVER = """
bind = "127.0.0.1:{port}"
worker_class, threads, keepalive = "gthread", 8, 60
certfile, keyfile = "{folder}/cert.pem", "{folder}/key.pem"

def ssl_context(config, default):
    context = default()
    context.keylog_filename = "{folder}/keys.log"
    return context
"""
SITE = """
def app(environ, start):
    size = int(environ["PATH_INFO"].strip("/"))
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(size))])
    return [b"x" * size]
"""
EXPLAIN = """
import resource, runpy, sys
sys.argv = ["observer", "explain", *sys.argv[1:]]
try:
    runpy.run_module("observer", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
kib = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(*kib, file=sys.stderr)
"""
PYSHARK = """
import sys, pyshark
capture = pyshark.FileCapture(sys.argv[1], override_prefs={"tls.keylog_file": sys.argv[2]}, keep_packets=False)
print(sum(1 for packet in capture))
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """One run of explain: seconds, and the most memory that it and its tshark had, in MiB."""

    seconds: float
    own_mib: int
    tshark_mib: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Medians over the rounds; the ratio is the median of theirs. `pyshark_s` is scaled from `pyshark_packets`."""

    packets: int
    tshark_s: float
    explain_s: float
    ratio: float
    rounds: tuple[float, ...]
    pyshark_s: float
    pyshark_packets: int
    of_pyshark: float
    own_mib: int
    tshark_mib: int
    many_packets: int
    many_own_mib: int
    many_tshark_mib: int


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """A site on the loopback link that logs its keys, for as long as the block runs."""
    (folder / "conf.py").write_text(SERVER.format(port=PORT, folder=folder), encoding="utf-8")
    (folder / "app.py").write_text(SITE, encoding="utf-8")
    (folder / "keys.log").touch()
    certificate = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench.example"
    subprocess.run(
        [*certificate.split(), "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True,
        capture_output=True,
    )
    for command in ("ip link set lo up mtu 1500", "ethtool -K lo tso off gso off gro off"):
        subprocess.run(command.split(), check=True, capture_output=True)
    site = subprocess.Popen(
        ["gunicorn", "-c", f"{folder}/conf.py", "app:app"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        assert site.stderr is not None
        if not any("Listening at" in line for line in site.stderr):
            raise SystemExit("the site did not start")
        yield
    finally:
        site.terminate()
        site.communicate()


def record(folder: Path, packets: int) -> Path:
    """A capture of exactly so many packets of HTTPS."""
    path = folder / "bulk.pcapng"
    command = ["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {PORT}", "-B", "64", "-c", str(packets), "-w", str(path)]
    with server(folder):
        tap = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tap.stderr is not None
        if not any(line.startswith("File:") for line in tap.stderr):
            raise SystemExit("dumpcap did not start")
        urls = [f"https://127.0.0.1:{PORT}/{size}" for size in (2_000, 600, 12_000)]
        while tap.poll() is None:
            subprocess.run(["h2load", "--h1", "-n", "400", "-c", "20", *urls], check=True, capture_output=True)
    return path


def several_times(path: Path, times: int) -> Path:
    """The same frames again and again, each time later and between other addresses."""
    found = path.with_name("many.pcapng")
    with path.open("rb") as file:
        first = last = next(read_packets(file)).time_ns
    with found.open("wb") as out, Writer(out) as writer:
        writer.add_interface("lo", "the same frames several times over")
        for turn in range(times):
            shift = turn * (last - first + 1_000_000)
            address = bytes((127, 0, 0, 1 + turn)) * 2
            with path.open("rb") as file:
                writer.write_packets(_moved(read_packets(file), shift, address), {})
            if not turn:
                with path.open("rb") as file:
                    last = max(packet.time_ns for packet in read_packets(file))
    return found


def _moved(packets: Iterator[Packet], shift_ns: int, addresses: bytes) -> Iterator[Packet]:
    for packet in packets:
        data = packet.data[: _ADDRESSES.start] + addresses + packet.data[_ADDRESSES.stop :]
        yield Packet(packet.time_ns + shift_ns, 0, data, packet.original_length)


def tshark_seconds(path: Path, keys: Path) -> float:
    began = time.monotonic()
    command = [*command_of(str(path)), "-o", f"tls.keylog_file:{keys}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def explained(path: Path, keys: Path) -> Explained:
    # Compiled beforehand, as in the observer's image.
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(path.parent / "compiled")}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2])} | compiled
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN, str(path), "--keys", str(keys)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    own, tshark = (int(kib) // 1024 for kib in done.stderr.split()[-2:])
    return Explained(time.monotonic() - began, own, tshark)


def pyshark_seconds(path: Path, keys: Path, packets: int) -> float:
    """For so many packets, without what starting it takes."""
    part, none = path.with_name("part.pcapng"), path.with_name("none.pcapng")
    times = []
    for file, count in ((none, 1), (part, packets + 1)):
        subprocess.run(["editcap", "-r", str(path), str(file), f"1-{count}"], check=True, capture_output=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", PYSHARK, str(file), str(keys)], check=True, capture_output=True)
        if int(done.stdout) != count:
            raise SystemExit(f"pyshark read {done.stdout!r} packets of {count}")
        times.append(time.monotonic() - began)
    return times[1] - times[0]


def compared(folder: Path, packets: int, times: int) -> Verdict:
    path, keys = record(folder, packets), folder / "keys.log"
    pairs = [(tshark_seconds(path, keys), explained(path, keys)) for _ in range(ROUNDS)]
    ratios = tuple(round(run.seconds / tshark, 3) for tshark, run in pairs)
    pyshark = pyshark_seconds(path, keys, PYSHARK_PACKETS) * packets / PYSHARK_PACKETS
    seconds = statistics.median(run.seconds for _, run in pairs)
    many = several_times(path, times)
    path.unlink()
    large = explained(many, keys)
    return Verdict(
        packets=packets,
        tshark_s=round(statistics.median(tshark for tshark, _ in pairs), 2),
        explain_s=round(seconds, 2),
        ratio=statistics.median(ratios),
        rounds=ratios,
        pyshark_s=round(pyshark, 1),
        pyshark_packets=PYSHARK_PACKETS,
        of_pyshark=round(seconds / pyshark, 4),
        own_mib=max(run.own_mib for _, run in pairs),
        tshark_mib=max(run.tshark_mib for _, run in pairs),
        many_packets=packets * times,
        many_own_mib=large.own_mib,
        many_tshark_mib=large.tshark_mib,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the captures go; some 2 GiB")
    parser.add_argument("--packets", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=5, help="how often the larger capture repeats them")
    options = parser.parse_args()
    found: dict[str, Any] = asdict(compared(options.folder, options.packets, options.times))
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
