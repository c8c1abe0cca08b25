"""Captures made elsewhere: what each odd thing in them is told as."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from foreign_captures import FOREIGN, foreign, names
from observer.capture_file import NoCaptureError, check_beginning, ending
from observer.connections import Connection, Resumption, Transport, connections
from observer.dissect import DissectionError, frames_and_glimpses
from observer.exchanges import exchanges
from observer.explain import Form, explain, journeys, read_into, told
from observer.kept import Bounds, Kept
from observer.messages import Frame, QuicPackets, QuicPacketType
from observer.oddities import Oddities
from observer.pcapng import BlockType
from observer.sealed import sealed
from observer.steps import Journey, Status, StepName
from observer.style import Style
from observer.summary import header, line_of, summary
from observer.topology import NO_LAB
from programs_here import needs_tshark


def connections_of(name: str) -> tuple[Connection, ...]:
    return connections(foreign(name))


def without_keys(frames: list[Frame]) -> list[Frame]:
    """As tshark would have typed them without keys: TLS 1.3's records closed, TLS 1.2's Finished unread."""
    closed = []
    for frame in frames:
        tls = frame.tls
        if tls:
            hidden = tuple(r if r.type != 23 else replace(r, inner_type=None) for r in tls.records)
            is_1_3 = any(r.type == 23 and r.inner_type != 23 for r in tls.records) or not tls.handshake
            tls = replace(tls, handshake=tuple(t for t in tls.handshake if t in (1, 2, 11, 12, 14, 16)), alerts=())
            tls = replace(tls, records=hidden if is_1_3 else tls.records)
        closed.append(replace(frame, tls=tls, http=(), http2_frame_types=(), ended_streams=()))
    return closed


# ---------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tls12-session-id", [None, Resumption.SESSION_ID]),
        ("tls12-ticket", [None, Resumption.TICKET]),
        ("tls13-psk", [None, Resumption.PSK]),
        ("tls13-hello-retry", [None]),
        ("tls13-refused", [None]),
    ],
)
def test_a_resumed_session_is_told_by_what_resumed_it(name: str, expected: list[Resumption | None]) -> None:
    assert [connection.resumption for connection in connections_of(name)] == expected


def test_resumption_needs_no_keys() -> None:
    assert [c.resumption for c in connections(without_keys(foreign("tls12-ticket")))] == [None, Resumption.TICKET]


def test_a_hello_retry_request_is_not_taken_for_the_server_hello() -> None:
    (retried,) = connections_of("tls13-hello-retry")
    assert retried.hello_retry_request is not None
    assert retried.server_hello is not None
    assert retried.hello_retry_request[0].number < retried.server_hello[0].number
    assert retried.server_hello[1].group == 24  # secp384r1
    assert [c.hello_retry_request for c in connections_of("tls13-psk")] == [None, None]


def test_a_refusal_is_told_with_its_alert() -> None:
    (found,) = journeys(foreign("tls13-refused"), NO_LAB)
    assert "unknown_ca" in found.step(StepName.TLS).summary


@pytest.mark.parametrize(("name", "version"), [("tls13-psk", "TLS 1.3"), ("tls12-ticket", "TLS 1.2")])
def test_what_stayed_closed_is_told_with_version_and_number_of_records(name: str, version: str) -> None:
    frames = foreign(name)
    assert not any(sealed(connection.frames) for connection in connections(frames))
    closed = journeys(without_keys(frames), NO_LAB)
    assert len(closed) == 2
    for found in closed:
        step = found.step(StepName.REQUEST)
        assert step.status is Status.UNKNOWN
        assert f"{version}, application data, " in step.summary
        assert step.summary.endswith("records, no keys")


@pytest.mark.parametrize("name", names())
def test_of_every_foreign_capture_something_is_told_and_nothing_is_absent_for_want_of_frames(name: str) -> None:
    found = journeys(foreign(name), NO_LAB)
    assert found
    for journey in found:
        absent = [step.name for step in journey.steps if step.status is Status.ABSENT]
        assert set(absent) <= {StepName.TCP, StepName.TLS, StepName.RENDERING, StepName.KEPT_OPEN}


# ---------------------------------------------------------------- QUIC


def test_a_client_that_moves_in_mid_connection_stays_one_and_its_answers_keep_their_streams() -> None:
    lines, (found,) = told_of("quic-moved")
    assert any("changes of a QUIC connection id" in line for line in lines)
    paths = [(resource.path, resource.status) for resource in found.resources]
    # tshark does not come back to a header block that had to wait for QPACK's encoder stream (RFC 9204, section 2.1.2):
    # the last answer's status is not known, and it is no other stream's.
    assert paths == [("/bytes/3000", 200), ("/bytes/100", 200), ("/bytes/3000", 200), ("/bytes/100", None)]
    (moved,) = [c for c in connections(foreign("quic-moved")) if c.transport is Transport.QUIC]
    assert len({(f.source, f.udp.source_port) for f in moved.frames if f.udp and moved.from_client(f)}) == 2
    assert all(moved.from_client(f) != moved.from_server(f) for f in moved.frames)
    together = [f for f in moved.frames if len({m.stream for m in f.http}) > 1]
    assert together, "no datagram with messages of two streams: the capture shows nothing of what is tested"
    lengths = {(e.request.path, e.response.header("content-length")) for e in exchanges(moved) if e.response}
    assert lengths == {("/bytes/3000", "3000"), ("/bytes/100", "100")}


def the_quic_connection(frames: list[Frame]) -> Connection:
    (found,) = [c for c in connections(frames) if c.transport is Transport.QUIC]
    return found


def test_a_quic_server_is_known_by_what_it_says_not_by_its_port() -> None:
    frames = foreign("quic-high-port")
    whole = the_quic_connection(frames)
    assert whole.server.port == 60443 > whole.client.port
    assert whole.identity == the_quic_connection(foreign("quic-moved")).identity is not None
    _, (found,) = told_of("quic-high-port")
    _, (before,) = told_of("quic-moved")
    others = [StepName.TLS, StepName.REQUEST, StepName.RESPONSE]
    assert [found.step(name).summary for name in others] == [before.step(name).summary for name in others]
    of_it = [f for f in frames if f.quic]
    for seen_from in (1, 3):  # from the ServerHello on; from where only HANDSHAKE_DONE says it
        cut = the_quic_connection(of_it[seen_from:])
        assert (cut.client, cut.server, cut.identity) == (whole.client, whole.server, None)


def test_version_2_of_quic_is_told_as_version_1_is() -> None:
    connection = the_quic_connection(foreign("quic-version-2"))
    assert connection.identity is not None, "its first packet is in the capture"
    assert (connection.client.port, connection.server.port) == (50_000, 443)
    (found,) = exchanges(connection)
    assert found.response is not None
    assert (found.request.path, found.response.status, found.response_end is not None) == ("/one", 200, True)
    _, (told_journey,) = told_of("quic-version-2")
    assert told_journey.step(StepName.KEPT_OPEN).summary.startswith("until 192.0.2.1 closed it (CONNECTION_CLOSE)")


@pytest.mark.parametrize(
    ("name", "client", "server"), [("vxlan", "192.0.2.1", "192.0.2.80"), ("6in4", "2001:db8::1", "2001:db8::80")]
)
def test_in_a_tunnel_the_ends_are_those_inside(name: str, client: str, server: str) -> None:
    (found,) = connections_of(name)
    assert (found.client.address, found.server.address, found.server.port) == (client, server, 80)


def test_who_opened_a_quic_connection_that_stays_closed_is_told_by_its_connection_ids() -> None:
    frames = [undecrypted(f) for f in foreign("quic-high-port") if f.quic]
    whole = the_quic_connection(frames)
    assert whole.server.port == 60443
    assert whole.identity is not None
    cut = the_quic_connection(frames[1:])
    assert cut.identity is None, "its first packet here is the server's, for a connection id of the client's own"


def test_a_quic_connection_in_a_line_has_the_right_client_whoever_is_heard_first() -> None:
    frames = [f for f in foreign("quic-moved") if f.quic]
    whole = the_quic_connection(frames)
    server_first = [undecrypted(f) for f in frames[1:]]  # without the client's first, the server's stay closed
    assert QuicPacketType.INITIAL in quic_of(server_first[0]).packet_types
    for seen, opened in ((frames, True), (server_first, False), (server_first[:1], False)):
        kept = Kept(Bounds(stories=0))
        read_into(kept, Oddities(), seen)
        (track,) = kept.tracks.values()
        assert track.opened is opened
        assert f"{whole.client} -> {whole.server} QUIC" in line_of(track, lambda address: address)


def quic_of(frame: Frame) -> QuicPackets:
    assert frame.quic
    return frame.quic


def undecrypted(frame: Frame) -> Frame:
    """As it is dissected where nothing in it could be decrypted."""
    assert frame.quic
    return replace(frame, tls=None, http=(), quic=replace(frame.quic, frame_types=(), stream_ids=(), stream_data=()))


def test_a_certificate_refused_over_quic_is_told_with_its_alert() -> None:
    refused = [f for f in foreign("quic-refused") if f.quic and f.quic.close]
    assert [(a.level, a.description) for f in refused if f.tls for a in f.tls.alerts] == [(None, 45)]
    _, found = told_of("quic-refused")
    (over_quic,) = [journey for journey in found if "QUIC" in journey.step(StepName.TCP).summary]
    assert "refused by the client: certificate_expired" in over_quic.step(StepName.TLS).summary


# ---------------------------------------------------------------- odd things


def before_journeys(kept: Kept, oddities: Oddities, name: str = "tls13-psk") -> list[str]:
    end = ending(FOREIGN / f"{name}.pcapng")
    return list(header(summary("a.pcapng", kept, tuple(oddities.told()), end, [], NO_LAB.name)))


def told_of(name: str) -> tuple[list[str], list[Journey]]:
    """What stands before the journeys of a capture, and the journeys."""
    kept, oddities = Kept(Bounds()), Oddities()
    read_into(kept, oddities, foreign(name))
    end = ending(FOREIGN / f"{name}.pcapng")
    stories, others = told(kept, NO_LAB, end)
    assert others == []
    return before_journeys(kept, oddities, name), [story.journey for story in stories]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vlan-tags", ["11 frames in VLAN 100 in 7"]),
        ("ipv6", []),
        ("fragments", ["8 IP fragments; what they carry is told where the last one is (first: frame 5)"]),
        (
            "out-of-order",
            [
                "1 TCP segments behind a hole: what is missing before them comes later, or not at all (first: frame 6)",
                "1 TCP segments out of order (first: frame 7)",
                "1 TCP retransmissions (first: frame 8)",
            ],
        ),
        ("vxlan", ["11 frames in a tunnel; addresses are those inside (first: frame 1)"]),
        ("6in4", ["11 frames in a tunnel; addresses are those inside (first: frame 1)"]),
        ("start-cut-off", ["1 connections began before the capture did: what they agreed then is not in it"]),
        ("unknown-protocol", ["1 frames of ethertype:lldp, which no step is told from"]),
    ],
)
def test_an_odd_thing_is_named_and_the_exchange_told_all_the_same(name: str, words: list[str]) -> None:
    lines, (found,) = told_of(name)
    assert [line for line in words if f"- {line}" not in lines] == []
    assert found.visit.url == "http://a.example/one"
    assert found.step(StepName.RESPONSE).summary == "200, 3000 bytes"
    opened = found.step(StepName.TCP).status
    assert opened is (Status.UNKNOWN if name == "start-cut-off" else Status.SEEN)


def test_an_ordinary_capture_has_nothing_odd() -> None:
    lines, _ = told_of("ipv6")
    assert len(lines) == 2, lines  # what it is, and that it has no statistics


def test_an_answer_that_the_end_cuts_off_is_unknown() -> None:
    lines, (found,) = told_of("end-cut-off")
    assert any("1 of them in the middle of a request or its answer" in line for line in lines)
    assert found.step(StepName.RESPONSE).status is Status.UNKNOWN


def test_connections_at_the_same_time_do_not_mix() -> None:
    _, journeys_told = told_of("two-at-once")
    assert [j.step(StepName.RESPONSE).summary for j in journeys_told] == ["200, 3000 bytes"] * 2
    assert len({resource.connection for j in journeys_told for resource in j.resources}) == 2


# ---------------------------------------------------------------- bounds


def kept_of(name: str, bounds: Bounds) -> Kept:
    kept = Kept(bounds)
    read_into(kept, Oddities(), foreign(name))
    return kept


def test_within_the_bounds_every_frame_is_kept() -> None:
    kept = kept_of("tls13-psk", Bounds())
    assert not kept.missed_any()
    assert before_journeys(kept, Oddities())[0] == "a.pcapng: 50 frames (lo 50), 2 connections"


def test_what_is_given_up_first_changes_nothing_that_is_told() -> None:
    whole, _ = told(kept_of("tls13-psk", Bounds()), NO_LAB, ending(FOREIGN / "tls13-psk.pcapng"))
    kept = kept_of("tls13-psk", Bounds(frames=40))
    thinned, others = told(kept, NO_LAB, ending(FOREIGN / "tls13-psk.pcapng"))
    assert kept.thin
    assert kept.missed_any()
    assert others == []
    assert [story.journey.steps for story in thinned] == [story.journey.steps for story in whole]


def test_a_connection_beyond_the_bound_is_counted_and_the_bound_is_told() -> None:
    kept = kept_of("tls13-psk", Bounds(stories=1))
    stories, others = told(kept, NO_LAB, ending(FOREIGN / "tls13-psk.pcapng"))
    assert len(stories) == 1
    assert [(track.count, track.requests, dict(track.statuses)) for track in others] == [(23, 1, {200: 1})]
    lines = before_journeys(kept, Oddities())
    assert any("more than 1 connections" in line for line in lines)


def test_a_connection_with_too_many_frames_gets_a_line_not_half_a_story() -> None:
    kept = kept_of("tls13-psk", Bounds(frames=6))
    stories, others = told(kept, NO_LAB, ending(FOREIGN / "tls13-psk.pcapng"))
    assert stories == []
    assert len(others) == 2


def test_of_connections_beyond_the_last_bound_at_least_the_frames_are_counted() -> None:
    kept = Kept(Bounds(stories=1, counted=1))
    lines = (FOREIGN / "tls13-psk.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    read_into(kept, Oddities(), frames_and_glimpses(lines, kept.wants))
    assert (kept.total, kept.uncounted, len(kept.tracks)) == (50, 23, 1)
    said = before_journeys(kept, Oddities())
    assert "- more than 1 connections: 23 frames of later ones are not told of" in said


@needs_tshark
def test_a_glimpse_counts_what_the_whole_frame_would(tmp_path: Path) -> None:
    said = "".join(explain(FOREIGN / "tls13-psk.pcapng", None, NO_LAB, Style(), Form.LADDER, Bounds(stories=1)))
    assert "1 more connections, in a line each" in said
    assert "#28 127.0.0.1:" in said
    assert "23 frames" in said
    assert "1 requests" in said


# ---------------------------------------------------------------- how a file ends


def cut_between_blocks(data: bytes) -> bytes:
    """Without the last block that is a packet, and all that follows it."""
    at, last = 0, 0
    while at < len(data):
        kind, length = (int.from_bytes(data[at + n : at + n + 4], "little") for n in (0, 4))
        last = at if kind == BlockType.ENHANCED_PACKET else last
        at += length
    assert 0 < last < len(data)
    return data[:last]


def test_our_own_file_cut_between_two_blocks_is_no_capture(tmp_path: Path) -> None:
    whole = (FOREIGN / "tls13-psk.pcapng").read_bytes()
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(whole)
    assert ending(cut).doubt is not None  # it has no statistics; but it is whole
    cut.write_bytes(cut_between_blocks(whole))
    with pytest.raises(NoCaptureError, match="the block that its header says it ends with"):
        ending(cut)
    packed = tmp_path / "cut.pcapng.gz"
    packed.write_bytes(gzip.compress(cut_between_blocks(whole)))
    with pytest.raises(NoCaptureError, match="the block that its header says it ends with"):
        ending(packed)


def test_dumpcaps_file_without_its_statistics_is_doubted() -> None:
    golden = Path(__file__).parent.parent / "pcapng" / "golden"
    assert ending(golden / "dumpcap_statistics.pcapng").doubt is None
    assert ending(golden / "dumpcap_statistics.pcapng").dropped is not None


def test_dumpcaps_file_cut_before_its_statistics_is_doubted(tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "pcapng" / "golden" / "dumpcap_statistics.pcapng"
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(cut_between_blocks(golden.read_bytes()))
    doubt = ending(cut).doubt
    assert doubt is not None
    assert "it was cut or its writer killed" in doubt


def test_of_classic_pcap_nobody_can_tell(tmp_path: Path) -> None:
    doubt = ending(Path(__file__).parent.parent / "pcapng" / "golden" / "microseconds.pcap").doubt
    assert doubt is not None
    assert "no end mark" in doubt


def test_damaged_gzip_is_no_capture(tmp_path: Path) -> None:
    packed = tmp_path / "a.pcapng.gz"
    packed.write_bytes(gzip.compress((FOREIGN / "tls13-psk.pcapng").read_bytes())[:-9])
    check_beginning(packed)
    with pytest.raises(NoCaptureError, match="gzip"):
        ending(packed)


@needs_tshark
def test_explain_refuses_our_own_file_cut_between_two_blocks(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(cut_between_blocks((FOREIGN / "tls13-psk.pcapng").read_bytes()))
    with pytest.raises(DissectionError, match="ends with"):
        list(explain(cut, None, NO_LAB, Style(), Form.LADDER))
