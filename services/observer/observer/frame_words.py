"""What a frame itself shows, in plain words and with its numbers: the comments a person reads in Wireshark. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from observer.certificates import certificate_facts
from observer.connections import closing_words
from observer.messages import ClientHello, DnsMessage, Frame, HandshakeType, HttpMessage, ServerHello, TcpFlags
from observer.registries import ALERTS, CIPHER_SUITES, DNS_RESPONSE_CODES, GROUPS, TLS_VERSIONS, name_of
from observer.steps import Evidence, Journey, ProcessingFacts, Step, StepName
from observer.style import milliseconds
from observer.topology import Topology

_MOST_NAMED = 3
_TRANSLATORS = ("router", "isp")  # with NAT (RFC 3022) their addresses stand where the client's was
_CLOSE_NOTIFY = 0  # RFC 8446, section 6.1
_CLOSING = {
    "GOAWAY": "GOAWAY (no new streams)",
    "close_notify": "close_notify (no more TLS records)",
    "CONNECTION_CLOSE": "CONNECTION_CLOSE (the QUIC connection is over)",
    "FIN": "FIN (no more bytes)",
    "RST": "RST (the connection is gone at once)",
}


def comments_of(journey: Journey, frames: Iterable[Frame], topology: Topology) -> dict[int, list[str]]:
    """A sentence for each step that a frame proves, by the frame's number in journey.pcapng."""
    by_number = {frame.number: frame for frame in frames}
    comments: dict[int, list[str]] = {}
    for step in (step for part in journey.chain for step in part.steps):
        for item in step.evidence:
            frame = by_number.get(item.frame)
            told = words(step, item, frame, topology) if frame else item.shows
            sentence = f"step {step.number}, {step.name.value}: {told}"
            said = comments.setdefault(item.frame, [])
            if sentence not in said:
                said.append(sentence)
    for found in journey.conservation.irregularities:
        for shown in (found.entered, found.left):
            if shown:
                comments.setdefault(shown.frame, []).append(f"{found.host}: {found.packet}: {found.fate.value}")
    return comments


def words(step: Step, item: Evidence, frame: Frame, topology: Topology) -> str:
    """What `frame` shows as evidence of `step`; `item.shows` where the frame has no more to say."""
    told = ""
    if step.name is StepName.DNS and frame.dns:
        told = _dns(frame, frame.dns, topology)
    elif step.name is StepName.TCP and frame.tcp:
        told = _tcp(frame, topology)
    elif step.name is StepName.TLS and frame.tls:
        told = _tls(frame, topology)
    elif step.name is StepName.REQUEST:
        told = _request(frame, topology)
    elif step.name is StepName.PROCESSING:
        told = _processing(step, item)
    elif step.name is StepName.RESPONSE:
        told = _response(item, frame, topology)
    elif step.name is StepName.KEPT_OPEN:
        told = _closing(frame, topology)
    return told or item.shows


def _who(address: str, topology: Topology) -> str:
    name = topology.name(address)
    return f"{name} (for the client)" if name in _TRANSLATORS else name


def _dns(frame: Frame, message: DnsMessage, topology: Topology) -> str:
    over = "TCP" if frame.tcp else "UDP"
    if not message.is_response:
        asker, asked = _who(frame.source, topology), _who(frame.destination, topology)
        how = "and wants the final answer" if message.recursion_desired else "and a referral will do"
        wanted = f"the {message.type} record of {message.name}"
        return f"{asker} asks {asked} over {over} for {wanted}, {how} (id {message.id})"
    who = f"{_who(frame.source, topology)} answers {_who(frame.destination, topology)}"
    if message.truncated:
        return f"{who}: too long for UDP, ask again over TCP (id {message.id})"
    if message.response_code:
        code = DNS_RESPONSE_CODES.get(message.response_code, f"code {message.response_code}")
        return f"{who}: {code} for {message.name} (id {message.id})"
    if message.answers:
        records = [f"{r.name} {r.type} {r.data or '?'}, good for {r.ttl} s" for r in message.answers]
        own = "from its own zone" if message.authoritative else "from what it has learnt"
        return f"{who} {own}: {_listed(records, '; ')} (id {message.id})"
    zones = dict.fromkeys(r.name or "." for r in message.authorities if r.type == "NS")
    if zones:
        servers = [r.data for r in message.authorities if r.type == "NS" and r.data]
        return f"{who}: I do not know; for {', '.join(zones)} ask {_listed(servers)} (id {message.id})"
    return f"{who}: {message.name} has no {message.type} record (id {message.id})"


