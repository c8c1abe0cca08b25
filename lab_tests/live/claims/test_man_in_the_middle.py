"""F4 to F6: the isp in the server's place, by redirection, by a forged name, and by keeping HTTPS from the client."""

from __future__ import annotations

from typing import Any

import pytest

from conversation import conversation
from eavesdropper import Eavesdropper
from experiment import Experiment
from live_lab import SITE, Lab, Recording
from misissued import client_alerts, connections_to, outspoken, requests
from observer.connections import Connection
from observer.messages import Frame

NAME = "parseltongue.co.in"
PLAIN_NAME = f"plain.{NAME}"
PLAIN = f"http://{PLAIN_NAME}/"
STRICT_NAME = f"hsts.{NAME}"
SECRET = "a-word-for-the-site-alone"
CLIENTS: list[dict[str, Any]] = [{"with_": "curl"}, {"with_": "python"}, {"with_": "glassbox"}, {"with_": "browser"}]
# The isp's certificate is signed by a CA of its own. Chromium has one alert for every fault.
REFUSALS = {"browser": "certificate_unknown"}


def to_port(recording: Recording, link: str, port: int) -> list[Frame]:
    return [f for f in recording.since_begun(link) if f.tcp and f.tcp.destination_port == port]


def opened_to(recording: Recording, port: int) -> list[Connection]:
    """The client's connections to this port, on home."""
    return [c for c in recording.opened("home") if c.server.port == port]


@pytest.mark.claim("F5")
@pytest.mark.parametrize("options", CLIENTS, ids=lambda options: str(options["with_"]))
def test_the_isp_in_the_servers_place_is_refused_before_any_request(
    lab: Lab, experiment: Experiment, options: dict[str, Any]
) -> None:
    """The isp answers in the balancer's place, with a certificate of its own: does it get to see a request?"""
    url = f"{SITE}?word={SECRET}"
    impostor = {"kind": "impostor", "scheme": "https"}
    with lab.recording("the isp in the server's place") as attacked, lab.attacks(impostor) as attack:
        refused = attacked.visit(url, http="1.1", **options)
    with lab.recording("the same visit undisturbed") as honest:
        accepted = honest.visit(url, http="1.1", **options)
    experiment.asked(f"{options['with_']}: GET {url} while the isp sends all of port 443 to itself")
    telling = outspoken(opened_to(attacked, 443))
    assert telling, "the client said nothing to the isp: this test looked at nothing"
    expected = REFUSALS.get(options["with_"], "unknown_ca")
    for connection in telling:
        alerts = client_alerts(connection)
        assert [name for name, _ in alerts] == [expected], refused["error"]
        experiment.saw(f"the client answers the isp's certificate with {expected}", attacked, alerts[0][1])
        assert requests(connection) == []
    assert {heard.what for heard in attack.overheard} == {"handshake failed"}
    assert to_port(attacked, "edge", 443) == [], "the balancer was asked after all"
    assert refused["exit_code"] != 0 and not any(SECRET in heard.text for heard in attack.overheard)
    experiment.saw("nothing reached the balancer, and no request the isp", attacked, [])
    assert accepted["exit_code"] == 0
    asked = [frame for connection in connections_to(honest, NAME, "home") for frame in requests(connection)]
    experiment.control("undisturbed the same visit sends its request", honest, asked)
    reached = to_port(honest, "edge", 443)
    assert reached, "nothing for port 443 is ever seen on edge"
    experiment.control("and the balancer is asked: the same search finds it", honest, reached[:1])


@pytest.mark.claim("F6")
def test_a_forged_dns_answer_gains_everything_against_http(lab: Lab, experiment: Experiment) -> None:
    """The isp answers the DNS query with its own address: what does it get over plain HTTP?"""
    isp = lab.topology.address("isp", "internet")
    forge = {"kind": "forge", "names": {PLAIN_NAME: isp}}
    impostor = {"kind": "impostor", "scheme": "http"}
    with lab.recording("a forged name, plain HTTP") as recording, lab.attacks(forge, impostor) as attack:
        answer = recording.visit(f"{PLAIN}?word={SECRET}", http="1.1")
    experiment.asked(
        f"curl: GET {PLAIN}?word={SECRET} while the isp claims the resolver's address and forges {PLAIN_NAME}"
    )
    told = conversation(recording.since_begun("home"), lab.topology).reads(f"""
        client   -> resolver  DNS? A {PLAIN_NAME}
        ...
        resolver -> client    DNS: {isp}
        ...
        client   -> isp       SYN
        isp      -> client    SYN ACK
        client   -> isp       ACK
        client   -> isp       GET /?word={SECRET}
        ...
        isp      -> client    200
        ...
    """)
    experiment.saw("the answer names the isp, and the client asks the isp", recording, [u.frame for u in told])
    assert answer["exit_code"] == 0
    assert any(SECRET in heard.text for heard in attack.overheard if heard.what == "request")
    found = Eavesdropper(recording).finds(SECRET.encode(), "internet")
    assert found
    experiment.saw("the request and what it says, in the clear, to the isp", recording, found)
    assert to_port(recording, "edge", 80) == []
    experiment.saw("the balancer was not asked", recording, [])
    with lab.recording("the same name undisturbed") as honest:
        honest.visit(PLAIN, http="1.1")
    experiment.control("undisturbed it is", honest, to_port(honest, "edge", 80))


