"""M: what TCP does about a network that loses, repeats, damages and reorders packets, and what UDP leaves to others.

The server is the lab's echo (RFC 862), which has no protocol of its own; the isp's middlebox does the harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from conversation import conversation
from experiment import Experiment
from faults import Touched
from frame_bytes import FrameBytes, tcp_payload
from live_lab import Captured, Lab, Recording
from middlebox.packet import dissect, transport_checksum
from observer.messages import Frame, QuicPacketType, TcpFlags

ECHO_PORT = 7
LETTER = b"".join(b"line %04d: TCP puts bytes in order, and IP does not.\n" % number for number in range(600))
_ETHERNET_HEADER = 14  # bytes
_CRYPTO = 6  # RFC 9000, section 19.6


def echo_over_tcp(lab: Lab, payload: bytes) -> bytes:
    """Send `payload` to the echo over one connection, then FIN; what came back."""
    request = {"to": lab.topology.address("echo", "edge"), "port": ECHO_PORT, "payload": payload.hex()}
    answer = lab.ask_client("POST /streams", {**request, "half_close": True, "timeout_s": 20})
    assert answer["closed"], answer["error"]
    return bytes.fromhex(answer["reply"])


def echo_over_udp(lab: Lab, payload: bytes, timeout_s: float = 2.0) -> bytes | None:
    return lab.datagram("echo", ECHO_PORT, payload, timeout_s, link="edge")


def sent_by(lab: Lab, host: str, frames: Iterable[Frame]) -> list[Frame]:
    """Those of `frames` that `host` (client or echo) sent to the other of the two; the client as NAT shows it."""
    echo = lab.topology.address("echo", "edge")
    return [f for f in frames if (f.source if host == "echo" else f.destination) == echo and (f.tcp or f.udp)]


def stream_of_bytes(captured: Captured, frames: Iterable[Frame]) -> bytes:
    """The bytes that these segments of one direction carry, put in order by sequence number. Fails at a hole."""
    payloads: dict[int, bytes] = {}
    content = FrameBytes(captured)
    first = None
    for frame in frames:
        assert frame.tcp
        if frame.tcp.flags & TcpFlags.SYN:
            first = frame.tcp.sequence_number + 1
        elif is_intact(content.of(frame)):
            payload = tcp_payload(content.of(frame))
            payloads[frame.tcp.sequence_number] = max(payloads.get(frame.tcp.sequence_number, b""), payload, key=len)
    assert first is not None, "the connection's SYN is not in the capture"
    whole = b""
    for number in sorted(payloads, key=lambda number: (number - first) % 2**32):
        offset = (number - first) % 2**32
        if not payloads[number]:
            continue
        assert offset <= len(whole), f"nobody sent the bytes {len(whole)} to {offset}"
        whole = whole[:offset] + payloads[number]
    return whole


def is_intact(frame: bytes) -> bool:
    """Is the segment's checksum right?"""
    packet = frame[_ETHERNET_HEADER:]
    return transport_checksum(packet, dissect(packet)) == 0


def harmed(lab: Lab, sentence: str) -> tuple[Recording, Touched]:
    """The letter's way to the echo and back under one fault; that it came back whole, by the frames on home."""
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        reply = echo_over_tcp(lab, LETTER)
    assert reply == LETTER
    for host in ("client", "echo"):
        assert stream_of_bytes(recording, sent_by(lab, host, recording.on("home"))) == LETTER
    (touched,) = faults.touched(recording)
    return recording, touched


def repeats(frames: Iterable[Frame], of: Frame) -> list[Frame]:
    """Segments with the first byte of `of`, later than it."""
    assert of.tcp
    return [
        frame
        for frame in frames
        if frame.tcp
        and frame.tcp.length
        and frame.tcp.sequence_number == of.tcp.sequence_number
        and frame.time_ns > of.time_ns
    ]


