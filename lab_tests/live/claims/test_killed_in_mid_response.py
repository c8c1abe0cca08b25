"""M4: the one idempotent request that an origin takes with it: the one whose answer had begun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from answers import Answer, answers
from dialogue import SITE
from experiment import Experiment
from live_lab import Lab, Recording
from observer.exchanges import Exchange
from observer.messages import Frame
from rotation import ORIGINS, Rotation
from stream_resets import StreamResets
from waiting import wait_until

VICTIM, SURVIVOR = ORIGINS
CROWD = 8  # of each kind; round robin gives each origin half of them, and an origin has 16 threads
MOST = CROWD // 2 - 1  # of the half: a request of somebody else's may have changed whose turn it is
BEGUN = {"1.1": "/bytes/16000?pause_ms=4000", "2": "/bytes/16001?pause_ms=4000"}
"""Head and 8 KiB at once, and the rest after a pause."""
UNANSWERED = "/slow?ms=4000"


def kill_in_mid_response(lab: Lab, rotation: Rotation, recording: Recording) -> dict[str, dict[str, Any]]:
    """Crowds at work, the victim killed and started again; what curl said of the responses that had begun."""
    with ThreadPoolExecutor(3) as background:
        clients = {}
        for http, path in BEGUN.items():
            enough = rotation.passed_on(VICTIM) + MOST
            clients[http] = background.submit(recording.visit, [f"{SITE}{path}"] * CROWD, http=http, parallel=True)
            wait_until(lambda n=enough: rotation.passed_on(VICTIM) >= n, 10, "heads have gone out to the client")  # type: ignore[misc]
        waiting = background.submit(recording.visit, [f"{SITE}{UNANSWERED}"] * CROWD, parallel=True)
        wait_until(lambda: rotation.in_hand(VICTIM) >= MOST, 10, f"{VICTIM} has {MOST} in hand")
        lab.container(VICTIM).kill()
        told = waiting.result()
    assert told["exit_code"] == 0, told["error"]
    rotation.wait_until_asked({SURVIVOR})
    rotation.start(VICTIM)
    return {http: client.result() for http, client in clients.items()}


@pytest.mark.claim("M4")
def test_a_response_that_had_begun_is_lost_with_its_origin(
    lab: Lab, rotation: Rotation, experiment: Experiment
) -> None:
    """What becomes of a GET whose response's head is already with the client when its origin is killed?"""
    with lab.recording(f"{VICTIM} killed in mid-response") as recording:
        curl = kill_in_mid_response(lab, rotation, recording)
    experiment.asked(
        f"{CROWD} GETs over HTTP/1.1 and {CROWD} over HTTP/2, answered with head and 8 KiB at once and the rest 4 s "
        f"later; {CROWD} answered after 4 s; meanwhile docker kill {VICTIM}"
    )
    spared = [one for one in answers(recording, lab.topology, UNANSWERED) if one.tried[0] == VICTIM]
    assert spared and {(one.tried, one.status) for one in spared} == {((VICTIM, SURVIVOR), 200)}
    assert all(one.front.response_end for one in spared)
    experiment.control(
        f"{len(spared)} of which {VICTIM} had not answered a byte: {SURVIVOR} was asked, and answered 200",
        recording,
        [frame for one in spared for frame in one.frames],
    )
    lost = lost_over_2(lab, recording, experiment, curl["2"])
    lost_over_1_1(lab, recording, experiment, curl["1.1"])
    experiment.myth(
        "a GET does no harm, so the balancer can always ask again",
        f"not once a head has gone out: the {lost} had their 200, and another origin's bytes need not fit behind it",
    )


def lost_over_2(lab: Lab, recording: Recording, experiment: Experiment, curl: dict[str, Any]) -> int:
    """How many broke off over HTTP/2, each followed from link to link."""
    told = answers(recording, lab.topology, BEGUN["2"])
    lost = [one for one in told if one.front.response_end is None]
    assert lost, "no response had begun: this test looked at nothing"
    assert {(one.status, one.tried) for one in lost} == {(200, (VICTIM,))}
    assert {one.status for one in told} == {200}
    resets = StreamResets(recording, "home")
    heads, deaths, ends = [], [], []
    for one in lost:
        reset = resets.of(one.front)
        head, death = head_on_edge(recording, one), end_by_server(one.attempts[0].exchange)
        assert reset and head.time_ns < death.time_ns < reset.frame.time_ns
        heads.append(head)
        deaths.append(death)
        ends.append(reset)
    experiment.saw(f"HTTP/2: {len(lost)} heads, each a 200 of {VICTIM}, are out on edge", recording, heads)
    experiment.saw(f"then {VICTIM}'s connections end in mid-response; nobody else is asked", recording, deaths)
    said = broken_off(curl)
    assert len(said) == len(lost)
    names = {reset.name for reset in ends}
    experiment.saw(
        f"the client gets RST_STREAM ({', '.join(sorted(names))}) on these streams; curl says: {said[0]}",
        recording,
        [reset.frame for reset in ends],
    )
    return len(lost)


def lost_over_1_1(lab: Lab, recording: Recording, experiment: Experiment, curl: dict[str, Any]) -> None:
    """The same where a response has no stream that could be reset: its connection ends."""
    fronts = [e for e in recording.exchanges("home") if e.request.path == BEGUN["1.1"]]
    lost = [e for e in fronts if e.response is None]
    assert lost and all(e.response_start for e in lost), "no response had begun: this test looked at nothing"
    assert {e.response.status for e in fronts if e.response} == {200}
    behind = [e for e in recording.exchanges("backend") if e.request.path == BEGUN["1.1"]]
    assert len(behind) == CROWD, "somebody was asked again"
    dead = [e for e in behind if e.response is None]
    assert {lab.topology.name(e.connection.server.address) for e in dead} == {VICTIM}
    said = broken_off(curl)
    assert len(said) == len(lost) == len(dead)
    starts = [e.response_start for e in lost if e.response_start]
    experiment.saw(
        f"HTTP/1.1: {len(lost)} responses begin, and their connections end; curl says: {said[0]}",
        recording,
        [*starts, *(end_by_server(e) for e in lost)],
    )


def head_on_edge(recording: Recording, one: Answer) -> Frame:
    (same,) = [e for e in recording.exchanges("edge") if e.request_id == one.front.request_id]
    assert same.response_frame
    return same.response_frame


def end_by_server(exchange: Exchange) -> Frame:
    """Where the exchange's server ends the connection in mid-response."""
    began = exchange.response_start
    assert began, "not a byte of the response came"
    own = (f for f in exchange.connection.closing if exchange.connection.from_server(f))
    return next(f for f in own if f.number > began.number)


def broken_off(curl: dict[str, Any]) -> list[str]:
    """What curl says of the responses that it has not whole, their 200 notwithstanding."""
    failed = [each for each in curl["responses"] if each["error"]]
    assert {each["status"] for each in failed} == {200}
    return [str(each["error"]) for each in failed]
