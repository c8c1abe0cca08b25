"""Steps 1 to 3: the name is found, the connection opened, the secret agreed. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from observer.certificates import certificate_facts
from observer.connections import Connection, Transport, across_links
from observer.lookups import lookups_by
from observer.messages import Frame, HandshakeType
from observer.registries import ALERTS, CIPHER_SUITES, GROUPS, TLS_VERSIONS, name_of
from observer.scene import Scene
from observer.steps import DnsFacts, Evidence, Step, StepName, TcpFacts, TlsFacts


def dns_step(scene: Scene) -> Step:
    host = urlsplit(scene.visit.url).hostname or ""
    before = scene.connection.frames[0].time_ns if scene.connection else scene.visit.ended_ns
    link = scene.connection.link if scene.connection else (scene.capture[0].link if scene.capture else "")
    client = scene.connection.client.address if scene.connection else None
    asked = [
        found
        for found in lookups_by(scene.frames, client, link)
        if found.question.name.rstrip(".").lower() == host and scene.visit.started_ns <= found.query.time_ns <= before
    ]
    if not asked:
        return scene.not_seen(StepName.DNS, f"no question about {host} was asked: its address was known, or it is one")
    first, last = asked[0].query, max((a.response or a.query for a in asked), key=lambda f: f.time_ns)
    addresses = dict.fromkeys(r.data for a in asked for r in a.records if r.type in ("A", "AAAA") and r.data)
    ttls = [r.ttl for a in asked for r in a.records]
    walked = [
        found
        for found in lookups_by(scene.frames, first.destination, None)
        if first.time_ns <= found.query.time_ns <= last.time_ns
    ]
    servers = list(dict.fromkeys(scene.name(w.query.destination) for w in walked))
    outcome = ", ".join(addresses) or asked[-1].outcome
    how = f"the {scene.name(first.destination)} asked {', '.join(servers)}" if servers else "from the resolver's cache"
    evidence = [e for a in asked for e in a.evidence(scene.name)] + [e for w in walked for e in w.evidence(scene.name)]
    facts = DnsFacts(
        name=host,
        addresses=tuple(addresses),
        ttl=min(ttls) if ttls else None,
        lookups=tuple(a.told(scene.name, scene.visit.enter_ns) for a in asked),
        walk=tuple(w.told(scene.name, scene.visit.enter_ns) for w in walked),
    )
    lifetime = f" for {facts.ttl} s" if facts.ttl is not None else ""
    return scene.seen(StepName.DNS, f"{host} is {outcome}{lifetime}; {how}", first, last, facts, evidence)


def tcp_step(scene: Scene) -> Step:
    connection = scene.connection
    if connection and connection.transport is Transport.QUIC:
        return scene.not_done(StepName.TCP, "QUIC runs over UDP; its connection opens together with TLS in step 3")
    opening = connection.opening if connection else ()
    if connection is None or len(opening) < 3:
        return scene.not_seen(StepName.TCP, "no three-way handshake: the connection was not opened")
    syn, syn_ack, ack = opening
    assert syn.tcp and syn_ack.tcp
    facts = TcpFacts(
        client=str(connection.client),
        server=str(connection.server),
        client_isn=syn.tcp.sequence_number,
        server_isn=syn_ack.tcp.sequence_number,
        client_mss=syn.tcp.maximum_segment_size,
        server_mss=syn_ack.tcp.maximum_segment_size,
        round_trip_ns=syn_ack.time_ns - syn.time_ns,
    )
    evidence = [
        Evidence(frame.link, frame.number, shows)
        for mate in across_links(connection, scene.connections)
        for frame, shows in zip(mate.opening, ("SYN", "SYN, ACK", "ACK"), strict=False)
    ]
    summary = f"port {connection.client.port} to {scene.name(connection.server.address)}:{connection.server.port}"
    return scene.seen(StepName.TCP, f"{summary}, three packets", syn, ack, facts, evidence)


def tls_step(scene: Scene) -> Step:
    connection = scene.connection
    hello = connection.client_hello if connection else None
    if connection is None or hello is None:
        scheme = urlsplit(scene.visit.url).scheme
        why = "plain HTTP has no handshake and no secrecy" if scheme == "http" else "no ClientHello was sent"
        return scene.not_seen(StepName.TLS, why)
    server = connection.server_hello
    refusal = _refusal(connection)
    by_client = [f for f in connection.finished if connection.from_client(f)]
    facts = TlsFacts(
        version=name_of(server[1].version, TLS_VERSIONS) if server else "none agreed",
        cipher_suite=name_of(server[1].cipher_suite, CIPHER_SUITES) if server else "none agreed",
        group=_group(connection),
        protocol=next((f.tls.selected_protocol for f in connection.frames if f.tls and f.tls.selected_protocol), None),
        server_name=hello[1].server_name,
        resumed=bool(server and server[1].uses_psk),
        certificate=next(
            (certificate_facts(f.tls.certificates) for f in connection.frames if f.tls and f.tls.certificates), None
        ),
        verdict=refusal or ("accepted" if by_client else "not finished, or not decrypted"),
    )
    evidence = [
        Evidence(frame.link, frame.number, _handshake_words(frame))
        for mate in across_links(connection, scene.connections)
        for frame in mate.frames
        if frame.tls and set(frame.tls.handshake) - {HandshakeType.NEW_SESSION_TICKET}
    ]
    last = next(iter(by_client), None) if refusal is None else connection.frames[-1]
    return scene.seen(StepName.TLS, _tls_summary(facts), hello[0], last, facts, evidence)


def _tls_summary(facts: TlsFacts) -> str:
    parts = [facts.version, facts.cipher_suite, *([facts.group] if facts.group else [])]
    if facts.protocol:
        parts.append(f"ALPN {facts.protocol}")
    who = "resumed, no certificate" if facts.resumed else "certificate not readable"
    if facts.certificate:
        who = f"certificate of {facts.certificate.subject} by {facts.certificate.issuer}"
    return f"{', '.join(parts)}; {who}: {facts.verdict}"


def _group(connection: Connection) -> str | None:
    server = connection.server_hello
    named = next((f.tls.key_exchange_group for f in connection.frames if f.tls and f.tls.key_exchange_group), None)
    number = server[1].group if server and server[1].group is not None else named
    return None if number is None else name_of(number, GROUPS)


def _refusal(connection: Connection) -> str | None:
    for frame in connection.frames:
        for alert in frame.tls.alerts if frame.tls else ():
            if alert.description != 0:
                who = "the client" if connection.from_client(frame) else "the server"
                return f"refused by {who}: {name_of(alert.description, ALERTS)}"
    return None


def _handshake_words(frame: Frame) -> str:
    assert frame.tls is not None
    names = [
        HandshakeType(n).name.replace("_", " ").title().replace(" ", "")
        for n in frame.tls.handshake
        if n in set(HandshakeType)
    ]
    return ", ".join(names)
