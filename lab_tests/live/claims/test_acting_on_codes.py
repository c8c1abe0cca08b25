"""C15 to C17: who acts on status codes, and how: health checks, alerts, retries."""

from __future__ import annotations

import pytest

from answers import Answer, answers, health_checks, sent_away
from dialogue import SITE, ask
from experiment import Experiment
from live_lab import Lab
from monitor import Monitor
from observer.exchanges import Exchange
from observer.messages import Frame
from rotation import ORIGINS, Rotation
from waiting import wait_until

ILL, OTHER = ORIGINS
ROUND = 6  # requests, of which round robin gives each of two origins three
WAVE = 40
NOTICED_WITHIN_S = 20.0  # a window of five seconds has to pass, however busy the machine


@pytest.mark.claim("C15")
def test_a_failed_health_check_takes_an_origin_out_and_a_passed_one_brings_it_back(
    lab: Lab, rotation: Rotation, experiment: Experiment
) -> None:
    """Who decides that an origin gets no more requests, after what, and what brings it back?"""
    with lab.recording(f"{ILL} is ill, and well again") as recording:
        recording.visit([f"{SITE}/?before"] * ROUND)
        ask(recording, "POST", f"/unwell?origin={ILL}&ms=60000")
        rotation.wait_until_asked({OTHER})
        recording.visit([f"{SITE}/?without"] * ROUND)
        ask(recording, "POST", f"/unwell?origin={ILL}&ms=0")
        rotation.wait_until_asked(ORIGINS)
        rotation.wait_until_both_take_turns()
        recording.visit([f"{SITE}/?after"] * ROUND)
    experiment.asked(f"GET / {ROUND} times: before {ILL} says that it is ill, meanwhile, and when it is well again")

    before, without, after = (answers(recording, lab.topology, f"/?{when}") for when in ("before", "without", "after"))
    assert {told.status for told in (*before, *without, *after)} == {200}
    assert {told.tried for told in without} == {(OTHER,)}
    experiment.saw(f"while {ILL} is out, all {ROUND} requests go to {OTHER}", recording, frames_of(without))
    for told in (before, after):
        assert {one.tried for one in told} == {(origin,) for origin in ORIGINS}
    experiment.control("before and after, both are asked", recording, frames_of(before) + frames_of(after))

    checks = [check for check in health_checks(recording, lab.topology, ILL) if check.response]
    failed = [check for check in checks if check.response and check.response.status == 503]
    first_without, first_after = without[0].front.request_frame, after[0].front.request_frame
    out = [check for check in failed if check.request_frame.time_ns < first_without.time_ns]
    assert len(out) >= 2, "it went after fewer than two failed checks"
    experiment.saw(f"HEAD /health of {ILL}: 503, twice, and it is out", recording, shown(out[:2]))
    well = [c for c in checks if failed[-1].request_frame.time_ns < c.request_frame.time_ns < first_after.time_ns]
    assert well and well[0].response and well[0].response.status == 200
    experiment.saw("the first 200 brings it back", recording, shown(well[:1]))
    experiment.myth(
        "the balancer notices from its users' requests that a server is ill",
        f"{ILL} answered every request with 200 until the end: the checks alone said otherwise",
    )


def shown(checks: list[Exchange]) -> list[Frame]:
    return [f for check in checks for f in (check.request_frame, check.response_frame) if f]


def frames_of(told: list[Answer]) -> list[Frame]:
    return [frame for one in told for frame in one.frames]


@pytest.mark.claim("C16")
def test_an_alert_fires_on_a_wave_of_5xx_and_clears(lab: Lab, monitor: Monitor, experiment: Experiment) -> None:
    """Does monitoring tell a wave of failures from the same number of good answers, and see its end?"""
    answered = 'sum(haproxy_frontend_http_responses_total{{proxy="https",code="{}"}})'.format
    good, bad = monitor.value(answered("2xx")), monitor.value(answered("5xx"))
    wait_until(lambda: not monitor.alerts(), NOTICED_WITHIN_S, "no alert from what was before")
    with lab.recording("a wave of 200s, then one of 500s") as recording:
        recording.visit([f"{SITE}/?wave"] * WAVE)
        monitor.wait_until_evaluated(answered("2xx"), good + WAVE)
        quiet = monitor.alerts()
        recording.visit([f"{SITE}/fail"] * WAVE)
        monitor.wait_until_evaluated(answered("5xx"), bad + WAVE)
        fired = wait_until(lambda: monitor.firing("ShareOf5xx"), NOTICED_WITHIN_S, "ShareOf5xx fires")
        culprits = wait_until(lambda: monitor.firing("OriginAnswers5xx"), NOTICED_WITHIN_S, "OriginAnswers5xx fires")
        wait_until(lambda: not monitor.alerts(), NOTICED_WITHIN_S, "the alerts clear")
    experiment.asked(f"GET / {WAVE} times; GET /fail {WAVE} times; after each the alerts of Prometheus' own API")

    wave, control = (answers(recording, lab.topology, path) for path in ("/fail", "/?wave"))
    assert [told.status for told in wave] == [500] * WAVE
    assert [told.status for told in control] == [200] * WAVE
    experiment.saw(f"{WAVE} times 500 on home, and ShareOf5xx fires: {fired.summary}", recording, frames_of(wave))
    experiment.saw(f"OriginAnswers5xx says whose word it is: {culprits.summary}", recording, frames_of(wave[:2]))
    assert quiet == (), f"alerts after {WAVE} times 200: {quiet}"
    experiment.control(f"{WAVE} times 200 fired nothing; the alert cleared by itself", recording, frames_of(control))


@pytest.mark.claim("C17")
def test_a_failed_get_is_tried_on_the_other_origin_and_a_post_is_not(
    lab: Lab, rotation: Rotation, experiment: Experiment
) -> None:
    """An origin takes a request and hangs up without an answer: which requests does the balancer send again?"""
    path = f"/hangup?origin={ILL}"
    with lab.recording(f"{ILL} hangs up on requests") as recording:
        for method in ("GET", "POST"):
            recording.visit([f"{SITE}{path}"] * 4, method=method)  # round robin: some begin at either origin
    experiment.asked(f"four times GET and four times POST {path}; the other origin answers 200")

    told = answers(recording, lab.topology, path, without=sent_away(recording, path))
    gets = [one for one in told if one.front.request.method == "GET" and one.tried[0] == ILL]
    posts = [one for one in told if one.front.request.method == "POST" and one.tried[0] == ILL]
    assert gets and posts, "no request met the origin that hangs up"
    for get in gets:
        assert (get.status, get.tried) == (200, (ILL, OTHER))
        assert [attempt.status for attempt in get.attempts] == [None, 200]
    experiment.control(
        "GET: sent to one origin in vain, then to the other, under one request id; on home one exchange, 200",
        recording,
        frames_of(gets),
    )
    for post in posts:
        assert (post.status, post.tried) == (502, (ILL,))
    experiment.saw("POST: sent once, and the client gets 502", recording, frames_of(posts))
    spared = [one for one in told if one.tried == (OTHER,)]
    assert {one.status for one in spared} == {200}
    experiment.myth(
        "a load balancer retries everything",
        "a POST that reached an origin may have been carried out: it is not repeated",
    )
