"""What the benchmark reads in h2load's output."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_benchmark() -> ModuleType:
    """A script, not a module of a package: loaded from its path."""
    path = Path(__file__).resolve().parents[2] / "bench" / "site_rate.py"
    spec = importlib.util.spec_from_file_location("site_rate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["site_rate"] = module
    spec.loader.exec_module(module)
    return module


site_rate = load_benchmark()

OUTPUT = """starting benchmark...
Main benchmark duration is started for thread #0.
Application protocol: http/1.1
Stopped all clients for thread #0

finished in 4.02s, 1733.25 req/s, 3.37MB/s
requests: 6933 total, 6949 started, 6933 done, 6933 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 6949 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 13.46MB (14111904) total, 1.96MB (2051312) headers (space savings 0.00%), 11.51MB (12070141) data
                     min         max         mean         sd        +/- sd
time for request:     1.10ms     30.00ms      9.20ms      2.50ms    70.11%
"""


def test_a_rate_is_read() -> None:
    assert site_rate.parse(OUTPUT) == site_rate.Run(per_second=1733.25, responses=6933)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("", "its last line: nothing"),
        ("starting benchmark...\nCould not connect to 10.0.0.1\n", "its last line: Could not connect to 10.0.0.1"),
        (OUTPUT.replace("finished in", "finished"), "no result"),
        (OUTPUT.replace("0 failed", "12 failed"), "12 of 6933 responses failed"),
        (OUTPUT.replace("6933 done", "0 done"), "0 of 0 responses failed"),
    ],
)
def test_a_run_with_errors_is_no_measurement(output: str, why: str) -> None:
    with pytest.raises(site_rate.UnusableRun, match=why):
        site_rate.parse(output)


def test_every_cut_of_the_output_is_refused_or_gives_the_same() -> None:
    for length in range(len(OUTPUT)):
        try:
            run = site_rate.parse(OUTPUT[:length])
        except site_rate.UnusableRun:
            continue
        assert run == site_rate.parse(OUTPUT)


def test_rounds_are_compared_each_with_its_own_neighbour() -> None:
    comparison = site_rate.compare("/", 16, 1, direct=[1000.0, 100.0, 2000.0], balanced=[900.0, 95.0, 1700.0])
    assert (comparison.direct, comparison.balanced, comparison.ratio) == (1000.0, 900.0, 0.9)


@pytest.mark.parametrize(
    "argv", [[], ["--balancer", "a:443"], ["--balancer", "a:443", "--origin", "b:1", "--rounds", "0"]]
)
def test_arguments_that_make_no_measurement_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        site_rate.arguments(argv)