def carriers(frames: Iterable[Frame], of: Frame) -> list[Frame]:
    """Segments that have the first byte of `of` in them, itself among them."""
    assert of.tcp
    first, ports = of.tcp.sequence_number, (of.tcp.source_port, of.tcp.destination_port)
    return [
        frame
        for frame in frames
        if frame.tcp
        and (frame.tcp.source_port, frame.tcp.destination_port) == ports
        and (first - frame.tcp.sequence_number) % 2**32 < frame.tcp.length
    ]


def complaints(frames: Iterable[Frame], about: Frame) -> list[Frame]:
    """Acknowledgements that still wait for the first byte of `about`, and name bytes beyond it (RFC 2018)."""
    assert about.tcp
    first = about.tcp.sequence_number
    return [f for f in frames if f.tcp and f.tcp.acknowledgment_number == first and f.tcp.selective_acknowledgments]


@pytest.mark.claim("M1")
@pytest.mark.parametrize(("sender", "receiver"), [("echo", "client"), ("client", "echo")])
def test_a_lost_segment_is_sent_again(lab: Lab, experiment: Experiment, sender: str, receiver: str) -> None:
    """What becomes of the bytes in a TCP segment that is lost on the way?"""
    sentence = f"drop the 5th data segment from {sender} to {receiver}"
    recording, lost = harmed(lab, sentence)

    experiment.asked(f"send {len(LETTER)} bytes to the echo and read them back; {sentence}")
    assert lost.sent == ()
    experiment.saw("the segment reached the isp and no link beyond it", recording, lost.arrived)
    near = recording.on(lost.arrived.link)
    again = repeats(sent_by(lab, sender, near), lost.arrived)
    assert again, "nobody sent the bytes again"
    assert again[0].identification != lost.arrived.identification
    experiment.saw("its bytes were sent again, in a packet of its own", recording, again[0])
    missing = complaints(sent_by(lab, receiver, near), lost.arrived)
    assert missing, "nobody asked for the bytes"
    assert missing[0].time_ns < again[0].time_ns
    experiment.saw("before that, the receiver said which bytes it missed, and which it had", recording, missing)
    far = sent_by(lab, sender, recording.on("home" if sender == "echo" else "edge"))
    experiment.control(
        "the bytes on the receiver's link, put in order by sequence number, are the letter",
        recording,
        [frame for frame in far if frame.tcp and frame.tcp.length],
    )
    experiment.myth(
        "TCP makes sure that every packet arrives", "the packet is gone for good; its bytes came in another one"
    )


@pytest.mark.claim("M1")
def test_one_segment_in_ten_may_be_lost(lab: Lab, experiment: Experiment) -> None:
    """Do the bytes arrive whole if segments are lost again and again, in both directions?"""
    sentence = "lose 10 % of every data segment between client and echo with seed 7"
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        reply = echo_over_tcp(lab, LETTER)

    experiment.asked(f"send {len(LETTER)} bytes to the echo and read them back; {sentence}")
    assert reply == LETTER
    lost = faults.touched(recording)
    assert len(lost) >= 3
    assert all(touched.sent == () for touched in lost)
    experiment.saw(f"{len(lost)} segments reached the isp and went no further", recording, [t.arrived for t in lost])
    gone = {touched.arrived.number for touched in lost}
    for touched in lost:
        # Mostly later; earlier when what was lost had itself been sent again, and needlessly.
        others = carriers(recording.on(touched.arrived.link), touched.arrived)
        assert [f for f in others if f.number not in gone], f"its bytes went in no other packet: {touched.touch}"
    for host in ("client", "echo"):
        far = sent_by(lab, host, recording.on("edge" if host == "client" else "home"))
        assert stream_of_bytes(recording, far) == LETTER
        experiment.control(f"what {host} sent arrived whole", recording, [f for f in far if f.tcp and f.tcp.length])


