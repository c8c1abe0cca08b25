"""Steps 1 to 3: the name is found, the connection opened, the secret agreed. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from observer.certificates import certificate_facts
from observer.connections import Connection, Transport, across_links
from observer.lookups import IN_DOUBT, Resolution, lookups_by, own_lookups
from observer.messages import Alert, Frame, HandshakeType, RecordType
from observer.registries import ALERTS, CIPHER_SUITES, GROUPS, TLS_VERSIONS, name_of
from observer.scene import Scene
from observer.steps import DnsFacts, Evidence, Step, StepName, TcpFacts, TlsFacts

_CLOSURE_ALERTS = (0, 90)  # close_notify and user_canceled, RFC 8446 section 6.1
_WARNING = 1
_TLS_1_2 = 0x0303


def dns_step(scene: Scene) -> Step:
    host = (urlsplit(scene.visit.url).hostname or "").rstrip(".")
    before = scene.connection.frames[0].time_ns if scene.connection else scene.visit.ended_ns
    client = scene.connection.client.address if scene.connection else None
    possible = [
        found
        for found in lookups_by(scene.frames, client, scene.own_link)
        if found.question.name.rstrip(".").lower() == host and scene.begun_ns <= found.query.time_ns <= before
    ]
    asked, told_apart = own_lookups(possible, scene.connection, scene.connections, scene.begun_ns)
    if not asked:
        return scene.not_seen(StepName.DNS, f"no question about {host} was asked: its address was known, or it is one")
    first = asked[0].query
    responses = [a.response for a in asked if a.response]
    last = max(responses, key=lambda f: f.time_ns) if responses else None
    walked = _walk(scene, asked, last.time_ns if last else before)
    addresses = dict.fromkeys(r.data for a in asked for r in a.records if r.type in ("A", "AAAA") and r.data)
    ttls = [r.ttl for a in asked for r in a.records]
    facts = DnsFacts(
        name=host,
        addresses=tuple(addresses),
        ttl=min(ttls) if ttls else None,
        told_apart=told_apart,
        lookups=tuple(a.told(scene.name, scene.visit.enter_ns) for a in asked),
        walk=tuple(w.told(scene.name, scene.visit.enter_ns) for w in walked),
    )
    lifetime = f" for {facts.ttl} s" if facts.ttl is not None else ""
    outcome = ", ".join(addresses) or asked[-1].outcome
    evidence = [e for lookup in [*asked, *walked] for e in lookup.evidence(scene.name)]
    doubt = IN_DOUBT.get(told_apart, "")
    summary = f"{host} is {outcome}{lifetime}{_how_it_was_known(scene, walked, bool(responses))}{doubt}"
    return scene.seen(StepName.DNS, summary, first, last, facts, evidence)


def _walk(scene: Scene, asked: list[Resolution], until_ns: int) -> list[Resolution]:
    """What the resolver asked others meanwhile, for the same name or one that it is an alias of."""
    names = {a.question.name for a in asked} | {r.data for a in asked for r in a.records if r.type == "CNAME"}
    return [
        found
        for found in lookups_by(scene.frames, asked[0].query.destination, None)
        if asked[0].query.time_ns <= found.query.time_ns <= until_ns and found.question.name in names
    ]


def _how_it_was_known(scene: Scene, walked: list[Resolution], answered: bool) -> str:
    if walked:
        return f"; the resolver asked {', '.join(dict.fromkeys(scene.name(w.query.destination) for w in walked))}"
    others = {link.link for link in scene.capture} - {scene.own_link}
    # That it asked nobody can only be said by who saw its other links whole.
    return "; from the resolver's cache" if answered and others and scene.is_complete(others) else ""


def tcp_step(scene: Scene) -> Step:
    connection = scene.connection
    if connection and scene.was_open:
        return scene.not_done(StepName.TCP, f"the connection from port {connection.client.port} was open already")
    if connection and connection.transport is Transport.QUIC:
        return scene.not_done(StepName.TCP, "QUIC runs over UDP; its connection opens together with TLS in step 3")
    if connection and (refusal := connection.refusal):
        who = scene.name(connection.server.address)
        shown = Evidence(refusal.link, refusal.number, "RST")
        return scene.not_done(StepName.TCP, f"{who} refused the connection: it answered the SYN with RST", [shown])
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
        round_trip_ns=connection.round_trip_ns,
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
    if connection and hello and scene.was_open:
        return scene.not_done(StepName.TLS, "the connection was open already, and its keys agreed on")
    if connection is None or hello is None:
        if connection and scene.exchange and not any(f.tls or f.quic for f in connection.frames):
            return scene.not_done(StepName.TLS, "plain HTTP has no handshake and no secrecy")
        return scene.not_seen(StepName.TLS, "no ClientHello was sent")
    server = connection.server_hello
    by_client = [f for f in connection.finished if connection.from_client(f)]
    refusal = _refusal(connection, by_client[0] if by_client else None)
    facts = TlsFacts(
        version=name_of(server[1].version, TLS_VERSIONS) if server else "none agreed",
        cipher_suite=name_of(server[1].cipher_suite, CIPHER_SUITES) if server else "none agreed",
        group=_group(connection),
        protocol=next((f.tls.selected_protocol for f in connection.frames if f.tls and f.tls.selected_protocol), None),
        server_name=hello[1].server_name,
        resumed=_is_resumed(connection),
        certificate=next(
            (certificate_facts(f.tls.certificates) for f in connection.frames if f.tls and f.tls.certificates), None
        ),
        verdict=refusal[1] if refusal else "accepted" if by_client else "not finished, or not decrypted",
    )
    evidence = [
        Evidence(frame.link, frame.number, _handshake_words(frame))
        for mate in across_links(connection, scene.connections)
        for frame in mate.frames
        if frame.tls and set(frame.tls.handshake) - {HandshakeType.NEW_SESSION_TICKET}
    ]
    if refusal:
        evidence.append(Evidence(refusal[0].link, refusal[0].number, refusal[1]))
    last = refusal[0] if refusal else next(iter(by_client), None)
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


def _refusal(connection: Connection, client_finished: Frame | None) -> tuple[Frame, str] | None:
    """The alert that ended the handshake, and in words who sent it."""
    for frame in connection.frames:
        if client_finished and frame.number >= client_finished.number:
            return None
        for alert in frame.tls.alerts if frame.tls else ():
            if alert.description not in _CLOSURE_ALERTS and not _only_warned(connection, frame, alert):
                who = "the client" if connection.from_client(frame) else "the server"
                return frame, f"refused by {who}: {name_of(alert.description, ALERTS)}"
    return None


def _only_warned(connection: Connection, frame: Frame, alert: Alert) -> bool:
    """Whether another than this alert ended the handshake, if any did: before TLS 1.3 there are warnings (RFC 5246,
    section 7.2)."""
    server = connection.server_hello
    if alert.level != _WARNING or server is None or server[1].version > _TLS_1_2:
        return False
    later = (f.tls for f in connection.frames if f.tls and f.number > frame.number)
    return any(
        tls.handshake
        or any(record.type != RecordType.ALERT for record in tls.records)
        or any(other.level != _WARNING for other in tls.alerts)
        for tls in later
    )


def _is_resumed(connection: Connection) -> bool:
    """By what both hellos say, or because in TLS 1.2 the server's Finished follows its hello at once (RFC 5246,
    section 7.3)."""
    server = connection.server_hello
    if server is None:
        return False
    if server[1].uses_psk or connection.resumption is not None:
        return True
    sent = {kind for f in connection.frames if f.tls and connection.from_server(f) for kind in f.tls.handshake}
    is_tls_1_2 = server[1].version == _TLS_1_2
    return is_tls_1_2 and HandshakeType.FINISHED in sent and HandshakeType.CERTIFICATE not in sent


def _handshake_words(frame: Frame) -> str:
    assert frame.tls is not None
    names = [
        HandshakeType(n).name.replace("_", " ").title().replace(" ", "")
        for n in frame.tls.handshake
        if n in set(HandshakeType)
    ]
    return ", ".join(names)
