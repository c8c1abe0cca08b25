"""Every parser of our own under a coverage-guided fuzzer, for a second each; longer on request.

FUZZ_SECONDS=600 make test ARGS='-k coverage_fuzz' gives each parser ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from doctoring import SpooledBlock, spool_segment, undoctored
from fuzzing import Run, check_only_refused, fuzzed, fuzzed_for_seconds
from golden_visits import VISITS
from observer import keylog
from programs_here import needs_atheris

pytestmark = needs_atheris

PROGRAM = Path(__file__).with_name("fuzz_parsers.py")
GOLDEN = Path(__file__).parent.parent / "pcapng" / "golden"
TARGETS = [
    "pcapng",
    "pcapng_packets",
    "capture_file",
    "capture_blocks",
    "spool",
    "keylog",
    "flow",
    "dissect",
    "glimpse",
]


def seeds(parser: str) -> list[bytes]:
    """Whole inputs of each kind: from nothing, no fuzzer finds a file format in seconds."""
    visit = undoctored("2")
    packets = visit.packets["home"]
    if parser in ("pcapng", "pcapng_packets", "capture_file", "capture_blocks"):
        found = [path.read_bytes() for path in sorted(GOLDEN.iterdir())]
    elif parser == "spool":
        found = [spool_segment([SpooledBlock(packets[:10]), SpooledBlock(packets[10:], dropped=2)])]
    elif parser == "keylog":
        found = [keylog.render(visit.secrets[:4]).encode()]
    elif parser == "flow":
        found = [packet.data for packet in packets]
    elif parser in ("dissect", "glimpse"):
        found = [(VISITS / f"http{version}" / "home.tsv").read_bytes() for version in ("1.1", "2", "3")]
        found = [line for text in found for line in text.split(b"\n")]
    else:
        found = []
    return found


@pytest.fixture(scope="session")  # not once more for each test between which others come
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    return fuzzed_for_seconds(request, Path(__file__), PROGRAM, seeds, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("parser", TARGETS)
def test_nothing_but_a_refusal_comes_out_of_a_parser(parser: str, runs: Mapping[str, Run]) -> None:
    check_only_refused(runs[parser])


def test_the_fuzzer_finds_a_planted_defect_beside_a_sound_parser(tmp_path: Path) -> None:
    found = fuzzed(PROGRAM, {"planted": [], "flow": []}, tmp_path, "-runs=200000", "-max_len=8")
    assert found["planted"].status != 0
    assert "the planted defect" in found["planted"].said
    assert found["flow"].status == 0
    with pytest.raises(AssertionError, match="the planted defect"):
        check_only_refused(found["planted"])
