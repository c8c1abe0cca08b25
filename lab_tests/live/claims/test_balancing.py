"""M4: two origins share the load by the balancer's rule, and one that dies takes no idempotent request with it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from answers import Answer, answers
from dialogue import SITE
from experiment import Experiment
from live_lab import Lab
from rotation import ORIGINS, Rotation
from waiting import wait_until

VICTIM, SURVIVOR = ORIGINS
MANY = 60
CROWD = 100
SERVED = 4  # of the fifty that the victim gets, sixteen at a time: it is killed with others in hand


def shares(told: list[Answer]) -> Counter[str]:
    """How many of the requests each origin answered."""
    return Counter(one.tried[-1] for one in told)


@pytest.mark.claim("M4")
def test_round_robin_gives_each_origin_its_share(lab: Lab, rotation: Rotation, experiment: Experiment) -> None:
    """How many of one client's requests does each origin get, and what changes with the weights?"""
    even, weighed = "/bytes/16?even", "/bytes/16?weighed"
    with lab.recording("round robin, evenly and three to one") as recording:
        recording.visit([f"{SITE}{even}"] * MANY)
        rotation.weigh(VICTIM, "3")
        recording.visit([f"{SITE}{weighed}"] * MANY)
    experiment.asked(f"{MANY} requests on one connection; {MANY} more with {VICTIM} weighed three to one")

    by_turns = answers(recording, lab.topology, even)
    found = shares(by_turns)
    assert abs(found[VICTIM] - found[SURVIVOR]) <= 1 and found.total() == MANY
    experiment.saw(f"evenly: {told(found)}", recording, [one.attempts[0].exchange.request_frame for one in by_turns])
    kept = {(one.attempts[0].exchange.connection.number) for one in by_turns}
    assert len(kept) < MANY / 10, "a connection for almost every request"
    assert len({one.front.connection.number for one in by_turns}) == 1

    three_to_one = answers(recording, lab.topology, weighed)
    found = shares(three_to_one)
    assert abs(found[VICTIM] - MANY * 3 // 4) <= 1 and found.total() == MANY
    frames = [one.attempts[0].exchange.request_frame for one in three_to_one]
    experiment.saw(f"three to one: {told(found)}", recording, frames)
    experiment.myth(
        "a visitor stays with one server",
        f"one connection on home, {len(kept)} kept ones on backend, and turns are taken",
    )


def told(found: Counter[str]) -> str:
    return ", ".join(f"{origin} {found[origin]}" for origin in ORIGINS)


@pytest.mark.claim("M4")
def test_an_origin_killed_in_mid_traffic_loses_no_idempotent_request(
    lab: Lab, rotation: Rotation, experiment: Experiment
) -> None:
    """What becomes of the requests that an origin has in hand when it is killed, and of those meant for it?"""
    crowd, after = "/slow?ms=300", "/bytes/16?after"
    victim, before = lab.container(VICTIM), rotation.answered(VICTIM)
    with lab.recording(f"{VICTIM} killed in mid-traffic") as recording, ThreadPoolExecutor(1) as background:
        client = background.submit(recording.visit, [f"{SITE}{crowd}"] * CROWD, parallel=True)
        wait_until(lambda: rotation.answered(VICTIM) >= before + SERVED, 10, f"{VICTIM} has answered {SERVED}")
        victim.kill()
        client.result()
        rotation.wait_until_asked({SURVIVOR})
        rotation.start(VICTIM)
        recording.visit([f"{SITE}{after}"] * 6)
    experiment.asked(
        f"{CROWD} GETs at once, 300 ms of work each; docker kill {VICTIM} meanwhile; start it again; 6 GETs"
    )

    crowd_told = answers(recording, lab.topology, crowd)
    assert [one.status for one in crowd_told] == [200] * CROWD
    lost = [one for one in crowd_told if one.attempts[0].origin == VICTIM and one.attempts[0].status is None]
    assert lost, f"{VICTIM} had nothing in hand when it was killed: this test looked at nothing"
    assert all(one.tried[-1] == SURVIVOR for one in lost)
    frames = [frame for one in lost for frame in one.frames]
    experiment.saw(f"{len(lost)} were with {VICTIM}, got no answer there, and 200 from {SURVIVOR}", recording, frames)
    seen = [frame for one in crowd_told for frame in (one.front.request_frame, one.front.response_frame) if frame]
    experiment.saw(f"on home all {CROWD} are 200", recording, seen)

    back = answers(recording, lab.topology, after)
    assert {one.tried for one in back} == {(origin,) for origin in ORIGINS}
    experiment.saw(f"{VICTIM}, started again, is asked again", recording, [f for one in back for f in one.frames])
    experiment.myth("when a server dies, its users get an error", f"{len(lost)} of them did not even notice")
