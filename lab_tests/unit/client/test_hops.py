"""What traceroute prints."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from client.hops import Hop, read_traceroute_output

OUTPUT = """\
traceroute to 10.77.3.10 (10.77.3.10), 8 hops max, 60 byte packets
 1  10.77.1.1  0.105 ms
 2  *
 3  10.77.3.10  12.345 ms !X
"""


def test_each_line_is_a_hop_and_a_star_is_silence() -> None:
    assert read_traceroute_output(OUTPUT) == (
        Hop(1, IPv4Address("10.77.1.1"), 105_000),
        Hop(2, None, None),
        Hop(3, IPv4Address("10.77.3.10"), 12_345_000),
    )


def test_no_line_is_no_hop() -> None:
    assert read_traceroute_output("") == ()


@pytest.mark.parametrize("line", ["1 10.77.1.1", "x", "1  10.77.1.999  1 ms", " 1  10.77.1.1  1.2.3 ms"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"not a hop|10\.77\.1\.999|1\.2\.3"):
        read_traceroute_output(f"traceroute to\n{line}\n")
