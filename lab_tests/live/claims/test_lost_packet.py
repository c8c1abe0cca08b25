"""E5: one packet of forty responses is lost; who waits for it?"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from experiment import Experiment
from live_lab import SITE, Lab, Recording
from observer.connections import Connection
from observer.deliveries import Delivery, quic_deliveries, tcp_deliveries
from observer.exchanges import exchanges
from observer.messages import Frame, StreamData
from refilled import refill, request_data
from versions import FAR_AWAY, Asked, ask

URLS = [f"{SITE}bytes/15000?n={n}" for n in range(1, 41)]
"""Forty streams of some eleven packets each: whenever one packet is lost, others are under way."""
LOSSES = {
    "2": "drop the 120th data segment from balancer port 443 to client",
    "3": "drop the 120th data datagram from balancer port 443 to client",
}
"""What the isp does. So late because flights are long by then: what follows a packet within its flight belongs to many
streams."""


def visit(lab: Lab, experiment: Experiment, http: str) -> tuple[Recording, Asked, Connection, Connection, Frame]:
    """Forty responses with one packet lost, what curl said of them, the connection as the client's link and the
    balancer's saw it, and the packet that the isp says it dropped, on edge."""
    with (
        lab.faults(LOSSES[http], FAR_AWAY) as faults,
        lab.recording(f"forty responses over HTTP/{http}, one packet lost") as recording,
    ):
        asked = ask(recording, http, URLS)
    experiment.asked(f"forty resources at once over one HTTP/{http} connection; the isp: {LOSSES[http]}; {FAR_AWAY}")
    (dropped,) = faults.touched(recording, "dropped")
    assert dropped.arrived.link == "edge" and not dropped.sent
    return recording, asked, asked.one_connection(recording), asked.one_connection(recording, "edge"), dropped.arrived


def open_hole(near: Connection, after: int, refill: Frame) -> list[Frame]:
    """The frames on the client's link from number `after` on, until the lost bytes came at last."""
    return [f for f in near.frames if after <= f.number < refill.number]


def named(streams: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(set(streams))))


def ms(deliveries: Sequence[Delivery]) -> str:
    return f"{max(d.waited_ns for d in deliveries) / 1e6:.0f} ms"


@pytest.mark.claim("E5")
def test_under_http_2_every_stream_waits_for_a_lost_segment(lab: Lab, experiment: Experiment) -> None:
    """Forty responses on one TCP connection, one segment lost: which streams wait, and how long?"""
    recording, _, near, far, dropped = visit(lab, experiment, "2")
    lost, refill = lost_segment(near, far)
    assert lost == dropped, "another segment was lost than the isp dropped"
    assert lost.tcp is not None
    deliveries = tcp_deliveries(far, near)
    owner = next(d for d in tcp_deliveries(far, far) if d.arrived.number >= lost.number)
    experiment.saw(f"on edge, and on no link after it: a segment with bytes of stream {owner.stream}", recording, lost)
    experiment.saw("the client's link saw these bytes only when the balancer sent them again", recording, refill)

    stuck = [
        f
        for f in near.frames
        if near.from_client(f) and f.tcp and f.tcp.selective_acknowledgments and f.number < refill.number
    ]
    assert stuck and {f.tcp.acknowledgment_number for f in stuck if f.tcp} == {lost.tcp.sequence_number}
    held = max(
        (end - lost.tcp.sequence_number) % (1 << 32)
        for f in stuck
        if f.tcp
        for _, end in f.tcp.selective_acknowledgments
    )
    experiment.saw(
        f"meanwhile the client's TCP acknowledged nothing but the byte before the hole, and selectively up to {held} "
        "bytes behind it: it held them, and may not hand them on (RFC 9293, section 3.4)",
        recording,
        stuck,
    )

    waiting = [d for d in deliveries if d.waited_ns]
    assert waiting, "nothing waited: this experiment decided nothing"
    hole = open_hole(near, min(d.arrived.number for d in waiting), refill)
    passing = [d for d in deliveries if d.arrived in hole and not d.waited_ns]
    assert passing == [], "somebody's data came behind the hole and did not wait"
    others = [d for d in waiting if d.stream != owner.stream]
    assert others, "only the lost segment's stream had data behind the hole: this experiment decided nothing"
    experiment.saw(
        f"all that came behind the hole waited, up to {ms(waiting)}: streams {named([d.stream for d in waiting])}",
        recording,
        [*(d.arrived for d in waiting), refill],
    )
    before = [d for d in deliveries if d.arrived.number < hole[0].number]
    assert before and not any(d.waited_ns for d in before)
    experiment.control("until then everything was usable as it came", recording, [d.arrived for d in before])
    experiment.myth(
        "HTTP/2's streams are independent",
        "the frames say: HTTP/2 interleaves them, but TCP hands their bytes on in one order: one hole stops them all",
    )