@pytest.mark.claim("F6")
@pytest.mark.parametrize("options", CLIENTS[:2], ids=lambda options: str(options["with_"]))
def test_a_forged_dns_answer_gains_nothing_against_https(
    lab: Lab, experiment: Experiment, options: dict[str, Any]
) -> None:
    """The same forgery, and the client comes by HTTPS: what does the isp get?"""
    isp = lab.topology.address("isp", "internet")
    forge, impostor = {"kind": "forge", "names": {NAME: isp}}, {"kind": "impostor", "scheme": "https"}
    with lab.recording("a forged name, HTTPS") as recording, lab.attacks(forge, impostor) as attack:
        answer = recording.visit(f"{SITE}?word={SECRET}", http="1.1", **options)
    experiment.asked(f"{options['with_']}: GET {SITE}?word={SECRET} while the isp forges {NAME}")
    answers = [f for f in recording.since_begun("home") if f.dns and f.dns.is_response and f.dns.answers]
    assert {record.data for f in answers if f.dns for record in f.dns.answers} == {isp}
    (connection,) = [c for c in opened_to(recording, 443) if c.client_hello]
    assert connection.server.address == isp
    experiment.control(
        "the client believed the answer and went to the isp", recording, [*answers, connection.frames[0]]
    )
    alerts = client_alerts(connection)
    assert [name for name, _ in alerts] == ["unknown_ca"]
    assert requests(connection) == [] and answer["exit_code"] != 0
    assert not any(SECRET in heard.text for heard in attack.overheard)
    experiment.saw("and there ended: unknown_ca, no request", recording, alerts[0][1])
    experiment.myth(
        "HTTPS is only as safe as DNS",
        "whoever answers has to show a certificate for the name that a CA on the client's list signed. The isp's has "
        "the name, as anybody's can; what it lacks is such a CA: unknown_ca",
    )


@pytest.mark.claim("F4")
def test_whoever_comes_by_http_first_can_be_kept_from_https(lab: Lab, experiment: Experiment) -> None:
    """The page at http:// would send the browser on to https://. Can the isp keep it from going there?"""
    url = f"http://{STRICT_NAME}/"
    with lab.recording("a first visit, stripped") as stripped, lab.attacks({"kind": "strip"}) as attack:
        seen = stripped.visit(url, http="1.1", with_="browser")
    with lab.recording("a first visit, undisturbed") as honest:
        sent_on = honest.visit(url, http="1.1", with_="browser")
    experiment.asked(f"Chromium: {url}, never seen before, while the isp fetches every page by HTTPS itself")
    assert seen["exit_code"] == 0 and attack.overheard
    first = stripped.exchanges("home")[0]
    assert first.response and first.response.status == 200, "the client was redirected"
    assert first.connection.client_hello is None and opened_to(stripped, 443) == []
    experiment.saw(
        "home: the page, 200, in the clear; no connection to port 443",
        stripped,
        [f for f in (first.request_frame, first.response_end) if f],
    )
    behind = to_port(stripped, "edge", 443)
    assert behind and to_port(stripped, "edge", 80) == []
    experiment.saw("edge: it is the isp that speaks HTTPS to the balancer", stripped, behind[:1])
    assert sent_on["exit_code"] == 0
    redirected = honest.exchanges("home")[0]
    assert redirected.response and redirected.response.status == 301
    encrypted = [c.client_hello[0] for c in opened_to(honest, 443) if c.client_hello]
    assert encrypted
    experiment.control(
        "undisturbed it is redirected and goes on by TLS", honest, [redirected.request_frame, *encrypted]
    )
    experiment.myth("a site that redirects to HTTPS is safe to visit by http://", "the redirect itself is plain text")


@pytest.mark.claim("F4")
def test_whoever_knows_the_site_is_strict_cannot(lab: Lab, experiment: Experiment) -> None:
    """And when an earlier visit brought Strict-Transport-Security (RFC 6797)?"""
    known, asked = f"https://{STRICT_NAME}/bytes/10", f"http://{STRICT_NAME}/"
    with lab.recording("a second visit, the isp strips") as recording, lab.attacks({"kind": "strip"}) as attack:
        answer = recording.visit([known, asked], http="1.1", with_="browser")
    experiment.asked(f"Chromium: {known}, then {asked}, while the isp strips")
    assert answer["exit_code"] == 0, answer["error"]
    exchanges = recording.exchanges("home")
    told = next(e for e in exchanges if e.response and e.response.header("strict-transport-security"))
    assert told.response_frame and told.response
    header = told.response.header("strict-transport-security")
    experiment.saw(f"the first answer says strict-transport-security: {header}", recording, told.response_frame)
    assert to_port(recording, "home", 80) == [] and attack.overheard == []
    page = next(e for e in exchanges if e.request.path == "/")
    assert page.connection.client_hello and page.response and page.response.status == 200
    experiment.saw("for http:// it goes to port 443 by itself: no frame to port 80", recording, page.request_frame)
    with lab.recording("without that header") as control, lab.attacks({"kind": "strip"}):
        control.visit([f"{SITE}bytes/10", f"http://{NAME}/"], http="1.1", with_="browser")
    plain = to_port(control, "home", 80)
    experiment.control("where no such header came, the same two visits go to port 80", control, plain[:1])