@pytest.mark.claim("M1")
def test_a_damaged_segment_counts_as_lost(lab: Lab, experiment: Experiment) -> None:
    """Does a segment with a wrong checksum reach the application?"""
    sentence = "corrupt the 5th data segment from echo to client"
    recording, damaged = harmed(lab, sentence)

    experiment.asked(f"send {len(LETTER)} bytes to the echo and read them back; {sentence}")
    content = FrameBytes(recording)
    on_home = [f for f in recording.on("home") if f.identification == damaged.arrived.identification and f.tcp]
    (arrived,) = (f for f in sent_by(lab, "echo", on_home) if not is_intact(content.of(f)))
    experiment.saw("it arrived on home with a checksum that does not fit", recording, arrived)
    missing = complaints(sent_by(lab, "client", recording.on("home")), damaged.arrived)
    again = repeats(sent_by(lab, "echo", recording.on("home")), arrived)
    assert missing and again
    experiment.saw("the client still asked for its bytes, and got them again", recording, [*missing, *again])
    experiment.control("that packet's checksum fits", recording, [f for f in again if is_intact(content.of(f))])


@pytest.mark.claim("M1")
@pytest.mark.parametrize("overtaken_by", [1, 2])
def test_reordered_segments_are_put_in_order(lab: Lab, experiment: Experiment, overtaken_by: int) -> None:
    """Does the application notice that segments came in another order?"""
    sentence = f"hold the 5th data segment from echo to client until {overtaken_by} more have passed"
    recording, held = harmed(lab, sentence)

    experiment.asked(f"send {len(LETTER)} bytes to the echo and read them back; {sentence}")
    assert held.arrived.tcp
    first = held.arrived.tcp.sequence_number
    on_home = sent_by(lab, "echo", recording.on("home"))
    late = next(f for f in on_home if f.tcp and f.tcp.length and f.tcp.sequence_number == first)
    before = [f for f in on_home if f.tcp and f.tcp.sequence_number > first and f.time_ns < late.time_ns]
    assert len(before) >= overtaken_by
    experiment.saw(f"{len(before)} segments with later bytes reached home first", recording, [*before, late])
    asked = complaints(sent_by(lab, "client", recording.on("home")), held.arrived)
    assert asked
    experiment.saw("the client named the hole while it was there", recording, asked)
    experiment.control("the bytes on home, by sequence number, are the letter", recording, on_home)


@pytest.mark.claim("M1")
def test_a_segment_that_comes_twice_counts_once(lab: Lab, experiment: Experiment) -> None:
    """Does the application get bytes twice if their segment comes twice?"""
    sentence = "duplicate the 5th data segment from echo to client"
    recording, doubled = harmed(lab, sentence)

    experiment.asked(f"send {len(LETTER)} bytes to the echo and read them back; {sentence}")
    identification = doubled.arrived.identification
    twice = [f for f in sent_by(lab, "echo", recording.on("home")) if f.identification == identification]
    assert len(twice) == 2
    experiment.saw("the same packet came twice on home", recording, twice)
    experiment.control("each other one came once", recording, _once(sent_by(lab, "echo", recording.on("home")), twice))
    reported = [f for f in sent_by(lab, "client", recording.on("home")) if _reports_twice(f)]
    assert reported
    experiment.saw("the client said so: it acknowledged bytes that it had already (RFC 2883)", recording, reported)


def _once(frames: list[Frame], apart_from: list[Frame]) -> list[Frame]:
    others = [f for f in frames if f not in apart_from and f.tcp and f.tcp.length]
    assert len({f.identification for f in others}) == len(others)
    return others


def _reports_twice(frame: Frame) -> bool:
    """A duplicate is told by a first block below the acknowledgement number (RFC 2883, section 4)."""
    if not frame.tcp or not frame.tcp.selective_acknowledgments:
        return False
    left, _ = frame.tcp.selective_acknowledgments[0]
    return (frame.tcp.acknowledgment_number - left) % 2**32 < 2**31 and left != frame.tcp.acknowledgment_number


