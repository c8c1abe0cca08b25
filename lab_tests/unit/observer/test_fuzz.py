"""Every parser of our own against damaged input: it may refuse, by its own error, and nothing else may happen.

And the journey against incomplete captures: of whatever is left of a visit, something can be told.
"""

from __future__ import annotations

import io
import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doctoring import SpooledBlock, spool_segment, undoctored
from golden_visits import VERSIONS, VISITS, Golden, golden
from hostkit.spool_format import BLOCK_DESCRIPTOR, HEADER_SIZE, FormatError
from observer import dissect, keylog, topology
from observer.dissect import AGGREGATOR, FIELDS, SEPARATOR, DissectionError
from observer.document import journey_json
from observer.explain import journeys
from observer.flow import sighting
from observer.keylog import KeyLogError
from observer.messages import Frame
from observer.pcapng import PcapngError, read_blocks, read_packets
from observer.spool import Damage, Packet, packets_in, records_in
from observer.steps import Journey, Status
from observer.topology import LINKS, NO_LAB, TopologyError

bounded = settings(deadline=None, max_examples=60)
FLIPS = 300  # damaged copies of each input that the seeded loops try

whole = cache(golden)
versions = st.sampled_from(VERSIONS)
seeds = st.integers(0, 2**32).map(random.Random)  # a generator drawn bit by bit would cost more than what it tests


