"""Which flows a segment has frames of: never one too few, whatever stands around their headers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.flow import Endpoint, Flow, Transport
from observer.segment_flows import directions_in, may_hold
from observer.spool import flow_frames

CLIENT, SERVER, OTHER = ("10.0.0.1", 40000), ("10.0.0.2", 443), ("8.0.69.8", 0x0800)  # the last one's bytes mislead
ENDS = (CLIENT, SERVER, OTHER)
FLOWS = [
    Flow(transport, Endpoint(*low), Endpoint(*high))
    for transport in Transport
    for low, high in ((CLIENT, SERVER), (OTHER, CLIENT), (SERVER, OTHER))
]
FLOW = FLOWS[0]
ACK = 0x10
TAGS = (b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x05\x81\x00\x08\x00", b"\x91\x00\x08\x00")
HALF_HEADERS = (b"\x08\x00\x45", b"\x08\x00\x45" + bytes(8) + b"\x06", b"\x08\x00\x08\x00\x45", b"\x08", b"8SPL")


def known(data: bytes, cuts: Sequence[int] = ()) -> bytes:
    """The flows in a segment that comes in chunks which end at `cuts`."""
    ends = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found = directions_in(data[begin:end] for begin, end in pairwise(ends))
    assert found is not None
    return found


def bytes_that_mislead(size: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(HALF_HEADERS) | st.binary(max_size=4), max_size=12).map(
        lambda parts: b"".join(parts)[:size].ljust(size, b"\x08")
    )


@st.composite
def frame(draw: st.DrawFn, build: Any, ipv4: Any) -> Any:
    """One of FLOWS' frames, with misleading bytes before and in it, perhaps tagged: in its bytes, by the kernel."""
    source, destination = draw(st.permutations(ENDS))[:2]
    payload = draw(bytes_that_mislead(draw(st.integers(0, 60))))
    flags = draw(st.sampled_from((None, ACK)))
    whole = ipv4(source, destination, flags=flags, payload=payload, fragment=draw(st.sampled_from((0, 0, 0x2000, 3))))
    data = draw(bytes_that_mislead(12)) + draw(st.sampled_from(TAGS)) + whole[12:]
    vlan, tpid = draw(st.sampled_from((None, 5, 0x0800))), draw(st.sampled_from((None, 0x8100, 0x88A8, 0x9100)))
    return build.frame(data[: draw(st.sampled_from((len(data), len(data), 40)))], vlan=vlan, tpid=tpid)


@given(data=st.data())
def test_whatever_the_search_would_find_is_known(build: Any, ipv4: Any, data: st.DataObject) -> None:
    blocks = data.draw(st.lists(st.lists(frame(build, ipv4), min_size=1, max_size=4), min_size=1, max_size=3))
    plain = build.record(build.facts(0), [ipv4(CLIENT, SERVER, flags=ACK)])
    segment = plain + b"".join(build.record(build.facts(n), frames) for n, frames in enumerate(blocks, start=1))
    segment = segment[: data.draw(st.sampled_from((len(segment), len(segment) - 1)))]  # whole, or with its end torn
    flows = known(segment, data.draw(st.lists(st.integers(1, len(segment)), max_size=6)))
    found = [flow for flow in FLOWS if flow_frames("home", flow, segment, 0)[0]]
    assert FLOW in found
    assert [flow for flow in found if not may_hold(flows, flow)] == []


@pytest.mark.parametrize("cut", range(12, 40))
def test_a_header_cut_in_two_by_chunks_is_seen(build: Any, ipv4: Any, cut: int) -> None:
    data = ipv4(CLIENT, SERVER, flags=ACK)
    assert may_hold(known(data, [cut]), FLOW)
    assert may_hold(known(data, range(1, len(data))), FLOW)


def test_a_true_header_within_a_false_one_is_seen(ipv4: Any) -> None:
    true = ipv4(CLIENT, SERVER, flags=ACK)[12:]
    false = b"\x08\x00\x45" + bytes(8)  # and the true one's bytes follow where the false one's protocol would stand
    for gap in (b"", b"\x06", b"\x06\0\0", b"\x06" + bytes(9)):
        assert may_hold(known(false + gap + true), FLOW)


def test_either_direction_makes_a_flow_known_from_either_side(ipv4: Any) -> None:
    for source, destination in ((CLIENT, SERVER), (SERVER, CLIENT)):
        flows = known(ipv4(source, destination, flags=ACK))
        assert may_hold(flows, FLOW)
        assert may_hold(flows, Flow(Transport.TCP, Endpoint(*SERVER), Endpoint(*CLIENT)))


def test_other_flows_are_not_known(ipv4: Any) -> None:
    flows = known(ipv4(CLIENT, SERVER, flags=ACK) + ipv4(SERVER, OTHER, flags=ACK))
    assert not may_hold(flows, Flow(Transport.TCP, Endpoint("10.0.0.1", 40001), Endpoint(*SERVER)))
    assert not may_hold(flows, Flow(Transport.TCP, Endpoint(*CLIENT), Endpoint(*OTHER)))
    assert not may_hold(known(b""), FLOW)


def test_more_flows_than_are_kept_are_none(ipv4: Any) -> None:
    frames = [ipv4((CLIENT[0], port), SERVER, flags=ACK) for port in range(40000, 40011)]
    assert directions_in(frames[:10] * 2, most=10) == b"".join(set_of_headers(frames[:10]))
    assert directions_in(frames, most=10) is None


def set_of_headers(frames: Sequence[bytes]) -> set[bytes]:
    return {data[26:38] for data in frames}