def datagrams(captured: Captured, lab: Lab, host: str, link: str, payload: bytes) -> list[Frame]:
    """The datagrams of `host` with that payload on `link`."""
    content = FrameBytes(captured)
    return [f for f in sent_by(lab, host, captured.on(link)) if f.udp and content.of(f).endswith(payload)]


@pytest.mark.claim("M2")
@pytest.mark.parametrize(("sender", "receiver"), [("client", "echo"), ("echo", "client")])
def test_a_lost_datagram_is_gone(lab: Lab, experiment: Experiment, sender: str, receiver: str) -> None:
    """What becomes of a UDP datagram that is lost on the way, and of the question in it?"""
    sentence = f"drop the 2nd datagram from {sender} to {receiver}"
    first, lost, again = b"the first question", b"the lost question", b"the question asked again"
    with lab.recording(sentence) as recording, lab.faults(sentence) as faults:
        replies = [echo_over_udp(lab, payload, timeout_s) for payload, timeout_s in ((first, 5), (lost, 1), (again, 5))]

    experiment.asked(f"three datagrams to the echo, one after the other; {sentence}; one second's wait for an answer")
    assert replies == [first, None, again]
    (dropped,) = faults.touched(recording)
    assert dropped.sent == ()
    experiment.saw("the datagram reached the isp and no link beyond it", recording, dropped.arrived)
    asked = datagrams(recording, lab, "client", "home", lost)
    assert len(asked) == 1, "somebody sent it again"
    assert not datagrams(recording, lab, "echo", "home", lost)
    experiment.saw("in the second that followed nobody sent it again, nor said that it was lost", recording, asked)
    later = datagrams(recording, lab, "client", "home", again)
    answered = datagrams(recording, lab, "echo", "home", again)
    assert later and answered
    experiment.control("asked again by the application, the question was answered", recording, [*later, *answered])
    experiment.control(
        "the same search finds the first datagram, and its answer",
        recording,
        datagrams(recording, lab, "client", "home", first) + datagrams(recording, lab, "echo", "home", first),
    )


@pytest.mark.claim("M2")
def test_a_lost_question_to_the_resolver_is_asked_again(lab: Lab, experiment: Experiment) -> None:
    """Who asks again when the datagram with a DNS question is lost?"""
    sentence = "drop the 1st datagram from client to resolver port 53"
    # Questions to the resolver stay on the internet link: the isp gets to see them because it claims the address.
    with (
        lab.recording("a lost DNS question") as recording,
        lab.attacks({"kind": "claim"}),
        lab.faults(sentence) as faults,
    ):
        visit = recording.visit("http://parseltongue.co.in/", timeout_s=30)

    experiment.asked(f"a visit whose first DNS question is lost: {sentence}")
    assert visit["exit_code"] == 0
    (touch,) = faults.touches
    router = lab.topology.address("router", "internet")
    copies = [f for f in recording.on("internet") if f.dns and f.source == router and not f.dns.is_response]
    (lost,) = [f for f in copies if f.identification == touch.identification]
    assert lost.dns
    experiment.saw("the question left the router, and the isp did not pass it on", recording, lost)
    home = [f for f in recording.on("home") if f.dns and not f.dns.is_response and f.dns.type == lost.dns.type]
    first, again = home[:2]
    assert first.udp and again.udp and first.dns and again.dns
    assert (first.dns.name, first.dns.id) == (again.dns.name, again.dns.id)
    waited_s = (again.time_ns - first.time_ns) / 1e9
    assert waited_s > 1
    experiment.saw(f"after {waited_s:.1f} s the client's own resolver code asked again", recording, [first, again])
    answered = [f for f in recording.on("home") if f.dns and f.dns.is_response and f.dns.id == first.dns.id]
    assert answered and all(f.time_ns > again.time_ns for f in answered)
    experiment.control("the second question was passed on and answered", recording, answered)