@cache
def golden_lines() -> tuple[str, ...]:
    files = [VISITS / f"http{version}" / f"{link}.tsv" for version in VERSIONS for link in LINKS]
    return tuple(line for file in files for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"))


@cache
def a_segment() -> bytes:
    packets = undoctored("2").packets["home"]
    return spool_segment([SpooledBlock(packets[:10]), SpooledBlock(packets[10:], dropped=2)])


def damaged(data: bytes, seed: int) -> Iterator[bytes]:
    """Copies of `data` with bits flipped, most near the start where the lengths are, some cut short as well."""
    dice = random.Random(seed)
    for _ in range(FLIPS):
        copy = bytearray(data)
        for _ in range(dice.choice((1, 1, 2, 8))):
            copy[dice.randrange(dice.choice((min(len(copy), 200), len(copy))))] ^= 1 << dice.randrange(8)
        yield bytes(copy[: dice.randrange(len(copy))] if dice.random() < 0.2 else copy)


def refused(parse: Callable[[], object], *errors: type[Exception]) -> bool:
    """Whether `parse` raised one of its declared errors, in one line; any other error is the test's failure."""
    complaint = complaint_of(parse, *errors)
    assert complaint is None or (complaint and "\n" not in complaint)
    return complaint is not None


def complaint_of(parse: Callable[[], object], *errors: type[Exception]) -> str | None:
    try:
        parse()
    except errors as error:
        return str(error)
    return None


# ---------------------------------------------------------------- tshark's lines


def typed(line: str) -> list[Frame]:
    return list(dissect.frames([line]))


@bounded
@given(st.lists(st.text(alphabet=st.characters(exclude_characters=SEPARATOR), max_size=8), max_size=3))
def test_lines_of_anything_are_refused_by_dissection_error(lines: list[str]) -> None:
    assert refused(lambda: list(dissect.frames(lines)), DissectionError) == bool(lines)


def one_field_wrong(dice: random.Random, line: str) -> str:
    values = line.split(SEPARATOR)
    at = dice.randrange(len(values))
    another = dice.choice(golden_lines()).split(SEPARATOR)
    values[at] = dice.choice(
        (
            "",
            another[at],
            values[at] + AGGREGATOR + values[at],
            "".join(dice.choices(string.hexdigits + ".:-x[\\ " + AGGREGATOR, k=dice.randrange(1, 8))),
        )
    )
    return SEPARATOR.join(values)


def test_golden_lines_with_fields_wrong_are_typed_or_refused() -> None:
    dice = random.Random(1)
    outcomes = set()
    for _ in range(2000):
        line = one_field_wrong(dice, dice.choice(golden_lines()))
        outcomes.add(refused(partial(typed, line), DissectionError))
    assert outcomes == {True, False}


@bounded
@given(st.data())
def test_a_line_of_plausible_numbers_is_typed_or_refused(data: st.DataObject) -> None:
    plausible = st.sampled_from(["", "0", "1", "0x17", "255", "4294967296", "True", "a.in", "::1", ":path", "16:03"])
    fields = data.draw(st.lists(plausible, min_size=len(FIELDS), max_size=len(FIELDS)))
    refused(lambda: list(dissect.frames([SEPARATOR.join(fields)])), DissectionError)


# ---------------------------------------------------------------- bytes


def read_all(read: Callable[[io.BytesIO], Iterator[object]], file: bytes) -> list[object]:
    return list(read(io.BytesIO(file)))


def packets(block: memoryview) -> list[Packet]:
    return list(packets_in("home", block))


@pytest.mark.parametrize("read", [read_blocks, read_packets], ids=lambda read: str(read.__name__))
def test_damaged_capture_files_are_read_or_refused(read: Callable[[io.BytesIO], Iterator[object]]) -> None:
    file = (VISITS / "http2" / "edge.pcapng").read_bytes()
    outcomes = {refused(partial(read_all, read, copy), PcapngError) for copy in damaged(file, 2)}
    assert outcomes == {True, False}


@bounded
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\x1f\x8b\x08"]))
def test_bytes_of_anything_are_no_capture_file(rest: bytes, magic: bytes) -> None:
    refused(lambda: list(read_blocks(io.BytesIO(magic + rest))), PcapngError)


def test_damaged_key_logs_are_read_or_refused_and_no_error_shows_a_secret() -> None:
    secrets = undoctored("2").secrets[:4]
    log = keylog.render(secrets).encode()
    complaints = [complaint_of(partial(keylog.parse, copy), KeyLogError) for copy in damaged(log, 3)]
    assert None in complaints
    told = [complaint for complaint in complaints if complaint is not None]
    assert told
    assert [c for c in told if any(secret.secret.hex()[:16] in c for secret in secrets)] == []


@bounded
@given(st.one_of(st.binary(max_size=120), st.text(max_size=120)))
def test_key_logs_of_anything_are_read_or_refused(log: bytes | str) -> None:
    refused(lambda: keylog.parse(log), KeyLogError)


def test_damaged_frames_have_a_flow_or_none() -> None:
    for packet in undoctored("3").packets["home"][:8]:
        for copy in damaged(packet.data, 4):
            sighting(copy)


@bounded
@given(st.sampled_from([b"\x08\x00\x45", b"\x86\xdd\x60", b"\x81\x00\x00\x01\x08\x00"]), st.binary(max_size=90))
def test_a_frame_of_anything_has_a_flow_or_none(ethertype: bytes, rest: bytes) -> None:
    sighting(bytes(12) + ethertype + rest)


def test_damaged_spool_segments_give_records_and_name_the_damage() -> None:
    whole_records = [part for part in records_in(a_segment(), 0) if not isinstance(part, Damage)]
    outcomes = set()
    for copy in damaged(a_segment(), 5):
        parts = list(records_in(copy, 0))
        assert not any(isinstance(part, Damage) for part in parts[:-1])  # nothing is made up after a damaged one
        lost = len(parts) < len(whole_records) or isinstance(parts[-1], Damage)
        outcomes.add(lost)
        for part in parts:
            if not isinstance(part, Damage):
                refused(partial(packets, part.block), FormatError)
    assert outcomes == {True, False}


@bounded
@given(st.binary(max_size=300))
def test_a_kernel_block_of_anything_gives_packets_or_a_format_error(rest: bytes) -> None:
    size = BLOCK_DESCRIPTOR.size
    block = bytearray(a_segment()[HEADER_SIZE : HEADER_SIZE + size] + rest)
    block[20:24] = len(block).to_bytes(4, "little")  # its used bytes: what the first check would stop at
    refused(lambda: list(packets_in("home", memoryview(bytes(block)))), FormatError)


# ---------------------------------------------------------------- the environment

names = st.text(st.characters(min_codepoint=0x20, exclude_characters="="))


@bounded
@given(st.dictionaries(st.one_of(names, names.map("ADDR_".__add__)), st.text(), max_size=4))
def test_an_environment_of_anything_is_a_topology_or_refused(environment: dict[str, str]) -> None:
    if not refused(lambda: topology.from_environment(environment), TopologyError):
        assert any(name.startswith("ADDR_") for name in environment)


# ---------------------------------------------------------------- journeys from what is left of a visit


def tell(visit: Golden, frames: Sequence[Frame]) -> list[Journey]:
    """All that can be told of these frames: as the lab's visit, as a foreign capture with and without a topology."""
    told = [replace(visit, frames=tuple(frames)).journey()]
    for known in (visit.topology, NO_LAB):
        told += journeys(frames, known)
    for journey in told:
        assert len(journey.steps) == 8
        assert journey_json(journey, visit.topology)
    return told


def assert_evidence_is_among(frames: Sequence[Frame], told: Sequence[Journey]) -> None:
    there = {(frame.link, frame.number) for frame in frames}
    cited = {
        (evidence.link, evidence.frame) for journey in told for step in journey.steps for evidence in step.evidence
    }
    assert cited <= there


@bounded
@given(versions, seeds, st.sampled_from([0.05, 0.3, 0.7, 0.9, 0.98]))
def test_of_any_part_of_a_visit_something_is_told(version: str, dice: random.Random, share: float) -> None:
    visit = whole(version)
    frames = [frame for frame in visit.frames if dice.random() < share]
    assert_evidence_is_among(frames, tell(visit, frames))


@bounded
@given(versions, seeds)
def test_of_duplicated_frames_the_same_steps_are_told(version: str, dice: random.Random) -> None:
    visit = whole(version)
    frames = [copy for frame in visit.frames for copy in [frame] * dice.choice((1, 1, 2))]
    told = tell(visit, frames)
    assert_evidence_is_among(frames, told)
    assert [step.status for step in told[0].steps] == [step.status for step in visit.journey().steps]


@bounded
@given(versions, seeds, st.booleans())
def test_of_frames_in_any_order_something_is_told(version: str, dice: random.Random, renumbered: bool) -> None:
    visit = whole(version)
    frames = [frame for frame in visit.frames if dice.random() < 0.95]
    dice.shuffle(frames)
    if renumbered:
        frames = [replace(frame, number=number) for number, frame in enumerate(frames, start=1)]
    assert_evidence_is_among(frames, tell(visit, frames))


@bounded
@given(versions, seeds)
def test_of_frames_with_wrong_times_something_is_told(version: str, dice: random.Random) -> None:
    visit = whole(version)
    frames = [replace(f, time_ns=f.time_ns + dice.randrange(-20_000_000, 20_000_000)) for f in visit.frames]
    tell(visit, sorted(frames, key=lambda frame: frame.time_ns))


@bounded
@given(st.sampled_from(VERSIONS), seeds)
def test_of_any_part_of_a_foreign_capture_absent_is_only_what_cannot_be(version: str, dice: random.Random) -> None:
    share = dice.random()
    for journey in journeys([f for f in golden(version).frames if dice.random() < share], NO_LAB):
        assert {s.name.value for s in journey.steps if s.status is Status.ABSENT} <= {"TCP", "rendering"}


@bounded
@given(st.sampled_from(VERSIONS), seeds)
def test_no_part_of_a_visit_gives_a_step_that_ends_before_it_begins(version: str, dice: random.Random) -> None:
    visit, share = golden(version), dice.random()
    frames = [f for f in visit.frames if dice.random() < share]
    told = [replace(visit, frames=tuple(frames)).journey(), *journeys(frames, NO_LAB)]
    assert [s for j in told for s in j.steps if s.duration_ns is not None and s.duration_ns < 0] == []
