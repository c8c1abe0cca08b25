"""How much the tap takes without loss and what a packet costs it, beside dumpcap in the same run.

    python3 tap_rate.py lossless --bytes 100 1400 --rounds 3
    python3 tap_rate.py cost --rates 20000 100000 --rounds 3

Needs root with NET_ADMIN and NET_RAW in a network namespace of its own, two cores, dumpcap, iproute2, scapy and the
repository around this file. It makes its own links (a veth pair into a bridge each) and sends on no other. The
sender has the first core, the recorder the last; the tap and dumpcap take turns, and a ratio is the median of the
rounds' own. Both have 32 MiB of buffer a link and write to --folder: on a disk that others use, too, the disk is what
is measured, so give it a tmpfs of 4 GiB there. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")
SERVICES = Path(__file__).resolve().parents[2] / "services"
SENDER = Path(__file__).with_name("tap_sender.py")
BUFFER_MIB = 32  # a link: the tap's ring, dumpcap's -B
SPOOL_MIB = 1024  # as in compose.yaml
NARROWING_STEPS = 5
START_TIMEOUT_S = 20.0
SETTLED_AFTER_S = 0.3


class NoResult(RuntimeError):
    """A program did not do what the measurement needs; the text names it and what it said."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording of one burst of traffic."""

    passed: int  # frames that went through the links
    recorded: int
    dropped: int  # by the recorder's own word
    seconds: float  # of sending
    cpu_ns: int  # of the recorder, while it was sent and until all was written

    @property
    def lossless(self) -> bool:
        """Every frame that went through the links was recorded."""
        return self.dropped == 0 and self.recorded >= self.passed

    @property
    def rate(self) -> float:
        """Frames per second, all links together."""
        return self.passed / self.seconds

    @property
    def ns_per_packet(self) -> float:
        """CPU time of the recorder for each frame."""
        return self.cpu_ns / max(self.recorded, 1)


# ---------------------------------------------------------------- arithmetic


def highest_lossless(trial_at: Callable[[int], Trial], steps: int = NARROWING_STEPS) -> Trial:
    """The fastest trial without loss, by bisection; `trial_at(0)` is the sender's utmost.

    A rate gets a second try: a burst of other work on the machine must not count as the recorder's limit.
    Raises NoResult.
    """
    best = _second_try(trial_at, 0)
    if best.lossless:
        return best
    found, low, high = None, 0, round(best.rate)
    for _ in range(steps):
        rate = (low + high) // 2
        trial = _second_try(trial_at, rate)
        if trial.lossless:
            found, low = trial, rate
        else:
            high = rate
    if found is None:
        raise NoResult(f"frames were lost even at {high} a second")
    return found


def _second_try(trial_at: Callable[[int], Trial], rate: int) -> Trial:
    first = trial_at(rate)
    return first if first.lossless else trial_at(rate)


def lossless_verdict(ours: list[Trial], theirs: list[Trial], utmost: int) -> dict[str, Any]:
    """The highest lossless rates beside each other; the ratio is the median of the rounds' own."""
    ratios = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    return {
        "tap_per_second": round(statistics.median(trial.rate for trial in ours)),
        "dumpcap_per_second": round(statistics.median(trial.rate for trial in theirs)),
        "ratio": round(statistics.median(ratios), 3),
        "sender_per_second_with_no_recorder": utmost,
        "rounds": len(ours),
    }


def cost_verdict(asked: int, ours: list[Trial], theirs: list[Trial]) -> dict[str, Any]:
    """CPU per packet beside each other, and what was lost."""
    ratios = [mine.ns_per_packet / other.ns_per_packet for mine, other in zip(ours, theirs, strict=True)]
    return {
        "asked_per_second": asked,
        "sent_per_second": round(statistics.median(trial.rate for trial in ours + theirs)),
        "tap_ns_per_packet": round(statistics.median(trial.ns_per_packet for trial in ours)),
        "dumpcap_ns_per_packet": round(statistics.median(trial.ns_per_packet for trial in theirs)),
        "ratio": round(statistics.median(ratios), 3),
        "tap_lost": sum(max(trial.passed - trial.recorded, trial.dropped) for trial in ours),
        "dumpcap_lost": sum(max(trial.passed - trial.recorded, trial.dropped) for trial in theirs),
        "rounds": len(ours),
    }