def _tcp(frame: Frame, topology: Topology) -> str:
    segment = frame.tcp
    assert segment is not None
    source, destination = _who(frame.source, topology), _who(frame.destination, topology)
    flags = segment.flags & ~TcpFlags.PSH
    most = segment.maximum_segment_size
    size = f", and takes at most {most} bytes a segment" if most else ""
    if flags == TcpFlags.SYN:
        ports = f"port {segment.source_port} to port {segment.destination_port}"
        return f"{source} wants to talk to {destination}, {ports}: it counts from {segment.sequence_number}{size} (SYN)"
    if flags == TcpFlags.SYN | TcpFlags.ACK:
        return (
            f"{source} agrees and expects byte {segment.acknowledgment_number} next: "
            f"it counts from {segment.sequence_number} itself{size} (SYN, ACK)"
        )
    if flags & TcpFlags.RST:
        return f"{source} refuses: nobody listens on port {segment.source_port} (RST)"
    if flags == TcpFlags.ACK:
        return f"{source} expects byte {segment.acknowledgment_number} next: the connection is open (ACK)"
    return ""


def _tls(frame: Frame, topology: Topology) -> str:
    assert frame.tls is not None
    who = "the client" if frame.tls.client_hello else _who(frame.source, topology)
    parts = [part for kind in frame.tls.handshake if (part := _handshake(kind, frame))]
    parts += [
        f"sends the alert {name_of(alert.description, ALERTS)} ({alert.description})"
        for alert in frame.tls.alerts
        if alert.description != _CLOSE_NOTIFY
    ]
    return f"{who} {'; '.join(parts)}" if parts else ""


def _handshake(kind: int, frame: Frame) -> str:
    """One handshake message, as what its sender does (RFC 8446, section 4; RFC 5246, section 7.4)."""
    tls = frame.tls
    assert tls is not None
    if kind == HandshakeType.CLIENT_HELLO and tls.client_hello:
        return _client_hello(tls.client_hello)
    if kind == HandshakeType.SERVER_HELLO and tls.server_hello:
        return _server_hello(tls.server_hello)
    if kind == HandshakeType.CERTIFICATE and tls.certificates:
        return _certificates(tls.certificates)
    if kind == HandshakeType.ENCRYPTED_EXTENSIONS and tls.selected_protocol:
        return f"speaks {tls.selected_protocol} from the list (EncryptedExtensions)"
    if kind == HandshakeType.SERVER_KEY_EXCHANGE and tls.key_exchange_group is not None:
        return f"sends its share for {name_of(tls.key_exchange_group, GROUPS)}, signed (ServerKeyExchange)"
    return _DOES.get(kind, "")


_DOES: dict[int, str] = {
    HandshakeType.HELLO_REQUEST: "asks for a new handshake (HelloRequest)",
    HandshakeType.CLIENT_HELLO: "offers what it can (ClientHello)",
    HandshakeType.SERVER_HELLO: "picks from the offer (ServerHello)",
    HandshakeType.NEW_SESSION_TICKET: "hands out a ticket for coming back sooner (NewSessionTicket)",
    HandshakeType.END_OF_EARLY_DATA: "ends its early data (EndOfEarlyData)",
    HandshakeType.ENCRYPTED_EXTENSIONS: "settles the rest, already encrypted (EncryptedExtensions)",
    HandshakeType.CERTIFICATE: "sends its certificates (Certificate)",
    HandshakeType.SERVER_KEY_EXCHANGE: "sends its key share, signed (ServerKeyExchange)",
    HandshakeType.CERTIFICATE_REQUEST: "asks for a certificate, too (CertificateRequest)",
    HandshakeType.SERVER_HELLO_DONE: "is done with its part (ServerHelloDone)",
    HandshakeType.CERTIFICATE_VERIFY: "signs the handshake with the certificate's key (CertificateVerify)",
    HandshakeType.CLIENT_KEY_EXCHANGE: "sends its key share (ClientKeyExchange)",
    HandshakeType.FINISHED: "seals all that was said so far (Finished)",
    HandshakeType.CERTIFICATE_STATUS: "sends word that its certificate is not revoked (CertificateStatus)",
    HandshakeType.KEY_UPDATE: "changes its keys (KeyUpdate)",
}


