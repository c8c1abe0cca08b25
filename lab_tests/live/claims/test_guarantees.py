"""J: encryption, authentication, integrity - each beside what plain HTTP gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificate_table import deciding
from eavesdropper import Eavesdropper
from experiment import Experiment
from frame_bytes import FrameBytes
from glass_host import HOST as GLASS_HOST
from glass_host import URL as GLASS_URL
from glass_host import glass_host
from live_lab import Lab, Recording
from misissued import client_alerts, connections_to, outspoken, requests
from observer.connections import Connection, Transport
from observer.deliveries import quic_deliveries
from observer.exchanges import Exchange
from observer.messages import Frame, HandshakeType
from observer.registries import ALERTS, name_of
from observer.topology import LINKS
from refilled import refill, request_data

SECURE = "https://parseltongue.co.in"
PLAIN = "http://plain.parseltongue.co.in"
FRONT = ("home", "internet", "edge")


@pytest.mark.claim("J1")
@pytest.mark.parametrize("http", ["1.1", "2", "3"])
def test_what_anybody_reads_over_http_is_nowhere_to_be_found_over_https(
    lab: Lab, experiment: Experiment, http: str
) -> None:
    """Is anything of the conversation left for somebody on the path, on any link?"""
    sent, received = f"needle-{lab.name}-asked", b"says: needle-in-the-answer"
    path = f"/echo?word={sent}"
    cookie = ["Cookie", "pet=needle-in-a-cookie"]
    with lab.recording("needles over HTTP") as plain:
        plain.visit(f"{PLAIN}{path}", http="1.1", headers=[cookie], method="POST", body=received.decode())
    with lab.recording(f"needles over HTTPS, HTTP/{http}") as secure:
        secure.visit(f"{SECURE}{path}", http=http, headers=[cookie], method="POST", body=received.decode())
    experiment.asked(f"POST {path} with a cookie and a body, over plain HTTP and over HTTPS with HTTP/{http}")
    needles = {"in the path": sent.encode(), "in the cookie": b"needle-in-a-cookie", "in the body": received}
    clear, closed = Eavesdropper(plain), Eavesdropper(secure)
    for where, needle in needles.items():
        for link in LINKS:
            assert closed.finds(needle, link) == [], f"{where}: readable on {link}"
        for link in FRONT:
            found = clear.finds(needle, link)
            assert found, f"{where}: not even over HTTP found on {link}"
            experiment.control(f"{where}, over HTTP: found on {link}", plain, found)
    experiment.saw("over HTTPS none of them on any link, the balancer's own leg included", secure, [])
    answered = [e for e in secure.exchanges("edge") if e.request.path == path and e.response]
    assert [e.response.status for e in answered if e.response] == [200]
    experiment.control("the request was there: with the keys it is read", secure, [e.request_frame for e in answered])


@dataclass(frozen=True, slots=True)
class Damage:
    """One byte changed on the way, and how whoever gets it ends the connection (RFC 8446, section 6.2)."""

    what: str
    sentence: str
    by_client: bool
    alert: str


# Over TLS 1.3 the balancer's records are: 1 ServerHello, 2 ChangeCipherSpec, 3 EncryptedExtensions and so on, and then
# two tickets and the response; the client's are: 1 ClientHello, 2 ChangeCipherSpec, 3 Finished, 4 the request.
DAMAGES = (
    Damage("the response", "flip one byte in the 9th TLS record from balancer to client", True, "bad_record_mac"),
    Damage("the request", "flip one byte in the 4th TLS record from client to balancer", False, "bad_record_mac"),
    Damage("the handshake", "flip one byte in the 3rd TLS record from balancer to client", True, "bad_record_mac"),
    Damage(
        "a record's header",
        "flip the byte at offset 0 in the 9th TLS record from balancer to client",
        True,
        "unexpected_message",
    ),
)


def only_connection(recording: Recording, link: str, transport: Transport = Transport.TCP) -> Connection:
    """The one connection that a client opened on `link` meanwhile."""
    found = [c for c in recording.opened(link) if c.transport is transport]
    assert len(found) == 1, f"{link}: expected one connection, found {len(found)}"
    return found[0]


def alerts(connection: Connection, *, of_client: bool) -> list[tuple[str, Frame]]:
    return [
        (name_of(alert.description, ALERTS), frame)
        for frame in connection.frames
        if frame.tls and connection.from_client(frame) is of_client
        for alert in frame.tls.alerts
    ]


@pytest.mark.claim("J3")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what.replace(" ", "-"))
def test_one_flipped_byte_ends_a_tls_connection_at_once(lab: Lab, experiment: Experiment, damage: Damage) -> None:
    """Does TLS notice a single changed byte, and what does it do?"""
    with lab.recording(f"{damage.sentence}") as recording, lab.faults(damage.sentence) as faults:
        answer = recording.visit(f"{SECURE}/bytes/60000", http="1.1", tls="1.3")
    (touched,) = faults.touched(recording)
    (sent,) = touched.sent
    experiment.asked(f"GET /bytes/60000 over TLS 1.3 while the isp is told: {damage.sentence}")
    assert FrameBytes(recording).tcp_payload(touched.arrived) != FrameBytes(recording).tcp_payload(sent)
    assert sent.tcp and not sent.tcp.retransmission
    experiment.saw(f"{damage.what}: one byte differs between these two frames", recording, [touched.arrived, sent])
    connection = only_connection(recording, "home" if damage.by_client else "edge")
    said = alerts(connection, of_client=damage.by_client)
    assert [name for name, _ in said] == [damage.alert], f"{answer['error']}"
    experiment.saw(f"whoever got it answers with {damage.alert}", recording, said[0][1])
    assert http_after(connection, said[0][1]) == [], "the connection went on"
    assert connection.closing, "the connection stayed open"
    assert answer["exit_code"] != 0
    experiment.saw("and ends the connection: no HTTP after it", recording, connection.closing[-1:])
    with lab.recording(f"undamaged: the control of {damage.what}") as control:
        unharmed = control.visit(f"{SECURE}/bytes/60000", http="1.1", tls="1.3")
    assert unharmed["exit_code"] == 0, unharmed["error"]
    whole = only_connection(control, connection.link)
    assert whole.client_hello and damage.alert not in [name for name, _ in alerts(whole, of_client=damage.by_client)]
    found = http_after(whole, whole.client_hello[0])
    experiment.control("unharmed, the same search behind ClientHello finds request and response", control, found)


def http_after(connection: Connection, frame: Frame) -> list[Frame]:
    return [f for f in connection.frames if f.time_ns > frame.time_ns and f.http]


@pytest.mark.claim("J3")
def test_one_flipped_byte_goes_unnoticed_over_plain_http(lab: Lab, experiment: Experiment) -> None:
    """Does anybody notice the same byte where there is no TLS?"""
    sentence = "flip one byte in the 3rd data segment from balancer port 80 to client"
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        answer = recording.visit(f"{PLAIN}/bytes/60000", http="1.1")
    (touched,) = faults.touched(recording)
    (sent,) = touched.sent
    raw = FrameBytes(recording)
    before, behind = raw.tcp_payload(touched.arrived), raw.tcp_payload(sent)
    assert [a == b for a, b in zip(before, behind, strict=True)].count(False) == 1
    experiment.asked(f"GET /bytes/60000 over plain HTTP while the isp is told: {sentence}")
    experiment.saw(
        f"{len(before)} bytes of the page, one of them another behind the isp", recording, [touched.arrived, sent]
    )
    assert answer["exit_code"] == 0
    (exchange,) = recording.exchanges("home")
    assert exchange.response and exchange.response.status == 200 and exchange.response_end
    assert not any(f.tcp.retransmission for f in exchange.connection.frames if f.tcp)
    experiment.saw(
        "the client took it: 200, to the last byte, and nothing was asked for again",
        recording,
        [exchange.request_frame, exchange.response_end],
    )
    experiment.myth("TCP's checksum protects what is sent", "whoever changes the bytes computes it anew: it fits")


@pytest.mark.claim("J3")
def test_quic_drops_a_changed_packet_and_goes_on(lab: Lab, experiment: Experiment) -> None:
    """Does one changed byte end a QUIC connection, too?"""
    sentence = "flip one byte in the 20th QUIC packet from balancer to client"
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        answer = recording.visit(f"{SECURE}/bytes/60000", http="3")
    (touched,) = faults.touched(recording)
    (sent,) = touched.sent
    experiment.asked(f"GET /bytes/60000 over HTTP/3 while the isp is told: {sentence}")
    raw = FrameBytes(recording)
    assert raw.of(touched.arrived)[42:] != raw.of(sent)[42:]
    assert touched.arrived.quic and touched.arrived.quic.frame_types, "as it came it opens"
    assert sent.quic is None or not sent.quic.frame_types, "as it left it does not"
    experiment.saw("one byte differs, and the packet does not open any more", recording, [touched.arrived, sent])
    assert answer["exit_code"] == 0, answer["error"]
    (exchange,) = recording.exchanges("home")
    assert exchange.response and exchange.response.status == 200 and exchange.response_end
    _came_again(experiment, recording, exchange, touched.arrived)
    closes = [f for f in exchange.connection.closing if exchange.connection.from_client(f)]
    assert all(exchange.response_end.time_ns <= f.time_ns for f in closes), "the client gave up"
    assert requests(exchange.connection), "this test looked at nothing"


def _came_again(experiment: Experiment, recording: Recording, exchange: Exchange, damaged: Frame) -> None:
    """What the damaged packet carried came in another packet, and the whole body with it."""
    near, far = exchange.connection, only_connection(recording, "edge", Transport.QUIC)
    carried = request_data(damaged)
    assert carried and damaged.quic, "the damaged packet carried nothing of the body: this test looked at nothing"
    refills = [refill(near, data) for data in carried]
    for again in refills:
        assert again.quic and again.time_ns > damaged.time_ns
        assert not set(again.quic.packet_numbers) & set(damaged.quic.packet_numbers)
    lost = ", ".join(f"{data.length} bytes of stream {data.stream} from {data.offset} on" for data in carried)
    experiment.saw(f"{lost}: lost with the packet, and sent again in another", recording, [damaged, *refills])
    # Data with the stream's end can be used only once every byte before it has come.
    usable = {d.arrived.number: d.usable for d in quic_deliveries(far, near) if d.stream == carried[0].stream}
    ends = [(f, data) for f in near.frames for data in request_data(f) if data.last and near.from_server(f)]
    assert ends and ends[0][0].number in usable, "bytes of the body are missing"
    end, last = ends[0]
    size = last.offset + (last.length or 0)
    assert last.length is not None and size > 60_000, f"the stream ends after {size} bytes: 60000 were asked for"
    text = f"the connection goes on to the last byte: all {size} bytes of the stream came, in order"
    experiment.saw(text, recording, [end, usable[end.number]])


@pytest.mark.claim("J2")
@pytest.mark.parametrize(
    "options",
    [{"with_": "curl"}, {"with_": "python"}, {"with_": "glassbox"}, {"with_": "browser"}],
    ids=lambda options: str(options["with_"]),
)
def test_a_server_with_the_right_certificate_and_another_key_gets_no_request(
    lab: Lab, experiment: Experiment, options: dict[str, str]
) -> None:
    """A certificate is public. Is it enough to have it, to pass for the server that it names?"""
    with glass_host(lab, key="site"), lab.recording("the right certificate, another's key") as impostor:
        refused = impostor.visit(GLASS_URL, http="1.1", **options)
    with glass_host(lab), lab.recording("the right certificate and its key") as genuine:
        accepted = genuine.visit(GLASS_URL, http="1.1", **options)
    experiment.asked(f"{options['with_']}: GET {GLASS_URL} from a server that has the certificate, not its private key")
    tried = connections_to(impostor, GLASS_HOST, "home")  # Chromium tries a second time
    true = deciding(connections_to(genuine, GLASS_HOST, "home"), GLASS_HOST)
    shown = {f.tls.certificates for each in (*tried, true) for f in each.frames if f.tls and f.tls.certificates}
    telling = outspoken(tried)
    assert telling and len(shown) == 1, "both showed the same certificates"
    for false in telling:
        verify = [f for f in false.frames if f.tls and HandshakeType.CERTIFICATE_VERIFY in f.tls.handshake]
        said = client_alerts(false)
        assert [name for name, _ in said] == ["decrypt_error"], refused["error"]  # RFC 8446, section 6.2
        assert verify and requests(false) == []
        text = "CertificateVerify is signed with the wrong key: decrypt_error, and no request"
        experiment.saw(text, impostor, [*verify, said[0][1]])
    assert refused["exit_code"] != 0
    assert accepted["exit_code"] == 0 and client_alerts(true) == []
    experiment.control("with the right key the same certificate gets the request", genuine, requests(true))
    experiment.myth("whoever shows the certificate is the server", "the signature counts that only its key makes")


RESEND = (Path(__file__).parent / "resend_records.py").read_text(encoding="utf-8")


@pytest.mark.claim("J3")
@pytest.mark.parametrize("how", ["one twice", "the later one first"], ids=["replayed", "reordered"])
def test_records_that_come_twice_or_in_another_order_are_refused(lab: Lab, experiment: Experiment, how: str) -> None:
    """The bytes are unchanged, each record is genuine: may somebody on the path repeat or reorder them?"""
    recordings, told = {}, {}
    for order in (how, "in order"):
        with lab.recording(f"two records, {order}") as recordings[order]:
            code, output = lab.container("client").exec_run(["python3", "-c", RESEND, order], user="10001")
            assert code == 0, output.decode()
            told[order] = json.loads(output)
            recordings[order].add_keys(told[order]["keylog"])
    experiment.asked(f"two requests on one TLS 1.3 connection, their records sent {how}; then the same in order")
    connection = only_connection(recordings[how], "edge")
    refused = alerts(connection, of_client=False)
    assert [name for name, _ in refused] == ["bad_record_mac"], told[how]
    assert connection.closing
    experiment.saw(
        "the balancer answers with bad_record_mac and ends the connection: the number of a record is part of its nonce "
        "(RFC 8446, section 5.3), so a record opens in its own place only",
        recordings[how],
        [refused[0][1], connection.closing[-1]],
    )
    answered = [e for e in recordings["in order"].exchanges("edge") if e.response and e.response.status == 200]
    assert len(answered) == 2, told["in order"]
    frames = [frame for e in answered for frame in (e.request_frame, e.response_frame) if frame]
    experiment.control("in order both are answered", recordings["in order"], frames)
