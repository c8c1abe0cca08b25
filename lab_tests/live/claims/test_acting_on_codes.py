"""C15 to C17: who acts on status codes, and how: health checks, alerts, retries."""

from __future__ import annotations

import pytest

from answers import Answer, answers, health_checks, sent_away
from begun_requests import BegunRequests
from dialogue import SITE, ask
from experiment import Experiment
from http_content import HttpContents
from live_lab import Lab, Recording
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
    asked = [e for e in recording.exchanges("home") if e.request_frame.time_ns < first_without.time_ns]
    assert {exchange.response and exchange.response.status for exchange in asked} == {200, 202}
    experiment.myth(
        "the balancer notices from its users' requests that a server is ill",
        "no user's request had failed when it went: two answers to HEAD /health took it out",
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
    rotation.forget_connections(ILL)  # a POST must meet a new connection: on a kept one its end is no 502 (claim M5)
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


PUTS = {"short": "one lamp, please", "long": "lamp" * 15_000}
"""Contents. HAProxy's buffer has 16 KiB (tune.bufsize, which haproxy.cfg leaves alone)."""


@pytest.mark.claim("C17")
def test_a_put_that_does_not_fit_the_balancers_buffer_is_not_tried_again(
    lab: Lab, rotation: Rotation, experiment: Experiment
) -> None:
    """PUT is idempotent: does the balancer send one again that failed, whatever its length?"""
    rotation.forget_connections(ILL)
    paths = {size: f"/hangup?origin={ILL}&put={size}" for size in PUTS}
    with lab.recording(f"{ILL} hangs up on PUTs, short and long") as recording:
        for size, content in PUTS.items():  # the short ones first: they use up what connections were kept
            recording.visit([f"{SITE}{paths[size]}"] * 4, method="PUT", body=content)
    experiment.asked(
        f"four times PUT {paths['short']} with {len(PUTS['short'])} bytes, four times PUT {paths['long']} with "
        f"{len(PUTS['long'])}; the other origin answers 200"
    )

    short, long = (
        answers(recording, lab.topology, path, without=sent_away(recording, path)) for path in paths.values()
    )
    begun, contents = BegunRequests(recording), HttpContents(recording, ("backend",))
    met = [put for put in short if put.tried[0] == ILL]
    assert met, f"no short PUT met {ILL}"
    for put in met:
        assert (put.status, put.tried, begun.tried(put, lab.topology)) == (200, (ILL, OTHER), (ILL, OTHER))
        sent = [contents.of_request(attempt.exchange) for attempt in put.attempts]
        assert sent == [PUTS["short"].encode()] * 2
    experiment.control(
        f"short: the same bytes to {ILL} in vain, then to {OTHER}, under one request id; on home one exchange, 200",
        recording,
        frames_of(met),
    )
    tried = [(put, begun.tried(put, lab.topology)) for put in long]
    lost = [put for put, origins in tried if origins[0] == ILL]
    assert lost, f"no long PUT met {ILL}"
    for put in lost:
        assert (put.status, begun.tried(put, lab.topology)) == (502, (ILL,))
        (attempt,) = begun.of(put)
        experiment.saw(
            f"long: sent to {ILL} alone, which hangs up without a byte; the client gets 502",
            recording,
            [put.front.request_frame, attempt, hung_up(recording, attempt), *response_of(put)],
        )
    spared = [put for put, origins in tried if origins[0] != ILL]
    assert {(put.status, begun.tried(put, lab.topology)) for put in spared} == {(200, (OTHER,))}
    experiment.control(
        f"long, and sent to {OTHER} at once: 200; its length alone makes no PUT fail",
        recording,
        [frame for put in spared for frame in (put.front.request_frame, *begun.of(put), *response_of(put))],
    )
    experiment.myth(
        "what is idempotent can always be retried",
        "only by somebody who still has it: the balancer keeps a request that it had whole in its buffer (16 KiB) when "
        "it sent it on; of a longer one the first bytes are gone before the last have come",
    )


def response_of(told: Answer) -> list[Frame]:
    """The client's, on home."""
    return [told.front.response_frame] if told.front.response_frame else []


def hung_up(recording: Recording, asked: Frame) -> Frame:
    """Where the origin ended the connection behind a request that it gave no byte for."""
    (connection,) = (c for c in recording.connections if c.link == asked.link and asked in c.frames)
    behind = [f for f in connection.frames if f.number > asked.number and connection.from_server(f)]
    assert not any(connection.carries_application_data(f) for f in behind), "the origin answered"
    end = next((f for f in behind if f in connection.closing), None)
    assert end, "the origin did not hang up"
    return end
