"""C1 to C14: each status code from its real cause, and who said it, told by comparing home with backend."""

from __future__ import annotations

import time

import pytest

from answers import Answer, answer, answers, health_checks, sent_away
from dialogue import JSON, ORDERS, SITE, Header, ask, place
from experiment import Experiment
from live_lab import Lab, Recording
from observer.exchanges import Exchange
from observer.messages import Frame
from rotation import ORIGINS, Rotation
from waiting import wait_until

LAMP = {"item": "lamp", "quantity": 1}
LIMIT = 10  # on /api/limited in ten seconds


def said_by_an_origin(told: Answer, status: int) -> None:
    """The status on home is the one on backend, and both name the origin that was asked."""
    (attempt,) = told.attempts
    assert (told.status, attempt.status) == (status, status)
    assert attempt.exchange.response and attempt.exchange.response.header("x-origin") == attempt.origin
    assert told.header("x-origin") == attempt.origin


def said_by_the_balancer(told: Answer, status: int) -> None:
    """The status is on home; whatever happened on backend, it was not that, and no origin signed it."""
    assert told.status == status
    assert all(attempt.status != status for attempt in told.attempts)
    assert told.header("x-origin") is None


@pytest.mark.claim("C1")
def test_200_for_a_page_that_is_there(lab: Lab, experiment: Experiment) -> None:
    """Does an origin say 200 for the page, and does the client get that?"""
    with lab.recording("200: the page") as recording:
        ask(recording, "GET", "/")
    experiment.asked("GET /")
    page = answer(recording, lab.topology, "/")
    said_by_an_origin(page, 200)
    experiment.saw(f"200 by {page.tried[0]} on backend, and on home", recording, page.frames)


@pytest.mark.claim("C2", "C3", "C9")
def test_201_204_and_404_in_the_life_of_an_order(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is a resource 201 when it comes to be, 204 when it goes, and 404 from then on - and not before?"""
    with lab.recording("201, 204, 404: the life of an order") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "GET", order)
        ask(recording, "DELETE", order, alice)
        ask(recording, "GET", order)
    experiment.asked("POST an order; GET it; DELETE it; GET it again")
    created = answer(recording, lab.topology, ORDERS)
    there, deleted, gone = answers(recording, lab.topology, order)
    said_by_an_origin(created, 201)
    assert created.header("location") == order
    experiment.saw(f"201 with Location: {order}", recording, created.frames)
    said_by_an_origin(deleted, 204)
    assert deleted.header("content-length") is deleted.header("content-type") is None, "204 has no content"
    experiment.saw("204, without content, for the DELETE", recording, deleted.frames)
    said_by_an_origin(gone, 404)
    experiment.saw("404 for the GET after it", recording, gone.frames)
    said_by_an_origin(there, 200)
    experiment.control("the same GET before the DELETE: 200", recording, there.frames)


@pytest.mark.claim("C4", "C14")
def test_301_from_plain_http_to_https(lab: Lab, experiment: Experiment) -> None:
    """Who sends a plain HTTP request on to HTTPS, and where exactly?"""
    path = "/?from=plain"
    with lab.recording("301: plain HTTP") as recording:
        ask(recording, "GET", path, site="http://parseltongue.co.in", http="1.1", follow=True)
    experiment.asked(f"GET http://parseltongue.co.in{path}, and wherever that leads")
    moved, page = answers(recording, lab.topology, path)
    said_by_the_balancer(moved, 301)
    assert moved.front.connection.client_hello is None and page.front.connection.client_hello is not None
    assert moved.header("location") == f"{SITE}{path}"
    assert moved.attempts == ()
    experiment.saw(f"301 to {SITE}{path} in the clear; no origin was asked", recording, moved.frames)
    said_by_an_origin(page, 200)
    experiment.control("the request that followed, over TLS, is on backend", recording, page.frames)


@pytest.mark.claim("C5")
def test_302_to_the_login_page(lab: Lab, experiment: Experiment) -> None:
    """Where does the account page send somebody whom it does not know?"""
    with lab.recording("302: nobody is logged in") as recording:
        ask(recording, "GET", "/account", follow=True)
    experiment.asked("GET /account without a cookie, and wherever that leads")
    found = answer(recording, lab.topology, "/account")
    said_by_an_origin(found, 302)
    location = found.header("location")
    assert location and location.startswith("/login")
    login = answer(recording, lab.topology, location)
    said_by_an_origin(login, 200)
    experiment.saw(f"302 to {location}, by the application itself", recording, found.frames)
    experiment.saw("the client went there: 200", recording, login.frames)


@pytest.mark.claim("C6")
def test_400_for_a_body_that_does_not_parse(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Does half a JSON text give 400, and the whole of it 201?"""
    with lab.recording("400: half a body") as recording:
        ask(recording, "POST", ORDERS, alice, JSON, body='{"item": "lamp", "quan')
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "DELETE", order, alice)
    experiment.asked(f"POST {ORDERS} with half a JSON text; then with a whole one")
    half, whole = answers(recording, lab.topology, ORDERS)
    said_by_an_origin(half, 400)
    experiment.saw("400 for the half", recording, half.frames)
    said_by_an_origin(whole, 201)
    experiment.control("201 for the whole: token, path and headers were good", recording, whole.frames)


