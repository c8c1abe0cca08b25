"""D: header fields - what a request says of itself, how long an answer is good, and what the balancer adds."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise

import pytest

from dialogue import JSON, ORDERS, PLAIN, SITE, Dialogue, Header, Said, ask, place
from experiment import Experiment
from frame_bytes import FrameBytes
from live_lab import Lab, Recording
from observer.exchanges import Exchange
from observer.messages import Frame, TcpFlags
from observer.topology import LINKS

FORM: Header = ("Content-Type", "application/x-www-form-urlencoded")
LAMP = {"item": "lamp", "quantity": 2}


@pytest.mark.claim("D1")
def test_host_says_which_site_is_meant(lab: Lab, experiment: Experiment) -> None:
    """Do two requests to one address and port that differ in Host alone get different answers?"""
    with lab.recording("two names, one address") as recording:
        for site in (PLAIN, "http://parseltongue.co.in"):
            recording.visit(f"{site}/", http="1.1")

    experiment.asked("GET / of plain.parseltongue.co.in and of parseltongue.co.in, port 80 of the same address")
    plain, redirected = recording.exchanges("edge")
    assert plain.connection.server == redirected.connection.server
    raw = FrameBytes(recording)
    texts = [raw.tcp_payload(exchange.request_frame).split(b"\r\n") for exchange in (plain, redirected)]
    different = [pair for pair in zip(*texts, strict=True) if pair[0] != pair[1]]
    assert different == [(b"Host: plain.parseltongue.co.in", b"Host: parseltongue.co.in")]
    assert plain.response and redirected.response
    assert (plain.response.status, redirected.response.status) == (200, 301)
    experiment.saw(
        "requests that differ in their Host line alone: one gets the page, one is sent to HTTPS",
        recording,
        shown(plain) + shown(redirected),
    )


def shown(exchange: Exchange) -> tuple[Frame, ...]:
    return tuple(frame for frame in (exchange.request_frame, exchange.response_frame) if frame)


@pytest.mark.claim("D1")
def test_authorization_says_who_asks(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is the same POST refused without a bearer token and with a forged one, and accepted with a good one?"""
    name, token = alice
    # Not the last character: of its six bits some are none of the signature's.
    forged = (name, f"{token[:-9]}{'A' if token[-9] != 'A' else 'B'}{token[-8:]}")
    with lab.recording("with a token, without one, with a forged one") as recording:
        ask(recording, "POST", ORDERS, JSON, body=LAMP)
        ask(recording, "POST", ORDERS, JSON, forged, body=LAMP)
        ask(recording, "POST", ORDERS, JSON, alice, body=LAMP)

    experiment.asked(f"POST an order to {ORDERS} without Authorization, with a changed token, and with alice's")
    told = Dialogue(recording).reads(*(f"POST {ORDERS} -> {status}" for status in (401, 401, 201)))
    for each, sent in zip(told, (None, forged[1], token), strict=True):
        assert each.home.request_header("authorization") == each.backend.request_header("authorization") == sent
    for refused in told[:2]:
        assert (refused.home.header("www-authenticate") or "").startswith("Bearer")
    experiment.saw("without a token and with a forged one: 401", recording, told[0].frames + told[1].frames)
    assert told[2].home.json["owner"] == "alice"
    experiment.saw("with alice's token: 201, and the order is alice's", recording, told[2].frames)


