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
CROWD = 16  # twice what an origin has threads for would queue, and be in nobody's hand
SOME = 4


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
    # Of those kept, not of all: an earlier crowd may have left many, and the balancer uses any.
    new = [c for c in recording.opened("backend") if c.number in kept]
    assert len(new) < MANY / 10, "a connection for almost every request"
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
    crowd, meant, after = "/slow?ms=1500", "/bytes/16?meant", "/bytes/16?after"
    victim = lab.container(VICTIM)
    with lab.recording(f"{VICTIM} killed in mid-traffic") as recording, ThreadPoolExecutor(1) as background:
        client = background.submit(recording.visit, [f"{SITE}{crowd}"] * CROWD, parallel=True)
        wait_until(lambda: rotation.in_hand(VICTIM) >= SOME, 10, f"{VICTIM} has {SOME} in hand")
        victim.kill()
        recording.visit([f"{SITE}{meant}"] * CROWD, parallel=True)
        client.result()
        rotation.wait_until_asked({SURVIVOR})
        rotation.start(VICTIM)
        recording.visit([f"{SITE}{after}"] * 6)
    experiment.asked(
        f"{CROWD} GETs that take 1.5 s; docker kill {VICTIM}, at work on some; {CROWD} GETs more; start it; 6 GETs"
    )

    working, late = answers(recording, lab.topology, crowd), answers(recording, lab.topology, meant)
    everything = [one.front for one in (*working, *late)]
    assert [front.response and front.response.status for front in everything] == [200] * 2 * CROWD
    assert all(front.response_end for front in everything), "a response broke off"
    lost = [one for one in working if one.attempts[0].status is None]
    assert len(lost) >= SOME, f"{VICTIM} had nothing in hand when it was killed: this test looked at nothing"
    assert {tuple((attempt.origin, attempt.status) for attempt in one.attempts) for one in lost} == {
        ((VICTIM, None), (SURVIVOR, 200))
    }
    frames = [frame for one in lost for frame in one.frames]
    experiment.saw(f"{len(lost)} were with {VICTIM}, got no answer there, and 200 from {SURVIVOR}", recording, frames)
    assert {one.tried for one in late} == {(SURVIVOR,)}
    frames = [frame for one in late for frame in one.frames]
    experiment.saw(f"{CROWD} came when it was dead: {SURVIVOR} got them all, and answered 200", recording, frames)

    back = answers(recording, lab.topology, after)
    assert {one.tried for one in back} == {(origin,) for origin in ORIGINS}
    experiment.saw(f"{VICTIM}, started again, is asked again", recording, [f for one in back for f in one.frames])
    experiment.myth("when a server dies, its users get an error", f"{len(lost)} of them did not even notice")
