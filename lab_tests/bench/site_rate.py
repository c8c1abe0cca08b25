"""What the balancer costs: the site through HAProxy against the same origins asked directly.

Both ways are HTTPS over kept HTTP/1.1 connections, with the same number of clients; directly they are spread over the
origins given. The two alternate, and the ratio is the median of the rounds' own: what else the machine does hits both
alike. Needs h2load (Debian: nghttp2-client) and a place that reaches both the edge and the backend link.

    python3 site_rate.py --balancer 10.77.3.10:443 --origin 10.77.4.11:8443 --origin 10.77.4.12:8443
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

SITE = "parseltongue.co.in"
GOAL = 0.9


class UnusableRun(RuntimeError):
    """h2load's output is no measurement; the text says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of h2load: responses per second, and how many responses that was."""

    per_second: float
    responses: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Responses per second: medians over all rounds; ratio: the median of balanced / direct within a round."""

    path: str
    clients: int
    origins: int
    direct: float
    balanced: float
    ratio: float
    direct_rounds: tuple[float, ...]
    balanced_rounds: tuple[float, ...]


def parse(output: str) -> Run:
    """The measurement in what h2load printed. Raises UnusableRun unless every request was answered 2xx."""
    rate = re.search(r"^finished in [\d.]+\w+, ([\d.]+) req/s", output, re.MULTILINE)
    counts = re.search(r"^requests: .* (\d+) done, \d+ succeeded, (\d+) failed", output, re.MULTILINE)
    if rate is None or counts is None:
        last = output.strip().splitlines()[-1:] or ["nothing"]
        raise UnusableRun(f"h2load printed no result; its last line: {last[0]}")
    done, failed = int(counts[1]), int(counts[2])
    if failed or not done:
        raise UnusableRun(f"{failed} of {done} responses failed; a rate limit or an origin that is down?")
    return Run(float(rate[1]), done)


def compare(path: str, clients: int, origins: int, direct: Sequence[float], balanced: Sequence[float]) -> Comparison:
    """Medians, rounded to what the measurement can say."""
    ratios = [through / straight for through, straight in zip(balanced, direct, strict=True)]
    return Comparison(
        path,
        clients,
        origins,
        round(statistics.median(direct), 1),
        round(statistics.median(balanced), 1),
        round(statistics.median(ratios), 3),
        tuple(direct),
        tuple(balanced),
    )


def command(target: str, host: str, path: str, clients: int, seconds: int) -> list[str]:
    """h2load on `clients` connections to `target` (address:port), with `host` in SNI and Host."""
    return [
        *("h2load", "--h1", f"--clients={clients}", "--threads=1", f"--duration={seconds}", "--warm-up-time=1"),
        *(f"--connect-to={target}", f"https://{host}:{target.rpartition(':')[2]}{path}"),
    ]


def load(targets: Sequence[tuple[str, str]], path: str, clients: int, seconds: int) -> float:
    """Responses per second of all (target, host) together, asked at the same time. Raises UnusableRun."""
    share = clients // len(targets)
    running = [
        subprocess.Popen(command(target, host, path, share, seconds), stdout=subprocess.PIPE, text=True)
        for target, host in targets
    ]
    outputs = [process.communicate(timeout=seconds + 30)[0] for process in running]
    return sum(parse(output).per_second for output in outputs)


def measure(options: argparse.Namespace) -> Comparison:
    origins = [(target, f"origin-{number}.{SITE}") for number, target in enumerate(options.origin, start=1)]
    rounds: dict[str, list[float]] = {"direct": [], "balanced": []}
    for _ in range(options.rounds):
        rounds["direct"].append(load(origins, options.path, options.clients, options.seconds))
        rounds["balanced"].append(load([(options.balancer, SITE)], options.path, options.clients, options.seconds))
    return compare(options.path, options.clients, len(origins), rounds["direct"], rounds["balanced"])


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure the site through its balancer against its origins asked directly."
    )
    parser.add_argument("--balancer", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--origin", required=True, action="append", metavar="ADDRESS:PORT", help="once per origin")
    parser.add_argument("--path", default="/", help="not below /api, which is rate limited (default: /)")
    parser.add_argument("--clients", type=int, default=16, help="connections at once (default: 16)")
    parser.add_argument("--seconds", type=int, default=4, help="per run, after one of warm-up (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="runs each way (default: 5)")
    options = parser.parse_args(argv)
    if options.clients < len(options.origin) or min(options.seconds, options.rounds) < 1:
        parser.error("there must be a client per origin, a second and a round")
    return options


def main(argv: Sequence[str]) -> int:
    try:
        comparison = measure(arguments(argv))
    except (UnusableRun, OSError, subprocess.TimeoutExpired) as fault:
        print(f"site_rate: {fault}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(comparison) | {"goal": GOAL}, indent=2))
    return 0 if comparison.ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
