"""Reading what curl wrote about its transfers. The file under data/ is curl 8.14.1's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.curl_report import UnreadableReport, failures, read_report
from client.visit import Timings

REPORT = (Path(__file__).parent / "data" / "curl-redirect-page-refused.txt").read_text()


def test_each_transfer_is_a_response() -> None:
    redirect, page, refused = read_report(REPORT)

    assert (redirect.url, redirect.status, redirect.http_version) == ("https://site.test/old", 302, "2")
    assert ("set-cookie", "a=1") in redirect.headers
    assert ("set-cookie", "b=2") in redirect.headers
    assert (page.status, page.size_download, page.headers[-1]) == (200, 44, ("content-type", "text/css"))
    assert (refused.status, refused.http_version, refused.local_port, refused.headers) == (0, "", None, ())
    assert refused.error == "curl (7): Failed to connect to site.test port 81 after 1 ms: Could not connect to server"


def test_a_kept_connection_is_seen_by_its_port_and_by_needing_no_new_one() -> None:
    redirect, page, _ = read_report(REPORT)

    assert (redirect.num_connects, page.num_connects) == (1, 0)
    assert redirect.local_port == page.local_port
    assert (page.timings_ns.namelookup, page.timings_ns.connect, page.timings_ns.appconnect) == (0, 0, 0)


def test_times_are_whole_nanoseconds_and_in_order() -> None:
    times = read_report(REPORT)[0].timings_ns

    assert isinstance(times, Timings)
    assert 0 < times.namelookup <= times.connect <= times.appconnect <= times.pretransfer <= times.starttransfer
    assert times.total % 1_000 == 0


def test_the_failures_name_their_urls() -> None:
    assert failures(read_report(REPORT)).startswith("http://site.test:81/: curl (7): ")
    assert failures(read_report(REPORT)[:2]) == ""


def test_transfers_that_end_out_of_order_are_put_back() -> None:
    *records, end = REPORT.split("\x1e")
    shuffled = "\x1e".join([*records[4:6], *records[0:2], *records[2:4], end])

    assert read_report(shuffled) == read_report(REPORT)


def test_no_transfer_gives_no_response() -> None:
    assert read_report("") == ()


@pytest.mark.parametrize("kept", [1, 100, len(REPORT) // 2, len(REPORT) - 1])
def test_a_report_cut_short_is_noticed(kept: int) -> None:
    with pytest.raises(UnreadableReport, match="cut short"):
        read_report(REPORT[:kept])


@pytest.mark.parametrize(
    ("record", "because"),
    [("[]", "record 0: expected an object, found list"), ("{", "record 0: "), ("{}", "KeyError: 'http_code'")],
)
def test_a_record_that_is_no_transfer_is_named(record: str, because: str) -> None:
    with pytest.raises(UnreadableReport, match=because):
        read_report(f"{record}\x1e{{}}\x1e")


def test_a_number_that_is_none_is_named() -> None:
    transfer = json.loads(REPORT.split("\x1e")[0]) | {"time_connect": "soon"}

    with pytest.raises(UnreadableReport, match=r"TypeError|ValueError"):
        read_report(f"{json.dumps(transfer)}\x1e{{}}\x1e")