def lost_segment(near: Connection, far: Connection) -> tuple[Frame, Frame]:
    """The balancer's one segment that edge saw and the client's link did not, and the one that filled the hole."""
    lost = only(
        not_arrived(
            [f for f in far.frames if far.from_server(f) and f.tcp and f.tcp.length],
            [f for f in near.frames if near.from_server(f)],
        )
    )
    assert lost.tcp is not None
    number = lost.tcp.sequence_number
    return lost, next(f for f in near.frames if near.from_server(f) and f.tcp and f.tcp.sequence_number == number)


def only(lost: Sequence[Frame]) -> Frame:
    assert len(lost) == 1, f"{len(lost)} packets with response data were lost: this experiment is about one"
    return lost[0]


def not_arrived(sent: Sequence[Frame], arrived: Sequence[Frame]) -> list[Frame]:
    """What was sent, did not arrive, and was overtaken by what did: the isp keeps the order, and may hold the last
    ones when the recording ends. A packet keeps its IPv4 identification through both NATs (RFC 791, section 3.1)."""
    came = {f.identification for f in arrived}
    missing = [n for n, f in enumerate(sent) if f.identification not in came]
    last = max(n for n, f in enumerate(sent) if f.identification in came)
    return [sent[n] for n in missing if n < last]


@pytest.mark.claim("E5")
def test_under_http_3_only_the_stream_of_a_lost_packet_waits(lab: Lab, experiment: Experiment) -> None:
    """Forty responses on one QUIC connection, one packet lost: which streams wait, and how long?"""
    recording, asked, near, far, dropped = visit(lab, experiment, "3")
    lost = lost_packet(near, far)
    assert lost == dropped, "another packet was lost than the isp dropped"
    assert lost.quic is not None
    carried = request_data(lost)
    assert carried, "the lost packet carried no stream's data: this experiment decided nothing"
    owners = {data.stream for data in carried}
    experiment.saw(
        f"on edge, and on no link after it: a packet with bytes of stream {named(list(owners))}", recording, lost
    )
    refills = [refill(near, data) for data in carried]
    last = max(refills, key=lambda f: f.number)
    experiment.saw("they came in another packet, with another number", recording, refills)

    deliveries = quic_deliveries(far, near)
    hole = open_hole(near, first_after(near, lost), last)
    waiting = [d for d in deliveries if d.waited_ns]
    passing = [d for d in deliveries if d.arrived in hole and not d.waited_ns and d.stream not in owners]
    assert {d.stream for d in waiting} <= owners, "a stream waited that had nothing in the lost packet"
    assert passing, "no other stream's data came while the hole was open: this experiment decided nothing"
    open_ns = last.time_ns - hole[0].time_ns
    experiment.saw(
        f"the hole was open for {open_ns / 1e6:.0f} ms; meanwhile data of streams {named([d.stream for d in passing])} "
        "had come in order, each in its own stream: between streams QUIC keeps none (RFC 9000, section 2)",
        recording,
        [d.arrived for d in passing],
    )
    first = min(refills, key=lambda f: f.number)
    behind = [d for d in deliveries if d.stream in owners and hole[0].number <= d.arrived.number < first.number]
    the_owner_waited(experiment, recording, near, carried, behind, first)
    others_ended(experiment, recording, asked, (far, near), owners, hole, first, last)


