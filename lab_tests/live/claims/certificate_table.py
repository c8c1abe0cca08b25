"""Who refuses which certificate: four clients at every misissued name and at the site, in one recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from live_lab import SITE, Lab, Recording
from misissued import FAULTS, client_alerts, connections_to, outspoken, requests
from observer.connections import Connection
from observer.messages import Frame

CURL: dict[str, Any] = {"with_": "curl", "crl": True}
PYTHON: dict[str, Any] = {"with_": "python", "http": "1.1", "crl": True}
GLASSBOX: dict[str, Any] = {"with_": "glassbox", "http": "1.1"}
ACCEPTED, HANGS_UP = "accepted", "none: it hangs up"
SITE_HOST = SITE.split("/")[2]
CLIENTS = ("curl", "python", "glassbox", "browser")
_URLS = {fault.name: fault.url for fault in FAULTS} | {"site": SITE}
_HOSTS = {fault.name: fault.host for fault in FAULTS} | {"site": SITE_HOST}

# Where a client does something else than send the alert that names the fault.
OTHERWISE = {
    ("curl", "wrong-name"): HANGS_UP,  # it compares the name itself, once the handshake is over
    ("curl", "not-yet-valid"): "bad_certificate",  # OpenSSL keeps certificate_expired for those that were valid once
    ("python", "not-yet-valid"): "bad_certificate",  # the same OpenSSL
    ("glassbox", "constrained"): "bad_certificate",
    ("glassbox", "revoked"): ACCEPTED,  # it looks at no list
    ("glassbox", "weak-key"): ACCEPTED,  # its library draws no line for RSA keys
    ("browser", "revoked"): ACCEPTED,  # it looks at no list
    ("browser", "weak-key"): ACCEPTED,  # under a root that somebody added it takes short RSA keys
}


def expected(client: str, name: str) -> str:
    """What `client` does at one of the names. Chromium has one alert for every fault."""
    if name == "site":
        return ACCEPTED
    alert = next(fault.alert for fault in FAULTS if fault.name == name)
    return OTHERWISE.get((client, name), "certificate_unknown" if client == "browser" else alert)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one client did on the wire: the alert's name, ACCEPTED or HANGS_UP, and the frames that show it."""

    what: str
    frames: tuple[Frame, ...]


def reaction(connection: Connection) -> Reaction:
    """Fails where a connection shows more than one of them, or none."""
    alerts, asked = client_alerts(connection), requests(connection)
    assert len(alerts) <= 1 and not (alerts and asked), f"{len(alerts)} alerts and {len(asked)} requests"
    if alerts:
        return Reaction(alerts[0][0], (alerts[0][1],))
    if asked:
        return Reaction(ACCEPTED, tuple(asked))
    assert connection.closing, "the connection neither ended nor was refused"
    return Reaction(HANGS_UP, connection.closing[:1])


@dataclass(frozen=True)
class CertificateTable:
    """The recording, what Chromium told of each name, and everybody's reactions by client and name."""

    recording: Recording
    browsed: Mapping[str, dict[str, Any]]
    connections: Mapping[tuple[str, str], Connection]
    reactions: Mapping[tuple[str, str], Reaction]
    text: str


def make_table(lab: Lab) -> CertificateTable:
    """One client after the other, so that a connection's time says whose it is; Chromium with a profile of its own for
    each name."""
    began, spans = time.monotonic(), {}
    with lab.recording("who refuses which certificate: four clients") as recording, ThreadPoolExecutor(2) as pool:
        for options in (CURL, PYTHON, GLASSBOX):
            spans[options["with_"]] = _span(
                lambda options=options: recording.visit([*_URLS.values()], tls="1.3", **options)  # type: ignore[misc]
            )
        browsed: list[dict[str, Any]] = []
        spans["browser"] = _span(
            lambda: browsed.extend(pool.map(lambda url: recording.visit(url, with_="browser"), _URLS.values()))
        )
    connections = {
        (client, name): _deciding(recording, host, spans[client]) for client in CLIENTS for name, host in _HOSTS.items()
    }
    reactions = {key: reaction(connection) for key, connection in connections.items()}
    rows = [(name, _fault(name), *(reactions[client, name].what for client in CLIENTS)) for name in _HOSTS]
    text = table(["name", "its certificate", "curl", "Python", "glass box", "Chromium"], rows)
    took = f"made in {time.monotonic() - began:.1f} s"
    text += f"{took}; what stands there is the alert that the client sent (RFC 8446, section 6.2)\n"
    return CertificateTable(recording, dict(zip(_URLS, browsed, strict=True)), connections, reactions, text)


def _span(visit: Callable[[], object]) -> range:
    """When it ran, in nanoseconds since 1970, as the frames' times are."""
    began = time.time_ns()
    visit()
    return range(began, time.time_ns())


def deciding(connections: Sequence[Connection], host: str) -> Connection:
    """Of one client's connections to `host` the one that shows what it does there; where two say something, they have
    to say the same."""
    assert connections, f"no connection for {host}"
    telling = outspoken(connections)
    assert len({reaction(c).what for c in telling}) <= 1, f"{host}: the client did now this, now that"
    return (telling or connections)[0]


def _deciding(recording: Recording, host: str, span: range) -> Connection:
    return deciding([c for c in connections_to(recording, host, "edge") if c.frames[0].time_ns in span], host)


def _fault(name: str) -> str:
    return next((fault.what for fault in FAULTS if fault.name == name), "good")


def table(heading: list[str], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heading, *rows]]
    return "\n".join(line.rstrip() for line in lines) + "\n"