def read_dumpcap(output: str) -> tuple[int, int]:
    """Frames recorded and frames dropped, over all interfaces, from dumpcap's last words. Raises NoResult."""
    captured = re.search(r"^Packets captured: (\d+)", output, re.MULTILINE)
    per_interface = re.findall(r"^Packets received/dropped on interface '[^']*': \d+/(\d+)", output, re.MULTILINE)
    if captured is None or not per_interface:
        raise NoResult(f"dumpcap gave no counts; it said: {output.strip()[-300:] or '(nothing)'}")
    return int(captured[1]), sum(int(dropped) for dropped in per_interface)


# ---------------------------------------------------------------- links


@dataclass(frozen=True, slots=True)
class Links:
    """The measurement's own links: frames go in at `inlets`, pass `ports` and are recorded on `bridges`."""

    inlets: tuple[str, ...]
    ports: tuple[str, ...]
    bridges: tuple[str, ...]

    def passed(self) -> int:
        """Frames that have gone through since the links were made."""
        return sum(int(Path(f"/sys/class/net/{port}/statistics/rx_packets").read_text()) for port in self.ports)


@contextmanager
def links(count: int) -> Iterator[Links]:
    """Make that many links, and take them away again."""
    numbers = range(count)
    made = Links(*(tuple(f"tapb-{kind}{number}" for number in numbers) for kind in ("in", "port", "br")))
    try:
        for inlet, port, bridge in zip(made.inlets, made.ports, made.bridges, strict=True):
            _ip("link", "add", inlet, "type", "veth", "peer", "name", port)
            _ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
            _ip("link", "set", port, "master", bridge)
            for device in (inlet, port, bridge):
                _ip("link", "set", device, "addrgenmode", "none")  # no neighbour discovery: only our frames
                _ip("link", "set", device, "up")
        yield made
    finally:
        for device in (*made.inlets, *made.bridges):
            subprocess.run(("ip", "link", "del", device), capture_output=True, check=False)