def the_owner_waited(
    experiment: Experiment,
    recording: Recording,
    near: Connection,
    carried: Sequence[StreamData],
    behind: Sequence[Delivery],
    first: Frame,
) -> None:
    """Control: the lost packet's own stream waited for `first`, with bytes from `behind` its hole, or its end."""
    owners = {data.stream for data in carried}
    if behind:
        assert all(d.usable.number >= first.number for d in behind), "bytes behind the hole did not wait"
        experiment.control(
            f"stream {named(list(owners))} did wait, by the same count: {len(behind)} frames with bytes from behind "
            f"its hole had come, and stayed unusable for up to {ms(behind)}",
            recording,
            [f for d in behind for f in (d.arrived, d.usable)],
        )
    else:
        # Only the end of a stream has nothing behind it; then it is the end that waits.
        assert all(data.last for data in carried), "nothing came behind the hole: this experiment decided nothing"
        ends = [f for f in near.frames if any(data.last and data.stream in owners for data in request_data(f))]
        assert ends and ends[0].number >= first.number
        experiment.control(
            f"stream {named(list(owners))} did wait: its end was lost, and came only with the refill", recording, ends
        )


def others_ended(
    experiment: Experiment,
    recording: Recording,
    asked: Asked,
    ends: tuple[Connection, Connection],
    owners: set[int],
    hole: Sequence[Frame],
    first: Frame,
    last: Frame,
) -> None:
    """Other responses came whole while the hole was open, by the frames and by curl's own times."""
    far, near = ends
    ended = [stream for f in hole for stream in f.ended_streams if near.from_server(f) and stream not in owners]
    assert ended, "no other response had come whole while the hole was open: this experiment decided nothing"
    experiment.saw(
        f"responses on streams {named(ended)} had even come whole before the hole was filled",
        recording,
        [f for f in hole if set(f.ended_streams) & set(ended)],
    )
    done = ended_for_curl(asked, near)
    early = [stream for stream in ended if done[stream] < last.time_ns]
    assert early, "curl was done with none of them before the hole was filled: this experiment decided nothing"
    before_ms = (last.time_ns - min(done[stream] for stream in early)) / 1e6
    experiment.saw(
        f"curl's own times bear it out: it was done with streams {named(early)} up to {before_ms:.0f} ms before",
        recording,
        [*(f for f in hole if set(f.ended_streams) & set(early)), last],
    )
    left = sent_as(far, first)
    assert all(done[stream] > left.time_ns for stream in owners), "curl's times and the frames' disagree"
    experiment.control(
        f"with stream {named(list(owners))} only when the packet that filled its hole had left the balancer",
        recording,
        [left, first],
    )


def sent_as(far: Connection, arrived: Frame) -> Frame:
    """The balancer's packet on edge that arrived on the client's link as this one."""
    assert arrived.quic is not None
    numbers = set(arrived.quic.packet_numbers)
    same = (f for f in far.frames if far.from_server(f) and f.quic and numbers & set(f.quic.packet_numbers))
    return max(same, key=lambda f: f.number)  # packets of the handshake are numbered apart (RFC 9000, section 12.3)


def ended_for_curl(asked: Asked, near: Connection) -> dict[int, int]:
    """When curl was done with each stream's response. Its times count from a start that no frame shows; but they tell
    when it had sent the request, too, and that a frame shows."""
    timings = {each["url"]: each["timings_ns"] for each in asked.answer["responses"]}
    found = {}
    for exchange in exchanges(near):
        own = timings[f"{SITE.rstrip('/')}{exchange.request.path}"]
        assert exchange.request.stream is not None, "the dissector does not say which stream a request came on"
        found[exchange.request.stream] = exchange.request_frame.time_ns + own["total"] - own["pretransfer"]
    return found


def lost_packet(near: Connection, far: Connection) -> Frame:
    """The balancer's one datagram with response data that edge saw and the client's link did not."""
    lost = only(
        not_arrived(
            [f for f in far.frames if far.from_server(f) and f.quic and f.quic.stream_data],
            [f for f in near.frames if near.from_server(f)],
        )
    )
    numbers = {f.quic.packet_numbers for f in near.frames if f.quic and near.from_server(f)}
    assert lost.quic is not None and lost.quic.packet_numbers not in numbers
    return lost


def first_after(near: Connection, lost: Frame) -> int:
    """The number of the first frame on the client's link that the balancer sent after the lost one."""
    assert lost.quic is not None
    number = max(lost.quic.packet_numbers)
    return next(
        f.number
        for f in near.frames
        if near.from_server(f)
        and f.quic
        and f.quic.packet_types == (lost.quic.packet_types)
        and max(f.quic.packet_numbers) > number
    )
