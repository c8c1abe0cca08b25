"""The golden lines are what tshark prints for the golden captures; needs a tshark, as the tests' container has."""

from __future__ import annotations

import subprocess

import pytest

from golden_visits import VERSIONS, VISITS
from observer.dissect import DissectionError
from observer.topology import LINKS
from observer.tshark import WarmTshark, command_of, dissect_file
from programs_here import needs_tshark

pytestmark = needs_tshark


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("link", LINKS)
def test_tshark_still_prints_the_golden_lines(version: str, link: str) -> None:
    folder = VISITS / f"http{version}"
    printed = subprocess.run(command_of(str(folder / f"{link}.pcapng")), capture_output=True, check=True).stdout
    assert printed.decode() == (folder / f"{link}.tsv").read_text(encoding="utf-8")


def test_a_warm_tshark_and_a_bulk_pass_type_the_same_frames() -> None:
    path = VISITS / "http2" / "home.pcapng"
    warm = WarmTshark(ahead=1)
    try:
        assert warm.dissect(path.read_bytes()) == list(dissect_file(path, None))
    finally:
        warm.close()


def test_a_capture_cut_in_the_middle_is_an_error_not_a_shorter_one() -> None:
    whole = (VISITS / "http2" / "home.pcapng").read_bytes()
    warm = WarmTshark(ahead=0)
    with pytest.raises(DissectionError, match=r"cut short|less data"):
        warm.dissect(whole[: len(whole) // 2 + 1])
