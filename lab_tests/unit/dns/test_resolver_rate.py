"""Reading dnsperf's output and comparing runs (the measuring itself is no unit test)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def loaded() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "bench" / "resolver_rate.py"
    spec = importlib.util.spec_from_file_location("resolver_rate", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["resolver_rate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rate = loaded()

OUTPUT = """DNS Performance Testing Tool
Version 2.14.0

[Status] Command line: dnsperf -s 10.77.2.53 -d /tmp/q -l 4 -q 100 -c 1 -T 1
[Status] Sending queries (to 10.77.2.53:53)
[Status] Started at: Mon Nov 23 02:30:02 2026
[Status] Stopping after 4.000000 seconds
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         154251
  Queries completed:    154250 (100.00%)
  Queries lost:         0 (0.00%)
  Queries interrupted:  1 (0.00%)

  Response codes:       NOERROR 154248 (100.00%), SERVFAIL 2 (0.00%)
  Average packet size:  request 36, response 52
  Run time (s):         4.008675
  Queries per second:   38479.259626

  Average Latency (s):  0.002580 (min 0.000042, max 0.012)
  Latency StdDev (s):   0.000420
"""


def test_a_run_s_figures_are_read() -> None:
    run = rate.read_dnsperf(OUTPUT)
    assert (run.sent, run.completed, run.noerror, run.lost) == (154251, 154250, 154248, 1)
    assert run.answers_per_second == 38479.259626


def test_a_run_without_any_noerror_has_none() -> None:
    assert rate.read_dnsperf(OUTPUT.replace("NOERROR 154248 (100.00%), ", "")).noerror == 0


@pytest.mark.parametrize("label", ["Queries sent", "Queries completed", "Queries per second"])
def test_output_that_lacks_a_figure_is_refused_by_name(label: str) -> None:
    with pytest.raises(rate.NoResult, match=label):
        rate.read_dnsperf(OUTPUT.replace(label, "?"))


def test_no_output_is_refused() -> None:
    with pytest.raises(rate.NoResult, match="nothing"):
        rate.read_dnsperf("")


def test_the_ratio_is_the_median_of_the_rounds_own() -> None:
    ours = [rate.Run(100, 100, 100, 90.0), rate.Run(100, 99, 98, 10.0), rate.Run(100, 100, 100, 100.0)]
    unbound = [rate.Run(100, 100, 100, 100.0), rate.Run(100, 100, 100, 10.0), rate.Run(100, 100, 100, 80.0)]
    verdict = rate.compared(ours, unbound)
    assert (verdict.ours_per_second, verdict.unbound_per_second, verdict.ratio) == (90, 80, 1.0)
    assert (verdict.ours_lost, verdict.ours_not_noerror, verdict.unbound_lost, verdict.rounds) == (1, 1, 0, 3)


def test_as_many_runs_of_each_are_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        rate.compared([rate.Run(1, 1, 1, 1.0)], [])
