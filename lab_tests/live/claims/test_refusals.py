"""G5 to G7: who refuses which certificate, with which alert on the wire, and what makes a certificate trusted."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from experiment import Experiment
from live_lab import SITE, Lab, Recording
from misissued import FAULTS, Fault, client_alerts, connection_to, requests
from observer.messages import HandshakeType

# What each client is told to look at, and what its alerts are instead of the ones that name the fault.
CURL: dict[str, Any] = {"with_": "curl", "crl": True}
PYTHON: dict[str, Any] = {"with_": "python", "http": "1.1", "crl": True}
# curl compares the name itself, once the handshake is over: it hangs up without a word.
WITHOUT_ALERT = {("curl", "wrong-name")}


def visit_all(lab: Lab, options: dict[str, Any]) -> tuple[Recording, dict[str, dict[str, Any]]]:
    """Every fault's page and, as the positive control, the site's; the client's answers by fault's name."""
    with lab.recording(f"misissued certificates, {options['with_']}") as recording:
        answer = recording.visit([*(fault.url for fault in FAULTS), SITE], **options)
    by_host = {response["url"].split("/")[2]: response for response in answer["responses"]}
    return recording, {fault.name: by_host[fault.host] for fault in FAULTS} | {"site": by_host[SITE.split("/")[2]]}


@pytest.mark.claim("G5")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("options", [CURL, PYTHON], ids=lambda options: str(options["with_"]))
def test_a_client_refuses_each_misissued_certificate_with_the_alert_that_names_the_fault(
    lab: Lab, experiment: Experiment, options: dict[str, Any], tls: str
) -> None:
    """Does a client refuse every certificate that it must not believe, and say why on the wire?"""
    client = options["with_"]
    recording, answers = visit_all(lab, {**options, "tls": tls})
    experiment.asked(f"{client} over TLS {tls}: GET / from {len(FAULTS)} misissued names and from the site")
    rows: list[tuple[str, ...]] = []
    for fault in FAULTS:
        connection = connection_to(recording, fault.host)
        alerts = client_alerts(connection)
        expected = [] if (client, fault.name) in WITHOUT_ALERT else [fault.alert]
        assert [name for name, _ in alerts] == expected, f"{fault.name}: {alerts}"
        assert requests(connection) == [], f"{fault.name}: a request was sent to a server that must not be believed"
        assert answers[fault.name]["status"] == 0
        shown = [frame for _, frame in alerts] or list(connection.closing[:1])
        assert shown, f"{fault.name}: the connection neither ended nor was refused"
        said = expected[0] if expected else "none: it hangs up"
        experiment.saw(f"{fault.name}: {said}", recording, shown)
        rows.append((fault.name, fault.what, said, answers[fault.name]["error"]))
    site = connection_to(recording, SITE.split("/")[2])
    assert client_alerts(site) == []
    assert answers["site"]["status"] == 200
    experiment.control("the site's certificate is good: it asked for the page", recording, requests(site))
    text = table(["name", "fault", "alert on the wire", f"what {client} says"], rows)
    recording.attach("refusals.txt", text)
    experiment.exhibit(text)


def table(heading: list[str], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heading, *rows]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


@pytest.mark.claim("G5")
@pytest.mark.parametrize("client", ["curl", "browser"])
def test_a_revoked_certificate_is_accepted_by_whoever_does_not_look_at_the_list(
    lab: Lab, experiment: Experiment, client: str
) -> None:
    """Does revoking a certificate keep clients away?"""
    revoked = next(fault for fault in FAULTS if fault.name == "revoked")
    with lab.recording(f"revoked, {client} without the list") as recording:
        answer = recording.visit(revoked.url, with_=client)
    connection = connection_to(recording, revoked.host)
    asked = requests(connection)
    assert asked, answer["error"]
    assert client_alerts(connection) == []
    experiment.asked(f"{client} without a revocation list: GET {revoked.url}")
    experiment.saw("the handshake was finished and the page asked for", recording, asked)
    with lab.recording("revoked, curl with the list") as control:
        control.visit(revoked.url, **CURL)
    alerts = client_alerts(connection_to(control, revoked.host))
    assert [name for name, _ in alerts] == ["certificate_revoked"]
    experiment.control("curl with the list refused it", control, [frame for _, frame in alerts])
    experiment.myth(
        "a revoked certificate stops working",
        "only for clients that look at a list or ask the CA; curl by default and Chromium do neither here",
    )


@pytest.fixture(scope="module")
def browsed(lab: Lab) -> tuple[Recording, dict[str, dict[str, Any]]]:
    """Chromium at every misissued name and at the site: a profile of its own each time."""
    with lab.recording("misissued certificates, Chromium") as recording, ThreadPoolExecutor(2) as pool:
        urls = {fault.name: fault.url for fault in FAULTS} | {"site": SITE}
        answers = list(pool.map(lambda url: recording.visit(url, with_="browser"), urls.values()))
    return recording, dict(zip(urls, answers, strict=True))


@pytest.mark.claim("G5", "G6")
@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name != "revoked"], ids=lambda fault: str(fault.name))
def test_the_browser_warns_and_asks_for_nothing(
    experiment: Experiment, browsed: tuple[Recording, dict[str, dict[str, Any]]], fault: Fault
) -> None:
    """Does Chromium show its warning page, and send no request to the server that it warns of?"""
    recording, answers = browsed
    answer = answers[fault.name]
    connection = connection_to(recording, fault.host)
    alerts = client_alerts(connection)
    experiment.asked(f"Chromium: {fault.url}, whose certificate is {fault.what}")
    assert [name for name, _ in alerts] == ["certificate_unknown"], "Chromium has one alert for every fault"
    assert requests(connection) == []
    assert "net::ERR_CERT_" in answer["error"]
    assert answer["title"] == "Privacy error"
    picture = base64.b64decode(answer["screenshot"])
    assert picture.startswith(b"\x89PNG")
    recording.attach(f"{fault.name}.png", picture)
    code = answer["error"].split("net::")[1]
    experiment.saw(f"certificate_unknown on the wire; the page is a warning: {code}", recording, alerts[0][1])
    good, page = requests(connection_to(recording, SITE.split("/")[2])), answers["site"]
    assert page["title"] != "Privacy error"
    experiment.control(f"for the site it showed {page['title']!r}, after these requests", recording, good)


@pytest.mark.claim("G7")
@pytest.mark.parametrize(
    "options",
    [{"with_": "curl"}, {"with_": "python", "http": "1.1"}, {"with_": "browser"}],
    ids=lambda options: str(options["with_"]),
)
def test_the_same_certificate_is_refused_before_its_root_is_on_the_list_and_accepted_after(
    lab: Lab, experiment: Experiment, options: dict[str, Any]
) -> None:
    """Is it the certificate that makes a server trusted, or the client's list of roots?"""
    recordings = {}
    for trust in (False, True):
        with lab.recording(f"the lab's root {'on' if trust else 'not on'} the list, {options['with_']}") as recordings[
            trust
        ]:
            recordings[trust].visit(SITE, trust=trust, tls="1.2", **options)
    host = SITE.split("/")[2]
    before, after = (connection_to(recordings[trust], host) for trust in (False, True))
    chains = [[f.tls.certificates for f in each.frames if f.tls and f.tls.certificates] for each in (before, after)]
    assert chains[0] and chains[0] == chains[1], "the server showed the same certificates both times"
    experiment.asked(f"{options['with_']}, TLS 1.2: GET {SITE}, knowing the public roots; then with the lab's added")
    alerts = client_alerts(before)
    assert [name for name, _ in alerts] == ["certificate_unknown" if options["with_"] == "browser" else "unknown_ca"]
    assert requests(before) == []
    experiment.saw(f"before: {alerts[0][0]}, and no request", recordings[False], alerts[0][1])
    assert client_alerts(after) == []
    finished = [f for f in after.frames if f.tls and HandshakeType.FINISHED in f.tls.handshake]
    shown = [*finished, *requests(after)[:1]]
    experiment.control("after: the same certificate, both Finished, and the request", recordings[True], shown)
    experiment.myth(
        "a valid certificate makes a site trustworthy",
        "the same bytes were refused and accepted: the client's list decides",
    )
