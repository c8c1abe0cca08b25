"""Following a spool, key logs and visits while they grow, and the stream that is made of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostkit.sentinel import Kind, frame
from observer.following import KeyLogFollower, LinkFollower, VisitFollower
from observer.live import LiveStream, Sources
from observer.pcapng import (
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    PcapngError,
    read_blocks,
    read_packets,
)
from observer.spool import Spool
from observer.topology import LINKS, Interface, Topology

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 443)
SYN, ACK = 0x02, 0x10
T0 = 1_700_000_000_000_000_000


def line(number: int) -> str:
    return f"CLIENT_RANDOM {number:064x} {number:096x}\n"


class Growing:
    """A spool with all links, key logs and a folder of visits, to which tests add."""

    def __init__(self, folder: Path, build: Any) -> None:
        self.sources = Sources(folder / "spool", folder / "keys", folder / "captures")
        self._build = build
        self._sequence = dict.fromkeys(LINKS, 0)
        for path in (self.sources.keys, self.sources.captures, *(self.sources.spool / link for link in LINKS)):
            path.mkdir(parents=True)

    def carries(
        self, link: str, *frames: Any, segment: int = 0, session: int = 1, drops: int = 0, cut: int = 0
    ) -> None:
        facts = self._build.facts(self._sequence[link], session=session, drops=drops)
        record = self._build.record(facts, frames)
        self._sequence[link] += 1
        with (self.sources.spool / link / f"{segment:08d}.blocks").open("ab") as file:
            file.write(record[: len(record) - cut])

    def rest(self, link: str, *frames: Any, cut: int) -> None:
        """The rest of a record that was cut."""
        record = self._build.record(self._build.facts(self._sequence[link] - 1), frames)
        with (self.sources.spool / link / "00000000.blocks").open("ab") as file:
            file.write(record[-cut:])

    def logs(self, text: str, name: str = "origin-1.1.log") -> None:
        with (self.sources.keys / name).open("a") as file:
            file.write(text)

    def visit_ends(self, name: str, keylog: str) -> None:
        folder = self.sources.captures / name
        folder.mkdir()
        (folder / "keys.log").write_text(keylog)

    def follower(self, link: str = "home") -> LinkFollower:
        return LinkFollower(Spool(self.sources.spool), link)


@pytest.fixture
def growing(tmp_path: Path, build: Any) -> Growing:
    return Growing(tmp_path, build)


def test_only_what_comes_from_now_on(growing: Growing) -> None:
    growing.carries("home", b"before" * 10)
    follower = growing.follower()
    assert follower.new().packets == ()
    growing.carries("home", b"first." * 10, b"second" * 10)
    assert [p.data[:6] for p in follower.new().packets] == [b"first.", b"second"]
    assert follower.new().packets == ()


def test_marks_of_visits_are_left_out(growing: Growing) -> None:
    follower = growing.follower()
    growing.carries("home", frame(Kind.BEGIN, "visit"), b"frame." * 10)
    assert [p.data[:6] for p in follower.new().packets] == [b"frame."]


def test_a_record_that_is_being_written_is_read_once_it_is_whole(growing: Growing) -> None:
    follower = growing.follower()
    growing.carries("home", b"frame." * 10, cut=20)
    arrived = follower.new()
    assert (arrived.packets, arrived.losses) == ((), ())
    growing.rest("home", b"frame." * 10, cut=20)
    assert len(follower.new().packets) == 1


def test_a_record_that_was_never_finished_is_said_and_passed_over(growing: Growing) -> None:
    follower = growing.follower()
    growing.carries("home", b"frame." * 10, cut=20)
    assert follower.new().packets == ()
    growing.carries("home", b"after." * 10, segment=1)
    arrived = follower.new()
    assert [p.data[:6] for p in arrived.packets] == [b"after."]
    assert len(arrived.losses) == 1 and "torn block" in arrived.losses[0]


def test_frames_that_the_kernel_dropped_are_said(growing: Growing) -> None:
    follower = growing.follower()
    growing.carries("home", b"frame." * 10, drops=7)
    assert follower.new().losses == ("home: the kernel dropped 7 frames",)


def test_the_start_of_a_kept_connection_comes_with_its_first_frame(
    growing: Growing, ipv4: Callable[..., bytes]
) -> None:
    opening = ipv4(CLIENT, SERVER, flags=SYN, sequence=1)
    growing.carries("backend", opening)
    follower = growing.follower("backend")
    growing.carries("backend", ipv4(CLIENT, SERVER, flags=ACK, sequence=2))
    arrived = follower.new()
    assert [p.data for p in arrived.earlier] == [opening]
    growing.carries("backend", ipv4(CLIENT, SERVER, flags=ACK, sequence=3))
    assert follower.new().earlier == (), "once is enough"


def test_a_connection_that_opens_now_has_no_past(growing: Growing, ipv4: Callable[..., bytes]) -> None:
    growing.carries("backend", ipv4(CLIENT, SERVER, flags=SYN, sequence=77))
    follower = growing.follower("backend")
    growing.carries("backend", ipv4(CLIENT, SERVER, flags=SYN, sequence=1))
    growing.carries("backend", ipv4(CLIENT, SERVER, flags=ACK, sequence=2))
    assert follower.new().earlier == ()


def test_key_logs_are_read_by_whole_lines(growing: Growing) -> None:
    growing.logs(line(1))
    follower = KeyLogFollower(growing.sources.keys)
    growing.logs(line(2) + line(3)[:40])
    assert [s.client_random[-1] for s in follower.new()] == [2]
    growing.logs(line(3)[40:])
    growing.logs(line(4), name="origin-2.9.log")
    assert [s.client_random[-1] for s in follower.new()] == [3, 4]


def test_secrets_from_before_are_given_only_for_what_is_seen(growing: Growing, build: Any) -> None:
    growing.logs(line(1) + line(2))
    follower = KeyLogFollower(growing.sources.keys)
    assert follower.of_earlier(()) == ()
    hello = bytes(54) + b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + (2).to_bytes(32, "big")
    growing.carries("home", hello)
    link = growing.follower()
    growing.carries("home", hello)
    assert [s.client_random[-1] for s in follower.of_earlier(link.new().packets)] == [2]


def test_a_visits_secrets_come_when_it_has_ended(growing: Growing) -> None:
    growing.visit_ends("20260101-000000.000", line(1))
    follower = VisitFollower(growing.sources.captures)
    assert follower.new() == ()
    growing.visit_ends("20260101-000001.000", line(2))
    (growing.sources.captures / ".20260101-000002.000").mkdir()  # one that is being written
    (growing.sources.captures / "20260101-000003.000").mkdir()  # one without keys
    assert [s.client_random[-1] for s in follower.new()] == [2]
    assert follower.new() == ()


TOPOLOGY = Topology("lab", (Interface("client", "home", "10.0.0.1"),))


def stream(growing: Growing, output: io.BytesIO, said: list[str] | None = None) -> LiveStream:
    return LiveStream(growing.sources, TOPOLOGY, output, (said if said is not None else []).append, 0)


def at(build: Any, time_ns: int, data: bytes) -> Any:
    return build.frame(data * 10, T0 + time_ns)


def test_the_stream_is_a_whole_capture_in_the_order_of_time(growing: Growing, build: Any) -> None:
    output = io.BytesIO()
    live = stream(growing, output)

    def goes_on(_: float) -> bool:
        growing.carries("edge", at(build, 20, b"second"))
        growing.carries("home", at(build, 10, b"first."), at(build, 30, b"third."))
        return False

    live.run(goes_on)
    output.seek(0)
    found = list(read_packets(output))
    assert [(LINKS[p.interface_id], p.data[:6]) for p in found] == [
        ("home", b"first."),
        ("edge", b"second"),
        ("home", b"third."),
    ]
    output.seek(0)
    assert [b.name for b in read_blocks(output) if isinstance(b, InterfaceDescription)] == list(LINKS)


def test_what_is_not_due_is_held_back(growing: Growing, build: Any) -> None:
    output = io.BytesIO()
    live = stream(growing, output)
    growing.carries("home", at(build, 10, b"first."))
    live.look(T0 + 10)
    assert b"first." not in output.getvalue()
    live.look(T0 + 11)
    assert b"first." in output.getvalue()


def test_secrets_stand_before_the_frames_that_they_were_known_for_and_only_once(growing: Growing, build: Any) -> None:
    output = io.BytesIO()
    live = stream(growing, output)
    growing.carries("home", at(build, 10, b"first."))
    live.look(None)
    growing.logs(line(1))
    growing.carries("home", at(build, 20, b"second"))
    live.look(None)
    growing.visit_ends("20260101-000000.000", line(1) + line(2))
    live.run(lambda _: False)
    output.seek(0)
    kinds = [b for b in read_blocks(output) if isinstance(b, DecryptionSecrets | EnhancedPacket)]
    assert [type(b).__name__ for b in kinds] == [
        "EnhancedPacket",
        "DecryptionSecrets",
        "EnhancedPacket",
        "DecryptionSecrets",
    ]
    secrets = [b.data.decode() for b in kinds if isinstance(b, DecryptionSecrets)]
    assert secrets == [line(1), line(2)]


def test_losses_are_said(growing: Growing) -> None:
    said: list[str] = []
    live = stream(growing, io.BytesIO(), said)
    growing.carries("edge", b"frame." * 10, drops=3)
    live.look(None)
    assert said == ["edge: the kernel dropped 3 frames"]


def test_a_stream_that_was_torn_off_is_no_whole_capture(growing: Growing) -> None:
    output = io.BytesIO()
    stream(growing, output).look(None)
    output.seek(0)
    with pytest.raises(PcapngError):
        list(read_blocks(output))