def _ip(*words: str) -> None:
    done = subprocess.run(("ip", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoResult(f"ip {' '.join(words)}: {done.stderr.strip()} (is NET_ADMIN there?)")


def send(inlets: tuple[str, ...], size: int, rate: int, seconds: float) -> float:
    """Send from the first core; how long it took."""
    options = ("--interfaces", ",".join(inlets), "--bytes", str(size), "--rate", str(rate), "--seconds", str(seconds))
    done = subprocess.run(
        ("taskset", "-c", str(_cores()[0]), sys.executable, str(SENDER), *options),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoResult(f"tap_sender.py: {done.stderr.strip()[-300:]}")
    took: float = json.loads(done.stdout)["seconds"]
    return took


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


# ---------------------------------------------------------------- recorders


def record_with_tap(made: Links, folder: Path, traffic: Callable[[], float]) -> Trial:
    """Run the tap over `traffic`, which sends and says how long it took."""
    control = folder / "tap.sock"
    names = " ".join(f"link-{number}={bridge}" for number, bridge in enumerate(made.bridges))
    environment = os.environ | {
        "LINKS": names,
        "SPOOL_MIB": str(SPOOL_MIB),
        "SPOOL": str(folder),
        "CONTROL": str(control),
        "PYTHONPATH": f"{SERVICES / 'tap'}:{SERVICES / 'base'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with _recorder((sys.executable, "-m", "tap"), "tap: listening", folder, environment) as (process, _):
        before, cpu_before = made.passed(), _cpu_ns(process.pid)
        seconds = traffic()
        passed = made.passed() - before
        recorded, dropped = _settled(lambda: _tap_counts(control))
        return Trial(passed, recorded, dropped, seconds, _cpu_ns(process.pid) - cpu_before)


def record_with_dumpcap(made: Links, folder: Path, traffic: Callable[[], float]) -> Trial:
    """Run dumpcap over `traffic`, which sends and says how long it took."""
    file = folder / "dumpcap.pcapng"
    interfaces = [word for bridge in made.bridges for word in ("-i", bridge)]
    command = ("dumpcap", "-q", "-B", str(BUFFER_MIB), *interfaces, "-w", str(file))
    with _recorder(command, "File: ", folder, dict(os.environ)) as (process, log):
        before, cpu_before = made.passed(), _cpu_ns(process.pid)
        seconds = traffic()
        passed = made.passed() - before
        _settled(lambda: file.stat().st_size)
        cpu = _cpu_ns(process.pid) - cpu_before
        process.send_signal(signal.SIGINT)
        process.wait(timeout=START_TIMEOUT_S)
        recorded, dropped = read_dumpcap(Path(log.name).read_text())
    return Trial(passed, recorded, dropped, seconds, cpu)


@contextmanager
def _recorder(
    command: tuple[str, ...], ready: str, folder: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A recorder on the last core that has said `ready`, and the file it writes its messages to."""
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".log"))
        core = str(_cores()[-1])
        process = subprocess.Popen(
            ("taskset", "-c", core, *command), cwd=folder, env=environment, stderr=log, stdout=subprocess.DEVNULL
        )
        stack.callback(_stop, process)
        deadline = time.monotonic() + START_TIMEOUT_S
        while ready not in Path(log.name).read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoResult(f"{command[0]} did not start: {Path(log.name).read_text().strip()[-300:]}")
            time.sleep(0.05)
        yield process, log


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cpu_ns(pid: int) -> int:
    """CPU time of a process so far, all its threads together, by its own clock: clock_getcpuclockid(3)."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def _tap_counts(control: Path) -> tuple[int, int]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(control))
        client.sendall(b'{"op":"status"}\n')
        with client.makefile() as answers:
            parts = json.loads(answers.readline())["links"].values()
    return sum(part["packets"] for part in parts), sum(part["dropped"] for part in parts)


def _settled(look: Callable[[], T]) -> T:
    """What `look` gives once that has not changed for a while: the recorder has caught up."""
    value, since = look(), time.monotonic()
    while time.monotonic() - since < SETTLED_AFTER_S:
        time.sleep(SETTLED_AFTER_S / 5)
        now = look()
        if now != value:
            value, since = now, time.monotonic()
    return value


# ---------------------------------------------------------------- measurements

RECORDERS = {"tap": record_with_tap, "dumpcap": record_with_dumpcap}


class Measurement:
    """Trials on a fresh set of links, each with an empty folder to write to."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    def trial(self, recorder: str, count: int, size: int, rate: int) -> Trial:
        """One recording of traffic of `rate` frames a second on each of `count` links."""
        with links(count) as made, tempfile.TemporaryDirectory(dir=self._folder) as folder:
            os.chmod(folder, 0o777)  # dumpcap may give up being root
            return RECORDERS[recorder](made, Path(folder), lambda: send(made.inlets, size, rate, self._seconds))

    def utmost(self, size: int) -> int:
        """Frames a second that the sender reaches when nobody records."""
        with links(1) as made:
            seconds = send(made.inlets, size, 0, self._seconds)
            return round(made.passed() / seconds)

    def lossless(self, size: int, rounds: int) -> dict[str, Any]:
        """The verdict on one link with frames of `size` bytes."""
        found: dict[str, list[Trial]] = {name: [] for name in RECORDERS}
        for _ in range(rounds):
            for name in RECORDERS:
                found[name].append(highest_lossless(partial(self._told, name, 1, size)))
        return lossless_verdict(found["tap"], found["dumpcap"], self.utmost(size))

    def cost(self, count: int, size: int, rate: int, rounds: int) -> dict[str, Any]:
        """The verdict on `count` links at `rate` frames a second each."""
        found: dict[str, list[Trial]] = {name: [] for name in RECORDERS}
        for _ in range(rounds):
            for name in RECORDERS:
                found[name].append(self._told(name, count, size, rate))
        return cost_verdict(rate * count, found["tap"], found["dumpcap"])

    def _told(self, recorder: str, count: int, size: int, rate: int) -> Trial:
        trial = self.trial(recorder, count, size, rate)
        print(f"{recorder:8} {count} x {size} B: {json.dumps(asdict(trial))}", file=sys.stderr)
        return trial


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="the tap beside dumpcap, in turn")
    parser.add_argument("what", choices=("lossless", "cost"))
    parser.add_argument("--bytes", type=int, nargs="+", default=[100, 1400], help="frame sizes (lossless)")
    parser.add_argument("--rates", type=int, nargs="+", default=[20_000, 100_000], help="frames/s and link (cost)")
    parser.add_argument("--links", type=int, default=4, help="how many (cost)")
    parser.add_argument("--rounds", type=int, default=3, help="of each recorder")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one trial")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where both write")
    options = parser.parse_args(arguments)
    measurement = Measurement(options.folder, options.seconds)
    try:
        if len(_cores()) == 1:
            raise NoResult("one core is not enough: sender and recorder would take it from each other")
        if options.what == "lossless":
            verdict = {str(size): measurement.lossless(size, options.rounds) for size in options.bytes}
        else:
            verdict = {str(rate): measurement.cost(options.links, 100, rate, options.rounds) for rate in options.rates}
    except (NoResult, FileNotFoundError) as fault:
        print(f"tap_rate: {fault}", file=sys.stderr)
        return 1
    print(json.dumps(verdict, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