def _client_hello(hello: ClientHello) -> str:
    versions = [name_of(version, TLS_VERSIONS) for version in hello.versions]
    offers = [f"{_counted(len(versions), 'version')} ({_listed(versions)})"] if versions else []
    offers.append(_counted(len(hello.cipher_suites), "suite"))
    if hello.groups:
        offers.append(_counted(len(hello.groups), "group"))
    if hello.key_share_groups:
        offers.append(f"a key share for {_listed([name_of(g, GROUPS) for g in hello.key_share_groups])}")
    if hello.protocols:
        offers.append(f"the protocols {', '.join(hello.protocols)}")
    if hello.offers_psk:
        offers.append("a ticket from an earlier visit")
    name = f", and asks for {hello.server_name}" if hello.server_name else ", and names no server"
    return f"offers {', '.join(offers)}{name} (ClientHello)"


def _server_hello(hello: ServerHello) -> str:
    picks = [name_of(hello.version, TLS_VERSIONS), name_of(hello.cipher_suite, CIPHER_SUITES)]
    if hello.group is not None:
        picks.append(f"group {name_of(hello.group, GROUPS)}")
    if hello.uses_psk:
        picks.append("the client's ticket, so no certificate is needed")
    return f"picks {', '.join(picks)} (ServerHello)"


def _certificates(chain: Sequence[bytes]) -> str:
    facts = certificate_facts(chain)
    size = f"{_counted(len(chain), 'certificate')}, {sum(map(len, chain))} bytes"
    if facts is None:
        return f"sends {size}, the first of which is no X.509 (Certificate)"
    return f"sends {size}: the first is {facts.subject}'s, signed by {facts.issuer} (Certificate)"


def _request(frame: Frame, topology: Topology) -> str:
    request = next((message for message in frame.http if message.is_request), None)
    if request is None:
        return ""
    who, to = _who(frame.source, topology), _who(frame.destination, topology)
    return (
        f"{who} asks {to}: {request.method} {request.path} at {request.authority or 'no named host'}, "
        f"over HTTP/{request.version.value}{_stream(request)}, with {_counted(len(request.headers), 'header')}"
        f"{_request_id(request)}"
    )


def _processing(step: Step, item: Evidence) -> str:
    if not isinstance(step.facts, ProcessingFacts) or item != step.evidence[-1]:
        return item.shows
    return f"{item.shows}, {milliseconds(step.facts.origin_ns)} after it was asked"


def _response(item: Evidence, frame: Frame, topology: Topology) -> str:
    response = next((m for m in frame.http if m.status is not None and m.status >= 200), None)
    if response is None or "last byte" in item.shows:
        return item.shows
    length, kind = response.header("content-length"), response.header("content-type")
    body = ", ".join(filter(None, (kind, length and f"{length} bytes")))
    return (
        f"{_who(frame.source, topology)} answers {_who(frame.destination, topology)}: {response.status}"
        f"{f' ({body})' if body else ''}, over HTTP/{response.version.value}{_stream(response)}, "
        f"with {_counted(len(response.headers), 'header')}{_request_id(response)}; {item.shows.rpartition(', ')[2]}"
    )


def _closing(frame: Frame, topology: Topology) -> str:
    said = [_CLOSING.get(word, word) for word in closing_words(frame)]
    return f"{_who(frame.source, topology)} closes the connection: {', '.join(said)}" if said else ""


def _stream(message: HttpMessage) -> str:
    return "" if message.stream is None else f" on stream {message.stream}"


def _request_id(message: HttpMessage) -> str:
    found = message.header("x-request-id")
    return f", request id {found}" if found else ""


def _listed(items: Sequence[str], separator: str = ", ") -> str:
    """All of a few, else the first ones and how many more."""
    if len(items) <= _MOST_NAMED:
        return separator.join(items)
    return f"{separator.join(items[:_MOST_NAMED])} and {len(items) - _MOST_NAMED} more"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
