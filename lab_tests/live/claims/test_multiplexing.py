"""E1 to E3: ten resources over one connection, under HTTP/1.1, 2 and 3."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from experiment import Experiment
from live_lab import SITE, Lab
from observer.connections import Connection
from observer.exchanges import Exchange, exchanges
from observer.messages import Frame, TcpFlags
from observer.round_trips import of_exchanges
from versions import FAR_AWAY, ROUND_TRIP_NS, ask, ended, side_by_side, times

SLOW_MS = 1000
SLOW_PLACE = 3
SIZE = 60_000
"""Bytes of each other resource under HTTP/2 and 3: several frames each, so that there is something to interleave."""
_DATA = 0  # RFC 9113, section 6.1


def ten_urls(size: int, *, slow: bool) -> list[str]:
    """Ten resources with names of their own; with `slow`, one of them makes its origin wait."""
    urls = [f"{SITE}bytes/{size}?n={n}" for n in range(1, 11)]
    if slow:
        urls[SLOW_PLACE - 1] = f"{SITE}slow?ms={SLOW_MS}"
    return urls


def slow_one(found: tuple[Exchange, ...]) -> Exchange:
    return next(e for e in found if (e.request.path or "").startswith("/slow"))


@pytest.mark.claim("E1")
def test_under_http_1_1_ten_resources_come_one_after_the_other(lab: Lab, experiment: Experiment) -> None:
    """Does HTTP/1.1 ask for the next resource before the one before it has come, and whom does a slow one hold up?"""
    with lab.recording("ten resources over HTTP/1.1, the third one slow") as recording:
        asked = ask(recording, "1.1", ten_urls(1000, slow=True))
    experiment.asked(f"ten resources in one run of curl, HTTP/1.1; the third answers after {SLOW_MS} ms")
    connection = asked.one_connection(recording)
    found = exchanges(connection)

    own = recording.since_begun("home")
    syns = [f for f in own if f.tcp and f.tcp.flags == TcpFlags.SYN and f.tcp.destination_port == 443]
    assert len(syns) == 1
    experiment.saw("one SYN: all ten went over one connection", recording, syns)

    for before, after in pairwise(found):
        assert before.response_end is not None
        assert before.response_end.number < after.request_frame.number, "asked before the last answer had come"
    turns = [f for e in found for f in (e.request_frame, e.response_end) if f]
    experiment.saw(
        "request, response, request, response: curl never has two requests under way. HTTP/1.1 would let it send more "
        "before the answer (pipelining); the answers would have to come in the same order (RFC 9112, section 9.3.2)",
        recording,
        turns,
    )
    assert of_exchanges(connection) == len(found)

    slow = slow_one(found)
    later = found[SLOW_PLACE]
    held_ns = later.request_frame.time_ns - slow.request_frame.time_ns
    assert held_ns >= SLOW_MS * 1_000_000
    experiment.saw(
        f"the fourth request left {held_ns / 1e6:.0f} ms after the slow one's, when that had been answered: "
        "the seven after it waited for something that was none of their business",
        recording,
        [slow.request_frame, slow.response_frame or slow.request_frame, later.request_frame],
    )
    experiment.myth(
        "HTTP/1.1 needs a connection per resource",
        "the frames say: one SYN, ten requests; what it lacks are responses that overlap",
    )


@pytest.mark.claim("E2")
@pytest.mark.parametrize("http", ["2", "3"])
def test_under_http_2_and_3_ten_resources_share_a_connection_and_the_slow_one_holds_nobody_up(
    lab: Lab, experiment: Experiment, http: str
) -> None:
    """Do ten responses on one connection interleave, and does a slow one among them hold the others up?"""
    # Without any distance a response can be over before the next one begins: nothing then has to share the connection.
    distance = "delay 5 ms each way"
    with lab.recording(f"ten resources over HTTP/{http}, the third one slow") as recording, lab.faults(distance):
        asked = ask(recording, http, ten_urls(SIZE, slow=True))
    experiment.asked(
        f"ten resources in one run of curl, HTTP/{http}, all at once, 10 ms away; the third answers after {SLOW_MS} ms"
    )
    connection = asked.one_connection(recording)
    found = exchanges(connection)

    together = busiest(found)
    assert len(together) > 1
    experiment.saw(
        f"at the busiest moment {len(together)} requests were under way", recording, [e.request_frame for e in together]
    )

    order = [(stream, frame) for frame in connection.frames for stream in data_streams(connection, frame)]
    runs = [stream for stream, _ in groupby(stream for stream, _ in order)]
    torn = sorted({stream for stream in runs if runs.count(stream) > 1})
    assert torn, "no stream's data was interrupted by another's"
    witnesses = [frame for (a, _), (b, frame) in pairwise(order) if a != b]
    experiment.saw(
        f"data of {len(torn)} streams was interrupted by that of others and went on later: {len(runs)} runs of "
        f"{len(set(runs))} streams",
        recording,
        witnesses,
    )

    slow = slow_one(found)
    others = [e for e in found if e is not slow]
    assert slow.response_start is not None
    overtaken = [
        e.response_end for e in others if e.response_end and e.response_end.number < slow.response_start.number
    ]
    assert len(overtaken) == len(others), "somebody was not done when the slow response began"
    waited_ns = slow.response_start.time_ns - slow.request_frame.time_ns
    assert waited_ns >= SLOW_MS * 1_000_000
    rest_ns = max(ended(e) for e in others) - slow.request_frame.time_ns
    experiment.saw(
        f"the other nine were complete {rest_ns / 1e6:.0f} ms after the slow one's request, its own answer came after "
        f"{waited_ns / 1e6:.0f} ms",
        recording,
        [*overtaken, slow.response_start],
    )


def busiest(found: tuple[Exchange, ...]) -> list[Exchange]:
    """The most exchanges that were under way at once."""
    moments = (
        [e for e in found if e.request_frame.time_ns <= asked.request_frame.time_ns < ended(e)] for asked in found
    )
    return max(moments, key=len)


def data_streams(connection: Connection, frame: Frame) -> list[int]:
    """The streams whose response content a frame from the server carries, in order."""
    if not connection.from_server(frame):
        return []
    if frame.quic:
        return [data.stream for data in frame.quic.stream_data if data.stream % 4 == 0]
    typed = zip(frame.http2_frame_types, frame.http2_stream_ids, strict=True)
    return [stream for kind, stream in typed if kind == _DATA]


@pytest.mark.claim("E3")
def test_ten_resources_take_ten_round_trips_under_1_1_and_one_under_2_and_3(lab: Lab, experiment: Experiment) -> None:
    """With the server 50 ms away and back, how many round trips do ten small resources take under each version?"""
    urls = ten_urls(1000, slow=False)
    with lab.faults(FAR_AWAY), lab.recording("ten resources, 50 ms away, under HTTP/1.1, 2 and 3") as recording:
        visits = [ask(recording, http, urls) for http in ("1.1", "2", "3")]
    experiment.asked("ten resources of 1000 bytes under each version; the isp holds every packet for 25 ms each way")

    own = {visit.http: visit.one_connection(recording) for visit in visits}
    round_trip_ns = min(c.round_trip_ns for c in own.values() if c.round_trip_ns)
    handshake = own["1.1"].opening
    assert round_trip_ns >= ROUND_TRIP_NS
    experiment.saw(f"a round trip takes {round_trip_ns / 1e6:.1f} ms, SYN to SYN-ACK", recording, handshake[:2])

    far = {visit.http: visit.one_connection(recording, "edge") for visit in visits}
    travelled = {http: travelled_ns(own[http], far[http]) / round_trip_ns for http in own}
    for http, expected in (("1.1", 10), ("2", 1), ("3", 1)):
        turns = of_exchanges(own[http])
        found = exchanges(own[http])
        marks = [f for e in found for f in (e.request_frame, e.response_end) if f]
        experiment.saw(
            f"HTTP/{http}: the client asked, and waited, {times(turns)}; from first request to last response something "
            f"was on its way between home and edge for {travelled[http]:.1f} round trips",
            recording,
            marks,
        )
        # All at once is one turn; two, if the machine stopped the client for a round trip while it was asking.
        assert turns == expected or (expected == 1 and turns == 2)
        way_ns = travelled_ns(own[http], far[http])
        assert way_ns >= expected * ROUND_TRIP_NS, "quicker than the way allows: the clock and the count disagree"
    assert max(travelled["2"], travelled["3"]) < travelled["1.1"]

    experiment.myth(
        "HTTP/2 is faster because it compresses headers",
        f"the frames say: the ten requests took {request_bytes(own['1.1'])} bytes in 1.1 and {request_bytes(own['2'])} "
        f"in 2, one or two segments' worth; what 2 saved is nine waits of {round_trip_ns / 1e6:.0f} ms",
    )
    compared, drawn = side_by_side(lab, recording, visits)
    assert [c.most_at_once > 1 for c in compared.contenders] == [False, True, True]
    experiment.exhibit(f"captures/{recording.folder.name}/comparison.html shows the same\n{drawn}")


def travelled_ns(near: Connection, far: Connection) -> int:
    """How long requests or responses were between the client's link and the server's, each moment counted once: the
    servers' own time, which depends on what else the machine does, is not in it."""
    there = {e.request.path: e for e in exchanges(far)}
    ways = []
    for here in exchanges(near):
        mate = there[here.request.path]
        ways.append((here.request_frame.time_ns, mate.request_frame.time_ns))
        ways.append((ended(mate), ended(here)))
    total, reached = 0, 0
    for start, end in sorted(ways):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def request_bytes(connection: Connection) -> int:
    """TCP payload of the frames that carry the connection's requests."""
    frames = {e.request_frame.number: e.request_frame for e in exchanges(connection)}
    return sum(f.tcp.length for f in frames.values() if f.tcp)
