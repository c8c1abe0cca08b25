"""G5 to G7: who refuses which certificate, with which alert on the wire, and what makes a certificate trusted."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from certificate_table import (
    ACCEPTED,
    CLIENTS,
    CURL,
    GLASSBOX,
    HANGS_UP,
    PYTHON,
    SITE_HOST,
    CertificateTable,
    deciding,
    expected,
    make_table,
    table,
)
from experiment import Experiment
from live_lab import SITE, Lab, Recording
from misissued import FAULTS, Fault, client_alerts, connection_to, connections_to, requests
from observer.messages import HandshakeType


def visit_all(lab: Lab, options: dict[str, Any]) -> tuple[Recording, dict[str, dict[str, Any]]]:
    """Every fault's page and, as the positive control, the site's; the client's answers by fault's name."""
    with lab.recording(f"misissued certificates, {options['with_']}") as recording:
        answer = recording.visit([*(fault.url for fault in FAULTS), SITE], **options)
    by_host = {response["url"].split("/")[2]: response for response in answer["responses"]}
    return recording, {fault.name: by_host[fault.host] for fault in FAULTS} | {"site": by_host[SITE_HOST]}


@pytest.mark.claim("G5")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("options", [CURL, PYTHON, GLASSBOX], ids=lambda options: str(options["with_"]))
def test_a_client_refuses_misissued_certificates_with_the_alert_that_names_the_fault(
    lab: Lab, experiment: Experiment, options: dict[str, Any], tls: str
) -> None:
    """Which certificates that must not be believed does a client refuse, and does it say why on the wire?"""
    client = options["with_"]
    recording, answers = visit_all(lab, {**options, "tls": tls})
    experiment.asked(f"{client} over TLS {tls}: GET / from {len(FAULTS)} misissued names and from the site")
    rows: list[tuple[str, ...]] = []
    for fault in FAULTS:
        connection = connection_to(recording, fault.host)
        alerts = client_alerts(connection)
        does = expected(client, fault.name)
        asked = requests(connection)
        assert [name for name, _ in alerts] == ([] if does in (ACCEPTED, HANGS_UP) else [does]), fault.name
        assert bool(asked) is (does == ACCEPTED), f"{fault.name}: {len(asked)} requests"
        assert (answers[fault.name]["status"] == 200) is (does == ACCEPTED)
        shown = [frame for _, frame in alerts] or asked or list(connection.closing[:1])
        assert shown, f"{fault.name}: the connection neither ended nor was refused"
        experiment.saw(f"{fault.name}: {does}", recording, shown)
        rows.append((fault.name, fault.what, does, answers[fault.name]["error"]))
    site = connection_to(recording, SITE_HOST)
    assert client_alerts(site) == []
    assert answers["site"]["status"] == 200
    experiment.control("the site's certificate is good: it asked for the page", recording, requests(site))
    text = table(["name", "fault", "alert on the wire", f"what {client} says"], rows)
    recording.attach("refusals.txt", text)
    experiment.exhibit(text)


@pytest.fixture(scope="session")
def four_clients(lab: Lab) -> CertificateTable:
    return make_table(lab)


@pytest.mark.claim("G5")
def test_four_clients_at_every_certificate_make_one_table(
    experiment: Experiment, four_clients: CertificateTable
) -> None:
    """curl, Python, the glass box and Chromium in one go: who refuses which certificate, with which alert?"""
    experiment.asked(f"GET / from {len(FAULTS)} misissued names and from the site, with each of four clients")
    made = four_clients
    for client in CLIENTS:
        for fault in FAULTS:
            seen = made.reactions[client, fault.name]
            assert seen.what == expected(client, fault.name), f"{client}, {fault.name}"
            experiment.saw(f"{client}, {fault.name}: {seen.what}", made.recording, seen.frames)
        good = made.reactions[client, "site"]
        assert good.what == ACCEPTED, f"{client}, site: {good.what}"
        experiment.control(f"{client} took the site's certificate: it asked for the page", made.recording, good.frames)
    made.recording.attach("certificates.txt", made.text)
    experiment.exhibit(made.text)


@pytest.mark.claim("G5")
def test_a_revoked_certificate_is_accepted_by_whoever_does_not_look_at_the_list(
    lab: Lab, experiment: Experiment
) -> None:
    """Does revoking a certificate keep clients away?"""
    revoked = next(fault for fault in FAULTS if fault.name == "revoked")
    with lab.recording("revoked, curl without the list") as recording:
        answer = recording.visit(revoked.url)
    connection = connection_to(recording, revoked.host)
    asked = requests(connection)
    assert asked, answer["error"]
    assert client_alerts(connection) == []
    experiment.asked(f"curl without a revocation list: GET {revoked.url}")
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


ACCEPTED_BY_CHROMIUM = [fault for fault in FAULTS if expected("browser", fault.name) == ACCEPTED]
EXCEPTION = "Chromium looks at no revocation list, and under a root that somebody added it takes short RSA keys"


@pytest.mark.claim("G5", "G6")
@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ACCEPTED_BY_CHROMIUM], ids=lambda fault: fault.name)
def test_the_browser_warns_and_asks_for_nothing(
    experiment: Experiment, four_clients: CertificateTable, fault: Fault
) -> None:
    """Does Chromium show its warning page and send no request (in all cases but `revoked` and `weak-key`)?"""
    recording, answers = four_clients.recording, four_clients.browsed
    answer = answers[fault.name]
    connection = four_clients.connections["browser", fault.name]
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
    good, page = requests(four_clients.connections["browser", "site"]), answers["site"]
    assert page["title"] != "Privacy error"
    experiment.control(f"for the site it showed {page['title']!r}, after these requests", recording, good)


@pytest.mark.claim("G5", "G6")
@pytest.mark.parametrize("fault", ACCEPTED_BY_CHROMIUM, ids=lambda fault: fault.name)
def test_what_the_browser_does_not_look_at_it_accepts(
    experiment: Experiment, four_clients: CertificateTable, fault: Fault
) -> None:
    """The exception: is there a certificate that other clients refuse and of which Chromium does not warn?"""
    recording = four_clients.recording
    asked = requests(four_clients.connections["browser", fault.name])
    experiment.asked(f"Chromium: {fault.url}, whose certificate is {fault.what}")
    assert client_alerts(four_clients.connections["browser", fault.name]) == []
    assert asked and four_clients.browsed[fault.name]["title"] != "Privacy error"
    experiment.saw(f"no alert, no warning: it asks for the page. {EXCEPTION}", recording, asked)
    refused = four_clients.reactions["curl", fault.name]
    assert refused.what == fault.alert
    experiment.control(f"curl, with the list, refuses the same: {refused.what}", recording, refused.frames)


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
    host = SITE_HOST
    before, after = (deciding(connections_to(recordings[trust], host, "edge"), host) for trust in (False, True))
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
