"""Responses from Network events. The file under data/ holds what Chromium 150 said about two visits in one tab: a page
behind a redirect that sets cookies, then a server with the wrong name in its certificate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.cdp import Event
from client.page_events import PageEvents
from client.visit import Response, Timings

RECORDED = [
    Event(method, params, "S")
    for line in (Path(__file__).parent / "data" / "chromium-redirect-then-wrong-name.jsonl").read_text().splitlines()
    for method, params in [json.loads(line)]
]


def responses(events: list[Event]) -> tuple[Response, ...]:
    page = PageEvents()
    page.feed(events)
    return page.responses()


def test_every_answer_that_came_over_the_wire_is_a_response_and_the_error_pages_own_images_are_not() -> None:
    assert [(response.url, response.status, response.http_version) for response in responses(RECORDED)] == [
        ("https://site.test/old", 302, "2"),
        ("https://site.test/page.html", 200, "2"),
        ("https://site.test/s.css", 200, "2"),
        ("https://site.test/missing.png", 404, "2"),
        ("https://site.test:444/", 0, ""),
    ]


def test_one_connection_carries_them_all() -> None:
    assert [response.num_connects for response in responses(RECORDED)[:4]] == [1, 0, 0, 0]
    assert {(response.remote_address, response.remote_port) for response in responses(RECORDED)[:4]} == {
        ("10.84.3.10", 443)
    }
    assert {response.verify_result for response in responses(RECORDED)[:4]} == {0}


def test_cookies_come_from_the_extra_information() -> None:
    redirect = responses(RECORDED)[0]

    assert [value for name, value in redirect.headers if name == "set-cookie"] == ["a=1", "b=2"]


def test_the_first_transfer_looked_up_connected_and_shook_hands_and_the_next_did_not() -> None:
    first, second = (response.timings_ns for response in responses(RECORDED)[:2])

    assert 0 < first.namelookup <= first.connect < first.appconnect <= first.pretransfer < first.starttransfer
    assert first.starttransfer <= first.total
    assert (second.namelookup, second.connect, second.appconnect) == (0, 0, 0)
    assert 0 < second.pretransfer <= second.starttransfer <= second.total


def test_a_failure_keeps_its_reason_and_not_the_size_of_the_error_page() -> None:
    failed = responses(RECORDED)[-1]

    assert failed.error == "net::ERR_CERT_COMMON_NAME_INVALID"
    assert (failed.size_download, failed.verify_result, failed.headers) == (0, None, ())


@pytest.mark.parametrize("kept", range(len(RECORDED)))
def test_events_cut_short_give_the_responses_so_far(kept: int) -> None:
    so_far = [response.url for response in responses(RECORDED[:kept])]

    assert so_far == [response.url for response in responses(RECORDED)][: len(so_far)]


def test_a_copy_from_the_cache_needs_no_connection() -> None:
    response = {"url": "https://a.in/s.css", "status": 200, "headers": {}, "fromDiskCache": True, "timing": {}}
    (cached,) = responses(
        [
            Event(
                "Network.requestWillBeSent",
                {"requestId": "1", "request": {"url": "https://a.in/s.css"}, "timestamp": 5.0},
                "S",
            ),
            Event("Network.responseReceived", {"requestId": "1", "timestamp": 5.1, "response": response}, "S"),
        ]
    )

    assert (cached.from_cache, cached.num_connects, cached.timings_ns) == (True, 0, Timings())


def test_a_body_that_breaks_off_is_an_error_of_its_response() -> None:
    response = {"url": "https://a.in/", "status": 200, "headers": {}, "protocol": "h3"}
    (broken,) = responses(
        [
            Event(
                "Network.requestWillBeSent",
                {"requestId": "1", "request": {"url": "https://a.in/"}, "timestamp": 5.0},
                "S",
            ),
            Event("Network.responseReceived", {"requestId": "1", "timestamp": 5.1, "response": response}, "S"),
            Event("Network.loadingFailed", {"requestId": "1", "timestamp": 5.2, "errorText": "net::ERR_FAILED"}, "S"),
        ]
    )

    assert (broken.status, broken.http_version, broken.error) == (200, "3", "net::ERR_FAILED")
