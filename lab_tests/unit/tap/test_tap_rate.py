"""The arithmetic of the tap's measurements; the measuring itself is `make bench`'s."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(name: str) -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tap_rate = load("tap_rate")
tap_sender = load("tap_sender")

DUMPCAP = """\
Capturing on 'br0' and 'br1'
File: /tmp/dumpcap.pcapng
Packets captured: 178641
Packets received/dropped on interface 'br0': 90000/30000 (pcap:30000/dumpcap:0/flushed:0/ps_ifdrop:0) (75.0%)
Packets received/dropped on interface 'br1': 88641/31347 (pcap:31347/dumpcap:0/flushed:0/ps_ifdrop:0) (73.9%)
"""


def trial(passed: int, recorded: int | None = None, dropped: int = 0, cpu_ns: int = 0) -> Any:
    return tap_rate.Trial(passed, passed if recorded is None else recorded, dropped, 1.0, cpu_ns)


class Recorder:
    """Loses frames above `capacity` a second; its sender reaches `utmost`."""

    def __init__(self, capacity: int, utmost: int = 800_000) -> None:
        self.capacity, self.utmost = capacity, utmost
        self.asked: list[int] = []

    def __call__(self, rate: int) -> Any:
        self.asked.append(rate)
        passed = min(rate or self.utmost, self.utmost)
        return trial(passed, min(passed, self.capacity))


def test_dumpcaps_counts_are_summed_over_its_interfaces() -> None:
    assert tap_rate.read_dumpcap(DUMPCAP) == (178641, 61347)


@pytest.mark.parametrize(
    "output", ["", "dumpcap: There is no device named br9", DUMPCAP.partition("Packets received")[0]]
)
def test_output_without_counts_is_an_error_that_quotes_it(output: str) -> None:
    with pytest.raises(tap_rate.NoResult, match="dumpcap gave no counts") as error:
        tap_rate.read_dumpcap(output)
    assert (output.strip() or "(nothing)") in str(error.value)


def test_a_recorder_that_keeps_up_needs_one_trial() -> None:
    recorder = Recorder(capacity=900_000)
    assert tap_rate.highest_lossless(recorder).rate == 800_000
    assert recorder.asked == [0]


def test_the_highest_lossless_rate_is_narrowed_down() -> None:
    recorder = Recorder(capacity=300_000)
    found = tap_rate.highest_lossless(recorder, steps=6)
    assert found.lossless
    assert 300_000 - 800_000 / 2**6 <= found.rate <= 300_000


def test_one_lost_trial_does_not_decide_a_rate() -> None:
    tries = iter([trial(1000, recorded=900), trial(1000)])
    assert tap_rate.highest_lossless(lambda _: next(tries)).rate == 1000


def test_a_recorder_that_always_loses_has_no_result() -> None:
    with pytest.raises(tap_rate.NoResult, match="frames were lost even at 25000"):
        tap_rate.highest_lossless(Recorder(capacity=-1))


def test_a_trial_is_lossless_only_if_counter_and_count_agree() -> None:
    assert trial(100).lossless
    assert not trial(100, recorded=99).lossless
    assert not trial(100, recorded=100, dropped=1).lossless


def test_the_lossless_ratio_is_the_median_of_the_rounds_own() -> None:
    ours, theirs = [trial(100), trial(300), trial(50)], [trial(100), trial(100), trial(100)]
    verdict = tap_rate.lossless_verdict(ours, theirs, utmost=900)
    assert verdict == {
        "tap_per_second": 100,
        "dumpcap_per_second": 100,
        "ratio": 1.0,
        "sender_per_second_with_no_recorder": 900,
        "rounds": 3,
    }


def test_the_cost_is_per_recorded_packet_and_loss_is_summed() -> None:
    ours, theirs = [trial(1000, cpu_ns=100_000)] * 2, [trial(1000, 900, 100, 900_000)] * 2
    verdict = tap_rate.cost_verdict(1000, ours, theirs)
    assert (verdict["tap_ns_per_packet"], verdict["dumpcap_ns_per_packet"], verdict["ratio"]) == (100, 1000, 0.1)
    assert (verdict["tap_lost"], verdict["dumpcap_lost"]) == (0, 200)


@pytest.mark.parametrize("size", [14, 60, 100, 1400])
def test_the_sender_makes_frames_of_the_size_asked_for_to_nobody(size: int) -> None:
    frame = tap_sender.traffic_frame(size)
    assert len(frame) == size
    assert frame[0] & 0x03 == 0x02, "unicast, locally administered"
    assert frame[12:14] == b"\x88\xb6"


class CountingOutlet:
    """Counts what it is told to send."""

    def __init__(self) -> None:
        self.sent = 0

    def send(self, frames: int) -> None:
        assert 0 < frames <= tap_sender.LARGEST_BATCH
        self.sent += frames


def test_the_sender_keeps_each_links_rate() -> None:
    outlets = [CountingOutlet(), CountingOutlet()]
    seconds = tap_sender.send_at(outlets, 5000, 0.1)
    for outlet in outlets:
        assert 5000 * seconds - 5000 * 0.05 - tap_sender.LARGEST_BATCH < outlet.sent <= 5000 * seconds
