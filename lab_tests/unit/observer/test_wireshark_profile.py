"""The lab's settings for Wireshark: columns, colours and buttons that tshark takes, and that tell steps apart."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from golden_visits import VISITS
from programs_here import needs_tshark

PROFILE = Path(__file__).parents[3] / "services/observer/wireshark"
pytestmark = needs_tshark


def tshark(link: str, *arguments: str) -> list[str]:
    command = ["tshark", "-r", str(VISITS / f"http2/{link}.pcapng"), *arguments]
    environment = os.environ | {"WIRESHARK_CONFIG_DIR": str(PROFILE), "COLORTERM": "truecolor"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
    assert complaints == []
    return done.stdout.splitlines()


def buttons() -> list[tuple[str, str]]:
    lines = [line for line in (PROFILE / "dfilter_buttons").read_text().splitlines() if not line.startswith("#")]
    return [(label, text.replace("\\x22", '"')) for _, label, text, _ in csv.reader(lines)]


def test_link_and_step_are_columns() -> None:
    first = tshark("home", "-Y", "dns && frame.comment")[0]
    assert re.search(r"\bhome\b.*client → resolver.*\bDNS\b.*step 1, DNS", first)


def test_every_colour_rule_is_one_that_wireshark_takes() -> None:
    lines = [line for line in (PROFILE / "colorfilters").read_text().splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"@([^@]+)@([^@]+)@\[\d+,\d+,\d+\]\[\d+,\d+,\d+\]", line) for line in lines]
    assert found and all(found), lines
    tshark("home", "-Y", " || ".join(f"({rule[2]})" for rule in found if rule))


def test_wireshark_4_0_loses_the_colours_of_http3_only() -> None:
    # It does not know the headers of HTTP/3, and drops a rule that names a field it does not know.
    lines = [line for line in (PROFILE / "colorfilters").read_text().splitlines() if "http3" in line]
    assert len(lines) == 2
    assert all(re.fullmatch(r"@Like step [46] \w+, HTTP/3@http3\.headers\.\w+@\S+", line) for line in lines)


def test_a_frame_has_the_colour_of_the_step_that_it_proves() -> None:
    rows = [
        line.split("\t") for line in tshark("home", "--color", *fields("frame.coloring_rule.name", "frame.comment"))
    ]
    proving = [(rule, comment) for rule, comment in rows if comment]
    assert {comment[:6] for _, comment in proving} >= {"step 1", "step 2", "step 3", "step 4", "step 6"}
    assert [(rule, comment) for rule, comment in proving if not rule.startswith(f"Step {comment[5]}")] == []


def test_a_live_frame_has_no_comment_and_the_colour_of_its_kind() -> None:
    rows = [
        line.split("\t")
        for line in tshark("internet", "--color", *fields("frame.coloring_rule.name", "frame.comment", "dns.id"))
    ]
    assert {rule for rule, comment, dns in rows if dns and not comment} == {"Like step 1 DNS"}


def test_each_button_filters() -> None:
    labels, texts = zip(*buttons(), strict=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(labels, pool.map(lambda text: len(tshark("home", "-Y", text)), texts), strict=True))
    assert found["Link//home"] > found["All steps"] > found["Step//2 TCP"] == 3
    assert (found["Link//edge"], found["Step//1 DNS"], found["Step//4 request"]) == (0, 4, 1)
    assert found["HTTP"] == len(tshark("home", "-Y", "http2")) > 0


def fields(*names: str) -> list[str]:
    return ["-T", "fields", *(argument for name in names for argument in ("-e", name))]
