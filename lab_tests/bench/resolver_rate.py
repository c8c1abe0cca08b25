"""How many answers per second the resolver gives for a cached name, beside unbound in the same run.

    python3 resolver_rate.py --ours 10.77.2.53 --unbound 10.77.2.54 --name parseltongue.co.in --seconds 5

Runs where dnsperf is installed and both resolvers can be reached. They are loaded in turn (ours, unbound, ours,
...), and the ratio is the median of the rounds' own: what else the machine does then hits both alike.
Prints one JSON object; exit status 1 when an answer was lost or was no answer.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

OUTSTANDING = 100  # queries on their way at once: dnsperf's default, stated because the figures depend on it


class NoResult(ValueError):
    """dnsperf's output does not hold the figure named in the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of dnsperf counted."""

    sent: int
    completed: int
    noerror: int
    answers_per_second: float

    @property
    def lost(self) -> int:
        """Queries without an answer. dnsperf's own count leaves out those it interrupted at the end of a run."""
        return self.sent - self.completed


@dataclass(frozen=True, slots=True)
class Verdict:
    """Medians over the rounds (that of the ratios is not the ratio of the medians), and sums of what must be zero."""

    ours_per_second: int
    unbound_per_second: int
    ratio: float
    ours_lost: int
    unbound_lost: int
    ours_not_noerror: int
    unbound_not_noerror: int
    rounds: int


def read_dnsperf(output: str) -> Run:
    """The run that dnsperf's output tells of. Raises NoResult."""
    noerror = re.search(r"Response codes:.*?\bNOERROR (\d+)", output)
    return Run(
        sent=int(_figure(output, "Queries sent")),
        completed=int(_figure(output, "Queries completed")),
        noerror=int(noerror[1]) if noerror else 0,
        answers_per_second=_figure(output, "Queries per second"),
    )


def _figure(output: str, label: str) -> float:
    found = re.search(rf"^\s*{label}:\s+([\d.]+)", output, re.MULTILINE)
    if found is None:
        raise NoResult(f"dnsperf printed no {label!r}; its output was: {output.strip()[-300:] or '(nothing)'}")
    return float(found[1])


def compared(ours: list[Run], unbound: list[Run]) -> Verdict:
    """The verdict on as many runs of ours as of unbound's, at least one. Raises ValueError for unequal numbers."""
    ratios = [mine.answers_per_second / theirs.answers_per_second for mine, theirs in zip(ours, unbound, strict=True)]
    return Verdict(
        ours_per_second=round(statistics.median(run.answers_per_second for run in ours)),
        unbound_per_second=round(statistics.median(run.answers_per_second for run in unbound)),
        ratio=round(statistics.median(ratios), 3),
        ours_lost=sum(run.lost for run in ours),
        unbound_lost=sum(run.lost for run in unbound),
        ours_not_noerror=sum(run.completed - run.noerror for run in ours),
        unbound_not_noerror=sum(run.completed - run.noerror for run in unbound),
        rounds=len(ours),
    )


def load(address: str, name: str, seconds: int) -> Run:
    """One run of dnsperf against the resolver at `address`. Raises NoResult when it could not be run."""
    with tempfile.NamedTemporaryFile("w", suffix=".queries") as queries:
        queries.write(f"{name} A\n")
        queries.flush()
        options = ("-s", address, "-d", queries.name, "-l", str(seconds), "-q", str(OUTSTANDING), "-c", "1", "-T", "1")
        done = subprocess.run(("dnsperf", *options), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoResult(f"dnsperf against {address} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return read_dnsperf(done.stdout)


def measure(ours: str, unbound: str, name: str, *, seconds: int, rounds: int) -> Verdict:
    """Load both in turn, after a first second each that fills their caches and counts for nothing."""
    for address in (ours, unbound):
        load(address, name, 1)
    runs = [(load(ours, name, seconds), load(unbound, name, seconds)) for _ in range(rounds)]
    return compared([pair[0] for pair in runs], [pair[1] for pair in runs])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="answers per second, ours and unbound's, in turn")
    parser.add_argument("--ours", required=True, metavar="IP")
    parser.add_argument("--unbound", required=True, metavar="IP")
    parser.add_argument("--name", default="parseltongue.co.in")
    parser.add_argument("--seconds", type=int, default=5, help="length of one run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    options = parser.parse_args(arguments)
    try:
        verdict = measure(options.ours, options.unbound, options.name, seconds=options.seconds, rounds=options.rounds)
    except (NoResult, FileNotFoundError) as fault:
        print(f"resolver_rate: {fault}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(verdict), indent=2))
    return 1 if verdict.ours_lost or verdict.ours_not_noerror else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