@pytest.mark.claim("M2")
def test_datagrams_stay_doubled_and_out_of_order(lab: Lab, experiment: Experiment) -> None:
    """Does UDP mend the other things that a network does?"""
    one, two, three = b"datagram one", b"datagram two", b"datagram three"
    sentences = ("swap the 1st and 2nd datagram from client to echo", "duplicate the 3rd datagram from client to echo")
    with lab.recording("; ".join(sentences)) as recording, lab.faults(*sentences) as faults:
        assert echo_over_udp(lab, one, 0.3) is None
        assert echo_over_udp(lab, two) == two
        assert echo_over_udp(lab, three) == three

    experiment.asked(f"three datagrams to the echo; {'; '.join(sentences)}")
    assert [touch.action for touch in faults.touches] == ["held", "duplicated"]
    order: Callable[[str], list[Frame]] = lambda link: [  # noqa: E731
        frame for payload in (one, two) for frame in datagrams(recording, lab, "client", link, payload)
    ]
    assert [f.time_ns for f in order("home")] == sorted(f.time_ns for f in order("home"))
    assert [f.time_ns for f in order("edge")] == sorted((f.time_ns for f in order("edge")), reverse=True)
    experiment.control("one and two left the client in this order", recording, order("home"))
    experiment.saw("they reached the echo in the other one", recording, order("edge"))
    doubled = datagrams(recording, lab, "client", "edge", three)
    answers = datagrams(recording, lab, "echo", "edge", three)
    assert (len(doubled), len(answers)) == (2, 2)
    experiment.saw("the third came twice, and was taken for two questions: two answers", recording, doubled + answers)


@pytest.mark.claim("M3")
def test_tcp_opens_with_three_packets_and_udp_with_none(lab: Lab, experiment: Experiment) -> None:
    """How many packets go before the first byte that the application sends?"""
    with lab.recording("a byte over TCP, a byte over UDP, a page over HTTP/3") as recording:
        assert echo_over_tcp(lab, b"x") == b"x"
        assert echo_over_udp(lab, b"x") == b"x"
        recording.visit(http="3")

    experiment.asked("one byte to the echo over TCP; one over UDP; a page over HTTP/3")
    home = recording.on("home")
    tcp = [f for f in home if f.tcp and "echo" in (lab.topology.name(f.source), lab.topology.name(f.destination))]
    opening = conversation(tcp[:4], lab.topology).reads("""
        client -> echo    SYN
        echo   -> client  SYN ACK
        client -> echo    ACK
        client -> echo    data
    """)
    assert [u.frame.tcp.length for u in opening if u.frame.tcp] == [0, 0, 0, 1]
    experiment.saw("TCP: SYN, SYN ACK, ACK, and then the byte", recording, [u.frame for u in opening])
    udp = [f for f in home if f.udp and "echo" in (lab.topology.name(f.source), lab.topology.name(f.destination))]
    assert udp[0].source == lab.topology.address("client", "home")
    assert FrameBytes(recording).of(udp[0]).rstrip(b"\0").endswith(b"x")
    experiment.saw("UDP: the first packet carries the byte", recording, udp[0])

    quic = [f for f in home if f.quic]
    assert quic[0].quic
    assert quic[0].quic.packet_types == (QuicPacketType.INITIAL,)
    assert _CRYPTO in quic[0].quic.frame_types
    # With a post-quantum key share the ClientHello may need two.
    hello = next(f for f in quic if f.tls and f.tls.client_hello)
    flight = [f for f in quic if f.time_ns <= hello.time_ns and f.source == quic[0].source]
    experiment.saw("QUIC: its first datagram is an Initial, with the ClientHello in it", recording, flight)
    request = next(f for f in quic if f.http)
    answered = [f for f in quic if f.source == quic[0].destination and f.time_ns < request.time_ns]
    assert answered
    experiment.saw("the request came only after the server had answered that", recording, [*answered, request])
    experiment.myth(
        "HTTP/3 runs on UDP, so it needs no handshake",
        "UDP opens with none, QUIC with its own: a round trip goes before the request, as the frames show",
    )