@pytest.mark.claim("D1")
def test_content_type_says_what_the_content_is(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Are the same bytes an order as application/json, and refused as something else?"""
    with lab.recording("the same bytes under three names") as recording:
        for types in ([JSON], [FORM], []):
            ask(recording, "POST", ORDERS, alice, *types, body=LAMP)

    experiment.asked("POST the same bytes as application/json, as a form, and without Content-Type")
    told = Dialogue(recording).reads(*(f"POST {ORDERS} -> {status}" for status in (201, 415, 415)))
    assert {each.backend.asked for each in told} == {json.dumps(LAMP).encode()}
    sent = [each.backend.request_header("content-type") for each in told]
    assert sent == [JSON[1], FORM[1], None]
    experiment.saw("as JSON they become an order", recording, told[0].frames)
    experiment.saw("as a form or as nothing in particular: 415", recording, told[1].frames + told[2].frames)


@pytest.mark.claim("D1")
def test_accept_decides_the_answers_type(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Does one URL answer in the type that Accept names, by preference, and 406 if it has none of them?"""
    wanted = {
        "application/json": "application/json",
        "text/html": "text/html; charset=utf-8",
        "text/html;q=0.4, application/json;q=0.6": "application/json",
        "text/html;q=0.6, application/json;q=0.4": "text/html; charset=utf-8",
    }
    with lab.recording("one order in several types") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        for accept in (*wanted, "image/png"):
            ask(recording, "GET", order, ("Accept", accept))

    experiment.asked(f"GET an order with Accept: {' | '.join(wanted)} | image/png")
    gets = [f"GET {order} -> 200"] * len(wanted)
    _, *told, refused = Dialogue(recording).reads(f"POST {ORDERS} -> 201", *gets, f"GET {order} -> 406")
    for each, (accept, media_type) in zip(told, wanted.items(), strict=True):
        assert each.backend.request_header("accept") == accept
        assert each.home.header("content-type") == media_type
        assert each.home.answered.startswith(b"{" if media_type == "application/json" else b"<!doctype html>")
        assert "Accept" in (each.home.header("vary") or ""), "a cache has to know that there are several"
        experiment.saw(f"Accept: {accept} gets {media_type}", recording, each.frames)
    assert len({each.home.header("etag") for each in told}) == 2, "two representations, two validators"
    experiment.saw("Accept: image/png: 406", recording, refused.frames)
    experiment.myth("the URL decides the type", "four times the same URL, two types: the request decides")


@pytest.mark.claim("D2")
def test_a_fresh_copy_causes_no_packet_at_all(lab: Lab, experiment: Experiment) -> None:
    """What does a browser send for a page of which it has a fresh copy?"""
    path, markers = "/bytes/1000?max_age=60", [f"/slow?ms={ms}" for ms in range(1, 7)]
    urls = [f"{SITE}{path}" for path in (path, *(step for marker in markers for step in (marker, path)))]
    with lab.recording("a fresh copy") as recording:
        seen = recording.visit(urls[:-1], http="1.1", with_="browser")

    experiment.asked(f"Chromium opens {path} {len(markers)} times, another page after each, in one visit")
    assert seen["exit_code"] == 0, seen["error"]
    loads = [response for response in seen["responses"] if response["url"].endswith(path)]
    assert [(load["status"], load["from_cache"]) for load in loads] == [
        (200, False),
        *[(200, True)] * (len(markers) - 1),
    ]
    for link in LINKS:
        (asked,) = [exchange for exchange in recording.exchanges(link) if exchange.request.path == path]
        assert asked.response and asked.response.header("cache-control") == "public, max-age=60"
        experiment.saw(f"{link}: one request for it, though it was opened {len(loads)} times", recording, shown(asked))
    # Between the other pages it was opened from the copy. Chromium looks for an icon once, whenever it likes, and opens
    # a connection in reserve: the pauses in which it is at that say nothing.
    home = recording.exchanges("home")
    others = [next(e for e in home if e.request.path == marker) for marker in markers]
    icons = [e for e in home if e.request.path == "/favicon.ico"]
    pauses = [between(recording, before, after) for before, after in pairwise(others)]
    used = {e.connection.client for e in others}
    reserve = {f.number for c in recording.opened("home") if c.client not in used for f in c.frames}
    quiet = [pause for pause in pauses if not concern(pause, icons) and not reserve & {f.number for f in pause}]
    assert quiet, "in every pause an icon was fetched or a connection opened"
    assert [frame for pause in quiet for frame in pause if carries(frame)] == []
    experiment.saw(f"while it was opened again ({len(quiet)} times) home carried nothing", recording, [])
    experiment.control(
        "the same search finds the pages opened before and after",
        recording,
        [frame for other in others for frame in shown(other) if carries(frame)],
    )
    experiment.myth("the browser always asks the server", "not while the copy is fresh: nobody was asked anything")


def between(recording: Recording, before: Exchange, after: Exchange) -> list[Frame]:
    """Home's frames after the one exchange and before the other."""
    assert before.response_end is not None
    begin, end = before.response_end.time_ns, after.request_frame.time_ns
    assert begin < end
    return [frame for frame in recording.on("home") if begin < frame.time_ns < end]


def carries(frame: Frame) -> bool:
    """Whether it carries anything, or opens a connection that will: no bare acknowledgement."""
    return bool(frame.udp or frame.tcp is None or frame.tcp.length or frame.tcp.flags & TcpFlags.SYN)


def concern(frames: list[Frame], exchanges: list[Exchange]) -> bool:
    """Whether any of the frames may belong to one of the exchanges, or to opening a connection for it."""
    theirs = {frame.number for e in exchanges for frame in e.connection.frames if carries(frame)}
    return any(frame.number in theirs for frame in frames)


@pytest.mark.claim("D2")
def test_a_stale_copy_costs_a_question_and_a_304(lab: Lab, experiment: Experiment) -> None:
    """What does a browser send for a page whose copy has gone stale, and what comes back?"""
    path, pause = "/bytes/4000?max_age=1", "/slow?ms=1500"
    with lab.recording("a stale copy") as recording:
        seen = recording.visit([f"{SITE}{each}" for each in (path, pause, path)], with_="browser")

    experiment.asked(f"Chromium opens {path}, a page that takes 1.5 s, and {path} again")
    assert seen["exit_code"] == 0, seen["error"]
    told = [each for each in Dialogue(recording).told if each.home.exchange.request.path == path]
    first, second = (each.home for each in told)
    assert (first.status, first.request_header("if-none-match")) == (200, None)
    assert first.header("etag") and second.request_header("if-none-match") == first.header("etag")
    experiment.saw(
        f"the first answer has ETag {first.header('etag')} and {len(first.answered)} bytes", recording, first.frames
    )
    assert (second.status, second.answered, len(first.answered)) == (304, b"", 4000)
    experiment.saw(
        "the second question names it in If-None-Match; the answer is 304 without content", recording, second.frames
    )
    backend = told[1].backend
    assert (backend.status, backend.request_header("if-none-match")) == (304, first.header("etag"))
    experiment.saw("it was an origin that compared", recording, backend.frames)


@pytest.mark.claim("D2")
def test_no_cache_means_ask_first(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is an unchanged order a 304 to whoever has its ETag, and a changed one a 200?"""
    with lab.recording("an order asked for with its validator") as recording:
        created = ask(recording, "POST", ORDERS, alice, JSON, body=LAMP)
        order, tag = place(created), validator(created)
        ask(recording, "GET", order, ("If-None-Match", tag))
        ask(recording, "PUT", order, alice, JSON, body=LAMP | {"quantity": 3})
        ask(recording, "GET", order, ("If-None-Match", tag))

    experiment.asked("GET an order with If-None-Match and its ETag; PUT it; GET it the same way again")
    post, same, put, other = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", f"GET {order} -> 304", f"PUT {order} -> 200", f"GET {order} -> 200"
    )
    assert post.home.header("cache-control") == "no-cache"
    assert same.home.request_header("if-none-match") == post.home.header("etag") == same.home.header("etag")
    assert same.home.answered == same.backend.answered == b""
    experiment.saw("unchanged: 304 without content, from the origin to the client", recording, same.frames)
    assert other.home.request_header("if-none-match") == tag
    assert other.home.header("etag") not in (None, tag)
    assert other.home.json["quantity"] == 3
    experiment.saw("changed: 200 with another ETag and the order", recording, put.frames + other.frames)
    experiment.myth("no-cache forbids to keep a copy", "it was kept and used: no-cache asks to be asked first")


def validator(response: dict[str, object]) -> str:
    """The ETag that curl was told."""
    headers = response["headers"]
    assert isinstance(headers, list)
    return next(str(value) for name, value in headers if name.lower() == "etag")


@pytest.mark.claim("D2")
def test_if_match_prevents_a_lost_update(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Two change the same version of an order: whose change is lost with If-Match, and whose without?"""
    one, other = LAMP | {"quantity": 10}, LAMP | {"quantity": 20}
    with lab.recording("two changes of one version") as recording:
        created = ask(recording, "POST", ORDERS, alice, JSON, body=LAMP)
        order, unless_changed = place(created), ("If-Match", validator(created))
        ask(recording, "PUT", order, alice, JSON, unless_changed, body=one)
        ask(recording, "PUT", order, alice, JSON, unless_changed, body=other)
        ask(recording, "GET", order)
        ask(recording, "PUT", order, alice, JSON, body=other)
        ask(recording, "GET", order)

    experiment.asked("PUT two changes with the same If-Match, then the second without it")
    post, first, second, kept, careless, lost = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201",
        f"PUT {order} -> 200",
        f"PUT {order} -> 412",
        f"GET {order} -> 200",
        f"PUT {order} -> 200",
        f"GET {order} -> 200",
    )
    for put in (first, second):
        assert put.backend.request_header("if-match") == post.home.header("etag")
    experiment.saw("the first PUT fits, the second comes too late: 412", recording, first.frames + second.frames)
    assert kept.home.json["quantity"] == 10
    experiment.saw("the first change is still there", recording, kept.frames)
    assert careless.backend.request_header("if-match") is None
    assert lost.home.json["quantity"] == 20
    experiment.control("without If-Match the same PUT overwrites it", recording, careless.frames + lost.frames)


@pytest.mark.claim("D2")
def test_a_cookie_comes_back_in_the_next_request(lab: Lab, experiment: Experiment) -> None:
    """Does what Set-Cookie set come back as Cookie, over HTTPS only, as its attributes say?"""
    account, in_the_clear = "/account", "http://parseltongue.co.in/"
    with lab.recording("login, and the cookie after it") as recording:
        ask(recording, "GET", account)
        login = {"method": "POST", "headers": [list(FORM)], "body": "name=alice&password=wonderland"}
        recording.visit([f"{SITE}/login", in_the_clear], **login, follow=True, cookies=True, http="1.1")

    experiment.asked(f"GET {account}; log in and follow the redirect; then {in_the_clear} from the same cookie jar")
    stranger, logged_in, friend, clear = recording.exchanges("home")[:4]
    told = {e.request_id: e for e in recording.exchanges("backend")}
    assert stranger.response and (stranger.response.status, stranger.request.header("cookie")) == (302, None)
    experiment.control(f"without a cookie {account} sends to the login", recording, shown(stranger))
    assert logged_in.response and logged_in.request.path == "/login"
    cookie, *attributes = (logged_in.response.header("set-cookie") or "").split("; ")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} == set(attributes)
    experiment.saw(f"Set-Cookie: {cookie[:16]}...; {'; '.join(attributes)}", recording, shown(logged_in))
    assert friend.response and (friend.request.path, friend.response.status) == (account, 200)
    assert friend.request.header("cookie") == told[friend.request_id].request.header("cookie") == cookie
    experiment.saw(
        f"GET {account} brings it back, to the origin: 200", recording, shown(friend) + shown(told[friend.request_id])
    )
    # Secure (RFC 6265, section 4.1.2.5): the same name without TLS does not get it.
    assert clear.connection.server.port == 80
    assert clear.request.authority == friend.request.authority == "parseltongue.co.in"
    raw = FrameBytes(recording).sent_by_client(clear)
    assert raw.startswith(b"POST / HTTP/1.1\r\n") and b"ookie" not in raw
    experiment.saw("plain HTTP to the same name has no Cookie: it is Secure", recording, shown(clear))


