"""Every parser of our own under a coverage-guided fuzzer, for a few seconds each; longer on request.

FUZZ_SECONDS=600 make test ARGS='-k coverage_fuzz' gives each parser ten minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from doctoring import SpooledBlock, spool_segment, undoctored
from golden_visits import VISITS
from observer import keylog
from programs_here import needs_atheris

pytestmark = needs_atheris

SECONDS = int(os.environ.get("FUZZ_SECONDS", "2"))
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
LONGEST = 1 << 16  # bytes of an input to begin with: what is longer costs runs and reaches no new code


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
    return [data for data in found if len(data) <= LONGEST]


def fuzzed(parser: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds(parser)):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, str(PROGRAM), parser, str(corpus), "-seed=1", f"-artifact_prefix={folder}/", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("parser", TARGETS)
def test_nothing_but_a_refusal_comes_out_of_a_parser(parser: str, tmp_path: Path) -> None:
    done = fuzzed(parser, tmp_path, f"-max_total_time={SECONDS}", f"-max_len={LONGEST}")
    assert done.returncode == 0, done.stderr[-3000:]
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert covered and int(covered[-1]) > 20, "the fuzzer saw no code of the parser"


def test_the_fuzzer_finds_a_planted_defect(tmp_path: Path) -> None:
    done = fuzzed("planted", tmp_path, "-runs=2000000", "-max_len=8")
    assert done.returncode != 0
    assert "the planted defect" in done.stdout + done.stderr
