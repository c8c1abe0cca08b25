"""The earlier frames of a connection that was open before its visit began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hostkit import sentinel
from hostkit.sentinel import Kind
from hostkit.spool_format import HEADER_SIZE, Position
from observer.belonging import belongs, opening
from observer.flow import Endpoint, Flow, Transport
from observer.lab import LinkMarks
from observer.slicing import record
from observer.spool import History, Packet, Slice, Spool

CLIENT, SERVER, OTHER = ("10.0.0.1", 40000), ("10.0.0.2", 443), ("10.0.0.3", 40000)
FLOW = Flow(Transport.TCP, Endpoint(*CLIENT), Endpoint(*SERVER))
QUIC = Flow(Transport.UDP, Endpoint(*CLIENT), Endpoint(*SERVER))
SYN, ACK, SYN_ACK, RST = 0x02, 0x10, 0x12, 0x04
NOISE = b"n" * 60


@pytest.fixture
def segments(tmp_path: Path, build: Any) -> Any:
    """A spool whose segments hold the given blocks of frames; its reader and the position behind its last record."""

    def write(*segments: list[list[bytes]]) -> tuple[Spool, Position]:
        (tmp_path / "home").mkdir()
        sequence = 0
        for number, blocks in enumerate(segments):
            content = b""
            for frames in blocks:
                content += build.record(build.facts(sequence), frames)
                sequence += 1
            (tmp_path / "home" / f"{number:08d}.blocks").write_bytes(content)
        return Spool(tmp_path), Position(len(segments) - 1, len(content))

    return write


def visit_at(begin: Position, *lead_in: bytes) -> Slice:
    """A visit whose records begin at that position, with the given frames before its first sentinel."""
    return Slice("home", begin, tuple(Packet("home", 0, len(frame), frame) for frame in lead_in), (), 0, ())


def data(history: History) -> list[bytes]:
    return [packet.data for packet in history.packets]


@pytest.fixture
def conversation(ipv4: Any) -> list[bytes]:
    return [
        ipv4(CLIENT, SERVER, flags=SYN, sequence=100),
        ipv4(SERVER, CLIENT, flags=SYN_ACK, sequence=900),
        ipv4(CLIENT, SERVER, flags=ACK, sequence=101),
        ipv4(CLIENT, SERVER, flags=ACK, sequence=101, payload=b"hello"),
    ]


def test_a_connection_is_followed_back_to_its_syn(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([[NOISE, *conversation[:2]], [NOISE], [conversation[2], NOISE, conversation[3]]])
    assert data(spool.earlier(FLOW, visit_at(end))) == conversation
    assert spool.earlier(FLOW, visit_at(end)).start_seen
    assert spool.earlier(FLOW, visit_at(end)).reasons == ()


def test_a_connection_is_followed_over_segments(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([[conversation[0]]], [[conversation[1]], [NOISE]], [[NOISE]], [conversation[2:]])
    history = spool.earlier(FLOW, visit_at(end))
    assert (data(history), history.start_seen, history.reasons) == (conversation, True, ())


def test_the_flow_may_be_named_from_either_side(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([conversation])
    assert data(spool.earlier(Flow(Transport.TCP, Endpoint(*SERVER), Endpoint(*CLIENT)), visit_at(end))) == conversation


def test_frames_of_the_slice_itself_are_not_given(segments: Any, build: Any, conversation: list[bytes]) -> None:
    spool, _ = segments([conversation[:2], conversation[2:]])
    before = Position(0, HEADER_SIZE + len(build.block(conversation[:2])))
    assert data(spool.earlier(FLOW, visit_at(before))) == conversation[:2]


def test_frames_in_the_slices_own_first_block_are_earlier_ones_too(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([conversation[:2]])
    history = spool.earlier(FLOW, visit_at(end, conversation[2], NOISE, conversation[3]))
    assert (data(history), history.start_seen) == (conversation, True)


def test_a_connection_that_opened_just_before_the_visit_needs_no_spool(
    tmp_path: Path, conversation: list[bytes]
) -> None:
    history = Spool(tmp_path / "nothing").earlier(FLOW, visit_at(Position(0, 0), NOISE, *conversation))
    assert (data(history), history.start_seen, history.reasons) == (conversation, True, ())


def test_other_connections_are_not_given(segments: Any, ipv4: Any, conversation: list[bytes]) -> None:
    others = [ipv4(OTHER, SERVER, flags=ACK), ipv4(CLIENT, ("10.0.0.2", 80), flags=ACK), ipv4(CLIENT, SERVER)]
    spool, end = segments([[*others, *conversation, *others]])
    assert data(spool.earlier(FLOW, visit_at(end))) == conversation


def test_an_older_connection_on_the_same_ports_is_not_given(
    segments: Any, ipv4: Any, conversation: list[bytes]
) -> None:
    older = [ipv4(CLIENT, SERVER, flags=SYN, sequence=5), ipv4(SERVER, CLIENT, flags=RST)]
    spool, end = segments([older, conversation])
    assert data(spool.earlier(FLOW, visit_at(end))) == conversation


@pytest.mark.parametrize(("sequence", "is_its_own"), [(106, True), (105, True), (3_000_000_000, False)])
def test_a_connection_that_moved_here_has_no_past_though_another_had_the_same_ends(
    segments: Any, ipv4: Any, conversation: list[bytes], sequence: int, is_its_own: bool
) -> None:
    marks = [sentinel.frame(kind, "visit") for kind in (Kind.BEGIN, Kind.END)]
    going_on = ipv4(CLIENT, SERVER, flags=ACK, sequence=sequence, payload=b"more")
    spool, end = segments([conversation], [[marks[0], going_on, marks[1]]])
    part = record(spool, "visit", LinkMarks("home", Position(1, 0), end))
    assert [packet.data for packet in part.earlier] == (conversation if is_its_own else [])
    assert part.capture.complete is is_its_own
    assert is_its_own or "no opening in the spool but that of another connection" in part.capture.reasons[0]


def test_a_retransmitted_syn_belongs_to_the_connection(segments: Any, ipv4: Any, conversation: list[bytes]) -> None:
    spool, end = segments([[conversation[0]], [NOISE], conversation])
    assert data(spool.earlier(FLOW, visit_at(end))) == [conversation[0], *conversation]


def test_a_start_that_the_spool_no_longer_holds_is_said(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([conversation[1:]])
    history = spool.earlier(FLOW, visit_at(end))
    assert data(history) == conversation[1:]
    assert not history.start_seen
    assert "this is all that the spool holds" in history.reasons[0]


def test_the_search_ends_at_its_limit_and_says_so(segments: Any, conversation: list[bytes]) -> None:
    spool, end = segments([[conversation[0]]], [conversation[1:]])
    history = spool.earlier(FLOW, visit_at(end), limit=10)
    assert data(history) == conversation[1:]
    assert not history.start_seen
    assert "that is the limit" in history.reasons[0]


def test_a_connection_that_was_never_seen_has_no_history(segments: Any) -> None:
    spool, end = segments([[NOISE]])
    history = spool.earlier(FLOW, visit_at(end))
    assert (history.packets, history.start_seen) == ((), False)


def written(folder: Path, *segments: bytes) -> Spool:
    (folder / "home").mkdir()
    for number, content in enumerate(segments):
        (folder / "home" / f"{number:08d}.blocks").write_bytes(content)
    return Spool(folder)


def test_loss_after_the_opening_is_said_and_loss_before_it_is_not(
    tmp_path: Path, build: Any, conversation: list[bytes]
) -> None:
    facts = build.facts
    rows = [
        build.record(facts(0, drops=9, drops_before=0, unwritten=1), [NOISE]),
        build.record(facts(1, drops=9, drops_before=9, unwritten=1), conversation[:2]),
        build.record(facts(4, drops=11, drops_before=9, unwritten=3), conversation[2:]),
        build.record(facts(5, drops=90, drops_before=11, unwritten=3), [NOISE]),
    ]
    before = Position(0, len(b"".join(rows[:3])))
    history = written(tmp_path, b"".join(rows)).earlier(FLOW, visit_at(before))
    assert history.start_seen
    assert history.reasons == ("the kernel dropped 2 frames", "2 blocks are not in the spool")


def test_loss_between_the_last_frame_and_the_slice_is_said(
    tmp_path: Path, build: Any, conversation: list[bytes]
) -> None:
    facts = build.facts
    rows = build.record(facts(0), conversation), build.record(facts(1, drops=3), [NOISE])
    slice_begins = build.record(facts(2, drops=3, drops_before=3), [NOISE])
    history = written(tmp_path, b"".join(rows), slice_begins).earlier(FLOW, visit_at(Position(0, len(b"".join(rows)))))
    assert history.reasons == ("the kernel dropped 3 frames",)


def test_a_restart_of_the_tap_after_the_opening_is_said(tmp_path: Path, build: Any, conversation: list[bytes]) -> None:
    facts = build.facts
    torn = build.record(facts(0), conversation[:2]) + build.record(facts(1), [conversation[2]])[:-1]
    after = build.record(facts(0, session=2), [conversation[3]])
    history = written(tmp_path, torn, after).earlier(FLOW, visit_at(Position(1, len(after))))
    assert data(history) == [*conversation[:2], conversation[3]]
    assert history.start_seen
    assert history.reasons == ("the tap was restarted in between",)


def test_bytes_that_look_like_a_header_do_not_hide_the_record(
    segments: Any, ipv4: Any, conversation: list[bytes]
) -> None:
    decoy = ipv4(CLIENT, SERVER, flags=ACK, payload=b"8SPL" * 50)
    spool, end = segments([[conversation[0], decoy, b"8SPL" * 30, *conversation[1:]]])
    assert data(spool.earlier(FLOW, visit_at(end))) == [conversation[0], decoy, *conversation[1:]]


def test_a_block_that_makes_no_sense_is_said(tmp_path: Path, build: Any, conversation: list[bytes]) -> None:
    damaged = bytearray(build.record(build.facts(0), conversation))
    damaged[HEADER_SIZE + 48 : HEADER_SIZE + 52] = bytes(4)  # the chain of frames ends after the first
    good = build.record(build.facts(1), conversation)
    end = Position(0, len(damaged + good))
    history = written(tmp_path, bytes(damaged) + good).earlier(FLOW, visit_at(end))
    assert data(history) == conversation
    assert history.reasons == ("segment 0 offset 0: the chain of frames ends after 1 of 4",)


def test_a_segment_that_is_torn_from_its_start_has_no_frames(tmp_path: Path, build: Any, ipv4: Any) -> None:
    (tmp_path / "home").mkdir()
    record = build.record(build.facts(0), [ipv4(CLIENT, SERVER, flags=SYN)])
    (tmp_path / "home" / "00000000.blocks").write_bytes(record[:-1])
    history = Spool(tmp_path).earlier(FLOW, visit_at(Position(0, 10**6)))
    assert (history.packets, history.start_seen) == ((), False)


# ---------------------------------------------------------------- QUIC and plain UDP


def quic_long(kind: int) -> bytes:
    return bytes([0xC0 | kind << 4]) + b"\x00\x00\x00\x01" + b"\x08" + bytes(20)


def test_a_quic_connection_is_followed_back_to_its_initial(segments: Any, ipv4: Any) -> None:
    frames = [
        ipv4(CLIENT, SERVER, payload=quic_long(0)),
        ipv4(SERVER, CLIENT, payload=quic_long(0)),
        ipv4(SERVER, CLIENT, payload=quic_long(2)),
        ipv4(CLIENT, SERVER, payload=b"\x40" + bytes(30)),
    ]
    spool, end = segments([[NOISE, *frames[:3]], [frames[3]]])
    history = spool.earlier(QUIC, visit_at(end))
    assert (data(history), history.start_seen) == (frames, True)


def test_plain_udp_has_no_opening_so_all_of_it_is_given(segments: Any, ipv4: Any) -> None:
    frames = [ipv4(CLIENT, SERVER, payload=b"query"), ipv4(SERVER, CLIENT, payload=b"answer")]
    spool, end = segments([[frames[0]]], [[NOISE, frames[1]]])
    history = spool.earlier(QUIC, visit_at(end))
    assert (data(history), history.start_seen) == (frames, False)


@pytest.mark.parametrize("payload", [b"", b"\xc0", quic_long(0)[:4], quic_long(1), quic_long(2), b"\xc0" + bytes(30)])
def test_no_other_datagram_passes_for_an_initial(ipv4: Any, payload: bytes) -> None:
    """A 0-RTT, a Handshake, a Version Negotiation packet (version 0), what is too short for any."""
    assert opening(ipv4(CLIENT, SERVER, payload=payload), QUIC) is None


# ---------------------------------------------------------------- whose frame is it


def test_a_frame_behind_vlan_tags_belongs_too(ipv4: Any) -> None:
    frame = ipv4(CLIENT, SERVER, flags=SYN, sequence=7)
    tagged = frame[:12] + b"\x88\xa8\x00\x01\x81\x00\x00\x02" + frame[12:]
    assert belongs(tagged, FLOW)
    assert opening(tagged, FLOW) == (7).to_bytes(4, "big")


@pytest.mark.parametrize("kept", range(38))
def test_a_frame_cut_short_belongs_to_nobody(ipv4: Any, kept: int) -> None:
    assert belongs(ipv4(CLIENT, SERVER, flags=SYN), FLOW)
    assert not belongs(ipv4(CLIENT, SERVER, flags=SYN)[:kept], FLOW)


def test_what_carries_no_ports_belongs_to_nobody(ipv4: Any) -> None:
    later_fragment = ipv4(CLIENT, SERVER, fragment=3)
    assert not belongs(later_fragment, QUIC)
    assert not belongs(ipv4(CLIENT, SERVER, options=b"\x94\x04\x00\x00"), QUIC)
    assert not belongs(b"\0" * 12 + b"\x08\x06" + bytes(40), FLOW)


def test_a_flows_header_quoted_in_a_payload_does_not_belong(segments: Any, ipv4: Any) -> None:
    quoting = ipv4(SERVER, OTHER, flags=ACK, payload=ipv4(CLIENT, SERVER, flags=SYN)[14:])  # as ICMP errors do
    spool, end = segments([[quoting]])
    assert spool.earlier(FLOW, visit_at(end)).packets == ()


def test_an_address_that_is_not_ipv4_is_refused(ipv4: Any) -> None:
    frame = ipv4(CLIENT, SERVER, flags=ACK)
    with pytest.raises(OSError, match="illegal IP address"):
        belongs(frame, Flow(Transport.TCP, Endpoint("::1", 1), Endpoint("10.0.0.1", 2)))