@pytest.mark.claim("D3")
@pytest.mark.parametrize("http", ["1.1", "2", "3"])
def test_the_balancer_writes_on_the_envelope_and_not_in_the_letter(lab: Lab, experiment: Experiment, http: str) -> None:
    """Which header fields differ between edge and backend, and do both contents have the same bytes?"""
    letter = "".join(f"line {number}: ಪೈಥಾನ್, tabs\tand\r\nline ends\n" for number in range(60))
    forged = [
        ("Forwarded", "for=192.0.2.66;proto=http"),
        ("X-Forwarded-For", "192.0.2.66"),
        ("X-Forwarded-Proto", "http"),
        ("X-Request-ID", "mine"),
    ]
    with lab.recording(f"a letter and its envelope over HTTP/{http}") as recording:
        ask(recording, "POST", "/echo?to=origin", ("Content-Type", "text/plain"), *forged, body=letter, http=http)

    experiment.asked(f"POST {len(letter.encode())} bytes to /echo over HTTP/{http}, with envelope fields of one's own")
    dialogue = Dialogue(recording, links=("home", "edge", "backend"))
    (told,) = dialogue.reads("POST /echo?to=origin -> 200")
    edge, backend = dialogue.said(recording.exchanges("edge")[0]), told.backend
    echoed = backend.json["body_sha256"]
    assert {sha256(edge.asked).hexdigest(), sha256(backend.asked).hexdigest()} == {echoed}
    assert edge.asked == letter.encode()
    on_both = edge.frames + backend.frames
    experiment.saw(f"SHA-256 {echoed[:16]}... on edge, on backend and at the origin", recording, on_both)
    assert edge.answered == backend.answered
    experiment.saw("and the answer's content is the origin's", recording, on_both)

    front, back = fields(edge), fields(backend)
    assert {(name, value) for name, value in forged} == {(name, front[name.lower()]) for name, _ in forged}, (
        "curl did not send what it was told to"
    )
    experiment.control("on edge the client's own Forwarded and X-Request-ID are there", recording, edge.frames[:1])
    isp = lab.topology.address("isp", "edge")
    assert back["forwarded"] == f'proto=https;host="parseltongue.co.in";for={isp}'
    assert back["x-request-id"] == edge.header("x-request-id") == told.home.header("x-request-id") != "mine"
    assert "192.0.2.66" not in " ".join(back.values())
    added, removed = back.keys() - front.keys(), front.keys() - back.keys()
    assert (added - {"host"}, removed) == (set(), {"x-forwarded-for", "x-forwarded-proto"})
    kept = back.keys() & front.keys() - {"forwarded", "x-request-id"}
    assert {name: back[name] for name in kept} == {name: front[name] for name in kept}
    assert {"content-type", "content-length", "user-agent", "accept"} <= kept
    experiment.saw(f"Forwarded: {back['forwarded']}; the client's own is gone", recording, backend.frames[:1])
    experiment.saw("every other field is as the client sent it", recording, (edge.frames[0], backend.frames[0]))
    experiment.myth(
        "Forwarded tells the origin the client's address",
        f"it tells who spoke to the balancer ({isp}, the isp's NAT), and that only because a client's own is removed",
    )


def fields(said: Said) -> dict[str, str]:
    """The request's header fields by their names in lower case; none occurs twice."""
    headers = said.exchange.request.headers
    found = {name.lower(): value for name, value in headers}
    assert len(found) == len(headers)
    return found