@pytest.mark.claim("C7", "C8")
def test_401_and_403_know_the_difference(lab: Lab, alice: Header, bob: Header, experiment: Experiment) -> None:
    """Is 401 "I do not know you" and 403 "I know you, and you may not"?"""
    with lab.recording("401 and 403: somebody else's order") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "DELETE", order)
        ask(recording, "DELETE", order, bob)
        ask(recording, "DELETE", order, alice)
    experiment.asked("alice's order: DELETE it as nobody, as bob, as alice")
    nobody, stranger, owner = answers(recording, lab.topology, order)
    said_by_an_origin(nobody, 401)
    challenge = nobody.header("www-authenticate")
    assert challenge and challenge.startswith("Bearer")
    assert nobody.front.request.header("authorization") is None
    experiment.saw(f"nobody: 401, WWW-Authenticate: {challenge}", recording, nobody.frames)
    said_by_an_origin(stranger, 403)
    assert stranger.header("www-authenticate") is None, "another token is not what is missing"
    experiment.saw("bob, with a valid token: 403", recording, stranger.frames)
    said_by_an_origin(owner, 204)
    experiment.control("alice: 204, so the order was there all the time", recording, owner.frames)
    experiment.myth("401 means that you may not", "401 asks who you are; to bob, who said so, the answer is 403")


@pytest.mark.claim("C10", "C14")
def test_429_when_the_limit_is_really_reached(lab: Lab, rotation: Rotation, experiment: Experiment) -> None:
    """After how many requests does the balancer refuse, what does it say, and does an origin hear of it?"""
    path = "/api/limited"
    with lab.recording("429: more than ten in ten seconds") as recording:
        recording.visit([f"{SITE}{path}"] * (LIMIT + 3))
    experiment.asked(f"GET {path}, {LIMIT + 3} times on one connection")
    told = answers(recording, lab.topology, path)
    allowed, refused = told[:LIMIT], told[LIMIT:]
    for one in allowed:
        said_by_an_origin(one, 200)
    for one in refused:
        said_by_the_balancer(one, 429)
        assert one.attempts == ()
        assert one.header("retry-after") == "10"
    experiment.saw(
        f"numbers {LIMIT + 1} to {LIMIT + 3}: 429, Retry-After: 10, no X-Origin, nothing on backend",
        recording,
        [frame for one in refused for frame in one.frames],
    )
    experiment.control(
        f"numbers 1 to {LIMIT} are on backend: 200", recording, [f for one in allowed for f in one.frames]
    )


