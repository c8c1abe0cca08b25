"""F1 to F4: what those on the path read and change over HTTP, and what HTTPS leaves them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest

from dialogue import PLAIN, SITE
from eavesdropper import Eavesdropper
from experiment import Experiment
from frame_bytes import FrameBytes
from http_content import HttpContents
from live_lab import Lab, Recording
from observer.connections import Connection
from observer.messages import Frame, RecordType
from observer.topology import LINKS

FRONT = ("home", "internet", "edge")
NAME, PASSWORD = "alice", "wonderland"
CREDENTIALS = base64.b64encode(f"{NAME}:{PASSWORD}".encode())
FORM = ["Content-Type", "application/x-www-form-urlencoded"]
PAGE = b"<h1>"


@dataclass(frozen=True)
class LoggedIn:
    """Somebody logged in with a form, looked at the account, and got a token with a name and a password."""

    recording: Recording
    needles: dict[str, bytes]
    """What nobody else should learn, each as it stood in the messages."""


def log_in(lab: Lab, site: str, http: str) -> LoggedIn:
    with lab.recording(f"a login at {site}, HTTP/{http}") as recording:
        form = f"name={NAME}&password={PASSWORD}"
        options = {"http": http, "cookies": True, "follow": True}
        recording.visit(f"{site}/login", method="POST", headers=[FORM], body=form, **options)
        basic = ["Authorization", f"Basic {CREDENTIALS.decode()}"]
        recording.visit(f"{site}/api/tokens", method="POST", headers=[basic], http=http)
    contents = HttpContents(recording)
    told = {(e.request.method, e.request.path): e for e in recording.exchanges("home")}
    cookie = next(e for e in told.values() if e.response and e.response.header("set-cookie"))
    assert cookie.response
    token = json.loads(contents.of_response(told["POST", "/api/tokens"]))["access_token"]
    page = contents.of_response(told["GET", "/account"])
    assert PAGE in page
    return LoggedIn(
        recording,
        {
            "password": f"password={PASSWORD}".encode(),
            "name and password": CREDENTIALS,
            "token": token.encode(),
            "cookie": str(cookie.response.header("set-cookie")).split(";")[0].encode(),
            "page": page[page.index(PAGE) :][:60],
        },
    )


@pytest.fixture(scope="session")
def plain(lab: Lab) -> LoggedIn:
    return log_in(lab, PLAIN, "1.1")


@pytest.mark.claim("F1")
def test_over_http_router_and_isp_read_password_token_cookie_and_page(experiment: Experiment, plain: LoggedIn) -> None:
    """What do those who forward plain HTTP get to know?"""
    eavesdropper = Eavesdropper(plain.recording)
    experiment.asked(f"a login form, the account page and a token from {PLAIN}; the bytes of each frame searched")
    for link, who in (("home", "router"), ("internet", "router and isp"), ("edge", "isp")):
        for what, needle in plain.needles.items():
            found = eavesdropper.finds(needle, link)
            assert found, f"{what} is not to be read on {link}"
            experiment.saw(f"{who}, on {link}: the {what}", plain.recording, found)


@pytest.mark.claim("F2")
@pytest.mark.parametrize("http", ["1.1", "2", "3"])
def test_over_https_they_find_none_of_them(lab: Lab, experiment: Experiment, plain: LoggedIn, http: str) -> None:
    """And what of the same login over HTTPS?"""
    secure = log_in(lab, SITE, http)
    closed, clear = Eavesdropper(secure.recording), Eavesdropper(plain.recording)
    experiment.asked(f"the same at {SITE} over HTTP/{http}; the bytes of each frame on every link searched")
    for what, needle in secure.needles.items():
        found = {link: closed.finds(needle, link) for link in LINKS}
        assert not any(found.values()), f"{what} is readable: {found}"
        experiment.control(
            f"the {what}, over plain HTTP", plain.recording, clear.finds(plain.needles[what], "internet")
        )
    experiment.saw("none of them in any frame of any link", secure.recording, [])


@pytest.mark.claim("F3")
def test_https_still_shows_names_addresses_sizes_and_times(lab: Lab, experiment: Experiment) -> None:
    """What does somebody without keys learn of an HTTPS visit all the same?"""
    sizes = (2_000, 50_000)
    with lab.recording("two downloads over HTTPS") as recording:
        for size in sizes:
            recording.visit(f"{SITE}/bytes/{size}", http="1.1")
    eavesdropper = Eavesdropper(recording)
    closed = {link: eavesdropper.dissects(link) for link in FRONT}
    host = SITE.removeprefix("https://")
    experiment.asked(f"GET /bytes/{sizes[0]} and /bytes/{sizes[1]} from {SITE}, dissected without keys")
    asked = [f for f in closed["home"] if f.dns and f.dns.name == host and f.time_ns >= recording.began_ns]
    assert asked
    experiment.saw("home: the name, in the DNS query and its answer", recording, asked)
    for link in FRONT:
        hellos = [f for f in closed[link] if f.tls and f.tls.client_hello and f.tls.client_hello.server_name == host]
        assert len(hellos) == len(sizes)
        experiment.saw(f"{link}: the name, in the ClientHello", recording, hellos)
    ends = {frame.destination for frame in closed["home"] if frame.tls and frame.tls.client_hello}
    assert ends == {lab.topology.address("balancer", "edge")}
    downloads = [c for c in recording.opened("internet") if c.client_hello]
    told = [_application_bytes(connection) for connection in downloads]
    shown = [f for c in downloads for f in c.frames if f.tcp and f.tcp.length]
    more, expected = told[1] - told[0], sizes[1] - sizes[0]
    assert 0 <= more - expected < expected / 100, told
    experiment.saw(
        f"internet: {told[0]} and {told[1]} bytes came back encrypted, handshake included: {more} more for the page "
        f"that is {expected} bytes longer, and when",
        recording,
        shown,
    )
    assert not any(frame.http for link in FRONT for frame in closed[link]), "somebody without keys read HTTP"
    whole = [e.request_frame for e in recording.exchanges("home")]
    experiment.control("with the keys the same frames are HTTP", recording, whole)
    experiment.myth(
        "HTTPS hides which site you visit, and how much you read there",
        "the name is in the DNS query and in the ClientHello, and sizes and times are what they are",
    )


def _application_bytes(connection: Connection) -> int:
    """The bytes of the segments in which the server sent encrypted records, as anybody can count them."""
    return sum(f.tcp.length for f in connection.frames if connection.from_server(f) and _carries_data(f) and f.tcp)


def _carries_data(frame: Frame) -> bool:
    if frame.tls is None:
        return bool(frame.tcp and frame.tcp.length)  # the middle of a record
    return any(record.type == RecordType.APPLICATION_DATA for record in frame.tls.records)


@pytest.mark.claim("F4")
def test_the_isp_changes_an_http_page_and_the_client_does_not_notice(lab: Lab, experiment: Experiment) -> None:
    """Can somebody on the path change what is read, and does the reader notice?"""
    sentence = 'replace "parseltongue" by "serpentsquad" in every data segment from balancer port 80'
    with lab.recording("a page changed on the way") as recording, lab.faults(sentence) as faults:
        answer = recording.visit(f"{PLAIN}/", http="1.1")
    with lab.recording("the same attempt on HTTPS") as secure, lab.faults(sentence.replace(" port 80", "")) as tried:
        undisturbed = secure.visit(f"{SITE}/", http="1.1")
    experiment.asked(f"GET / while the isp is told: {sentence}; then the same over HTTPS")
    touched = faults.touched(recording)
    raw = FrameBytes(recording)
    assert all(b"serpentsquad" in raw.of(sent) for each in touched for sent in each.sent)
    experiment.saw(
        f"{len(touched)} segments left the isp otherwise than they came",
        recording,
        [frame for each in touched for frame in (each.arrived, *each.sent)],
    )
    assert answer["exit_code"] == 0
    (home,) = recording.exchanges("home")
    (edge,) = recording.exchanges("edge")
    contents = HttpContents(recording)
    assert contents.of_response(home) == contents.of_response(edge).replace(b"parseltongue", b"serpentsquad")
    assert contents.of_response(home) != contents.of_response(edge)
    assert home.response and home.response.status == 200 and home.response_end
    experiment.saw("the client took the changed page: 200, no alert, nothing asked again", recording, home.response_end)
    assert undisturbed["exit_code"] == 0 and tried.touches == (), "the word was found in ciphertext"
    (untouched,) = secure.exchanges("home")
    experiment.control("over HTTPS the isp found no such word", secure, untouched.request_frame)