@pytest.mark.claim("C11", "C14")
def test_500_when_the_application_raised(lab: Lab, experiment: Experiment) -> None:
    """Is a 500 the origin's own word, the same on backend and on home?"""
    began_s = time.time()
    with lab.recording("500: the application raised") as recording:
        ask(recording, "GET", "/fail")
    experiment.asked("GET /fail, where the application raises RuntimeError")
    failed = answer(recording, lab.topology, "/fail")
    said_by_an_origin(failed, 500)
    experiment.saw(f"500 by {failed.tried[0]} on backend, the same on home; asked once", recording, failed.frames)
    origin, raised = lab.container(failed.tried[0]), b"RuntimeError: somebody asked for /fail"
    # Docker passes on what an origin writes in its own time.
    wait_until(lambda: raised in origin.logs(since=began_s), 10, f"{failed.tried[0]} logs that its application raised")
    experiment.myth("after a 500 the balancer asks the other server", "it was asked once: a 500 is an answer")


BROKEN = [
    pytest.param("GET", "/garbage", "bytes that are no HTTP", id="garbage"),
    pytest.param("GET", "/cut", "half a response's head", id="half-a-head"),
    pytest.param("POST", "/hangup", "not a byte", id="hangup"),
]


@pytest.mark.claim("C12", "C14")
@pytest.mark.parametrize(("method", "path", "sent"), BROKEN)
def test_502_when_the_origin_breaks_http(
    lab: Lab, rotation: Rotation, experiment: Experiment, method: str, path: str, sent: str
) -> None:
    """What does the client get when an origin answers with something that is no HTTP, or with nothing?"""
    if path == "/hangup":  # on a kept connection its end is no 502 (claim M5), and earlier tests may have left many
        for origin in ORIGINS:
            rotation.forget_connections(origin)
    with lab.recording(f"502: {sent}") as recording:
        ask(recording, method, path)
    experiment.asked(f"{method} {path}: the origin sends {sent} and closes the connection")
    again = sent_away(recording, path)
    assert not again or path == "/hangup"
    told = answer(recording, lab.topology, path, without=again)
    said_by_the_balancer(told, 502)
    (attempt,) = told.attempts
    assert attempt.status is None, "the origin did answer"
    asked = attempt.exchange
    closing = first_closing(asked)
    # Of garbage the first byte is enough: the balancer may then be the first to hang up.
    assert asked.connection.from_server(closing) or path == "/garbage", "the origin did not close the connection"
    assert bool(asked.response_start) is (path != "/hangup"), "bytes where there should be none, or none"
    experiment.saw(f"on backend the request, {sent}, the end", recording, (*told.frames, closing))
    assert told.front.response_frame
    experiment.saw("on home a whole 502 without X-Origin", recording, told.front.response_frame)


@pytest.mark.claim("C12")
def test_no_502_once_the_head_has_gone_out(lab: Lab, experiment: Experiment) -> None:
    """Can the balancer still say 502 when the origin breaks off in the middle of a body?"""
    path = "/cut?in=body"
    with lab.recording("a body that breaks off") as recording:
        curl = recording.visit(f"{SITE}{path}")
    experiment.asked(f"GET {path}: the origin sends a head that promises 1000 bytes, then 23, then closes")
    assert curl["exit_code"] != 0, "curl is content"
    told = answer(recording, lab.topology, path)
    assert told.status == 200
    assert told.front.response_end is None, "the response came to its end"
    experiment.saw("200 on home, and a response that never ends: the stream is reset", recording, told.frames)
    experiment.myth(
        "a proxy turns every broken answer into a 502", "not once it has passed the head on: the client has its 200"
    )


@pytest.mark.claim("C13", "C14")
def test_503_when_no_origin_is_left(lab: Lab, rotation: Rotation, experiment: Experiment) -> None:
    """Who says 503, what had to happen for it, and does anybody on backend hear of the request?"""
    with lab.recording("503: both origins out of rotation") as recording:
        ask(recording, "GET", "/?before")
        for origin in ORIGINS:
            ask(recording, "POST", f"/unwell?origin={origin}&ms=60000")
        rotation.wait_until_asked(())
        ask(recording, "GET", "/?without")
        for origin in ORIGINS:
            rotation.cure(origin)
        rotation.wait_until_asked(ORIGINS)
        ask(recording, "GET", "/?after")
    experiment.asked("both origins say that they are ill, and are cured; GET / before, meanwhile and after")
    before, without, after = (answer(recording, lab.topology, f"/?{when}") for when in ("before", "without", "after"))
    said_by_the_balancer(without, 503)
    assert without.attempts == ()
    experiment.saw("503 on home, without X-Origin, and nothing of it on backend", recording, without.frames)
    for told in (before, after):
        said_by_an_origin(told, 200)
    experiment.control("before and after the same request is on backend", recording, before.frames + after.frames)
    ill = [
        check
        for origin in ORIGINS
        for check in health_checks(recording, lab.topology, origin)
        if status_of(check) == 503
    ]
    assert {lab.topology.name(check.connection.server.address) for check in ill} == set(ORIGINS)
    shown = [frame for check in ill for frame in (check.request_frame, check.response_frame) if frame]
    experiment.saw("meanwhile both origins answer HEAD /health, with 503", recording, shown)
    experiment.myth(
        "503 means that the application crashed",
        "both ran all the time and answered their checks; the balancer had nobody whom it would ask",
    )


@pytest.mark.claim("C14")
def test_504_when_the_origin_is_really_too_slow(lab: Lab, rotation: Rotation, experiment: Experiment) -> None:
    """Who says 504, after how long, and what does the origin do meanwhile?"""
    with lab.recording("504: slower than the balancer's patience") as recording:
        ask(recording, "GET", "/impatient?ms=1200")
        ask(recording, "GET", "/impatient?ms=50")
    experiment.asked("GET /impatient?ms=1200, where the balancer waits 500 ms for an origin; and with ms=50")
    slow, quick = (answer(recording, lab.topology, f"/impatient?ms={ms}") for ms in (1200, 50))
    said_by_the_balancer(slow, 504)
    assert len(slow.attempts) == 3, "a GET is tried twice more"
    for attempt in slow.attempts:
        asked = attempt.exchange
        assert attempt.status is None
        closing = first_closing(asked)
        assert asked.connection.from_client(closing), "the balancer did not hang up first"
        assert closing.time_ns - asked.request_frame.time_ns > 0.45e9, "it waited for less than 500 ms"
    experiment.saw(f"asked of {', '.join(slow.tried)} in vain; 504 on home, without X-Origin", recording, slow.frames)
    said_by_an_origin(quick, 200)
    experiment.control("with 50 ms the same resource answers 200", recording, quick.frames)
    experiment.myth(
        "504 means that the server is down",
        "each of the three attempts got its connection, and it was the balancer that hung up; with ms=50 the same "
        "resource answers",
    )


@pytest.mark.claim("C14")
def test_who_said_it_is_told_by_comparing_links(lab: Lab, rotation: Rotation, experiment: Experiment) -> None:
    """Three failures look alike to the client: which of them does an origin know of?"""
    with lab.recording("a 500 and two 502, side by side") as recording:
        for path in ("/fail", "/garbage", "/cut"):
            ask(recording, "GET", path)
    experiment.asked("GET /fail, /garbage and /cut")
    fail, garbage, cut = (answer(recording, lab.topology, path) for path in ("/fail", "/garbage", "/cut"))
    said_by_an_origin(fail, 500)
    experiment.saw("the 500 is on backend and on home, signed by the origin (X-Origin)", recording, fail.frames)
    for told in (garbage, cut):
        said_by_the_balancer(told, 502)
    experiment.saw("the 502s are on home alone", recording, garbage.frames + cut.frames)
    ours = backend_statuses(recording, "/health")
    assert 500 in ours and not {429, 502, 503, 504} & ours
    experiment.myth("5xx is the application's fault", "of these three, the application said one")


def first_closing(exchange: Exchange) -> Frame:
    """Where, after the request, one side begins to end the connection."""
    found = [frame for frame in exchange.connection.closing if frame.number > exchange.request_frame.number]
    assert found, "the connection was not closed"
    return found[0]


def status_of(exchange: Exchange) -> int | None:
    return exchange.response.status if exchange.response else None


def backend_statuses(recording: Recording, but: str) -> set[int]:
    """Every status that an origin gave, for all paths but one."""
    told = (e for e in recording.exchanges("backend") if e.request.path != but)
    return {exchange.response.status for exchange in told if exchange.response and exchange.response.status}
