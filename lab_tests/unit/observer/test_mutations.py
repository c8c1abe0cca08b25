"""The checker checked: real captures doctored one thing at a time, and the verdict that each must get.

What is doctored is the capture, not the typed frames: packets are changed, written, dissected by tshark and told,
as a visit is. Where this machine has no tshark those tests are skipped; the spool's and the reader's run anywhere.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from doctoring import (
    Doctored,
    SpooledBlock,
    carries_certificate,
    is_client_hello,
    is_dns_response,
    is_fin,
    is_request,
    is_server_hello,
    is_syn,
    is_syn_ack,
    resealed,
    sentinel_packet,
    spool_segment,
    undoctored,
    with_source,
    with_wrong_tcp_checksum,
)
from golden_visits import VERSIONS, golden
from hostkit.sentinel import Kind
from hostkit.spool_format import Position, segment_path
from observer.connections import closing_words
from observer.dissect import DissectionError
from observer.document import plain
from observer.explain import journeys
from observer.keylog import Secret
from observer.lab import LinkMarks
from observer.messages import Frame
from observer.pcapng import PcapngError, encode_block, read_blocks
from observer.slicing import Recording, record
from observer.spool import Packet, Spool
from observer.steps import DnsFacts, Journey, KeptOpenFacts, StepName, TlsFacts
from observer.topology import LINKS, NO_LAB
from observer.tshark import WarmTshark
from programs_here import needs_tshark

REST_OF_THE_VISIT = (StepName.REQUEST, StepName.PROCESSING, StepName.RESPONSE, StepName.KEPT_OPEN)
SITE = b"parseltongue.co.in"


def status(told: Journey, name: StepName) -> str:
    return told.step(name).status.value


def dns_facts(told: Journey) -> DnsFacts:
    facts = told.step(StepName.DNS).facts
    assert isinstance(facts, DnsFacts)
    return facts


def tls_facts(told: Journey) -> TlsFacts:
    facts = told.step(StepName.TLS).facts
    assert isinstance(facts, TlsFacts)
    return facts


def kept_open_facts(told: Journey) -> KeptOpenFacts:
    facts = told.step(StepName.KEPT_OPEN).facts
    assert isinstance(facts, KeptOpenFacts)
    return facts


def assert_nothing_after_the_handshake_is_claimed(told: Journey) -> None:
    assert [name for name in REST_OF_THE_VISIT if status(told, name) == "seen"] == []
    assert told.resources == ()


# ---------------------------------------------------------------- the control


@needs_tshark
@pytest.mark.parametrize("version", VERSIONS)
def test_control_a_capture_rewritten_with_nothing_changed_is_told_as_before(version: str) -> None:
    visit = undoctored(version)
    assert plain(visit.told()) == visit.golden.told


# ---------------------------------------------------------------- frames missing


@needs_tshark
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_without_its_syn_ack_a_connection_has_no_handshake_and_the_rest_is_told(version: str) -> None:
    told = undoctored(version).without("home", is_syn_ack).told()
    assert status(told, StepName.TCP) == "absent"  # every link says that it lost nothing
    assert [status(told, name) for name in REST_OF_THE_VISIT] == ["seen"] * 4


@needs_tshark
def test_without_its_syn_ack_on_a_link_that_dropped_frames_nobody_can_tell() -> None:
    doctored = undoctored("2").without("home", is_syn_ack).incomplete("home", "the kernel dropped 1 frames")
    step = doctored.told().step(StepName.TCP)
    assert step.status.value == "unknown"
    assert "home: the kernel dropped 1 frames" in step.summary


@needs_tshark
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_without_the_servers_certificate_frame_no_certificate_is_claimed_and_none_accepted(version: str) -> None:
    told = undoctored(version).without("home", carries_certificate).told()
    assert tls_facts(told).certificate is None
    assert tls_facts(told).verdict == "not finished, or not decrypted"
    assert_nothing_after_the_handshake_is_claimed(told)


@needs_tshark
def test_without_a_fin_the_close_is_told_from_the_layers_above() -> None:
    whole = kept_open_facts(undoctored("1.1").told())
    without = kept_open_facts(undoctored("1.1").without("home", is_fin).told())
    assert (without.closed_by, without.closed_with) == (whole.closed_by, ("close_notify",))


@needs_tshark
@pytest.mark.parametrize("version", VERSIONS)
def test_without_any_word_of_closing_the_connection_is_still_open(version: str) -> None:
    facts = kept_open_facts(undoctored(version).without("home", lambda f: bool(closing_words(f))).told())
    assert (facts.closed_by, facts.closed_with, facts.idle_ns) == (None, (), None)


@needs_tshark
@pytest.mark.parametrize("link", LINKS)
def test_an_empty_link_is_cited_for_nothing(link: str) -> None:
    told = undoctored("2").without(link, lambda frame: True).told()
    cited = {evidence.link for step in told.steps for evidence in step.evidence}
    assert cited == (set() if link == "home" else {*LINKS} - {link})  # what the client did only home can tell


@needs_tshark
def test_with_an_empty_internet_link_the_resolver_asked_nobody() -> None:
    assert dns_facts(undoctored("2").without("internet", lambda frame: True).told()).walk == ()


@needs_tshark
@pytest.mark.parametrize(("reason", "verdict"), [(None, "absent"), ("the tap was restarted in between", "unknown")])
@pytest.mark.parametrize("version", VERSIONS)
def test_with_an_empty_backend_link_no_origin_is_named(version: str, reason: str | None, verdict: str) -> None:
    doctored = undoctored(version).without("backend", lambda frame: True)
    told = (doctored.incomplete("backend", reason) if reason else doctored).told()
    assert status(told, StepName.PROCESSING) == verdict
    assert status(told, StepName.RESPONSE) == "seen"


# ---------------------------------------------------------------- frames cut, swapped, wrong


@needs_tshark
def test_a_server_hello_cut_by_a_snaplen_agrees_on_nothing() -> None:
    told = undoctored("2").cut("home", is_server_hello, 100).told()
    assert (tls_facts(told).version, tls_facts(told).cipher_suite) == ("none agreed", "none agreed")
    assert_nothing_after_the_handshake_is_claimed(told)


@needs_tshark
def test_a_certificate_cut_by_a_snaplen_is_not_read_and_what_follows_it_not_claimed() -> None:
    told = undoctored("2").cut("home", carries_certificate, 600).told()
    assert tls_facts(told).certificate is None
    assert status(told, StepName.RESPONSE) != "seen"


@needs_tshark
def test_an_answer_before_its_question_answers_nothing() -> None:
    def asks_for_a(frame: Frame) -> bool:
        return bool(frame.dns and not frame.dns.is_response and frame.dns.type == "A")

    told = undoctored("2").swapped("home", asks_for_a, is_dns_response).told()
    assert dns_facts(told).addresses == ()
    assert "no answer" in told.step(StepName.DNS).summary


@needs_tshark
def test_a_response_before_its_request_is_no_response() -> None:
    def responds(frame: Frame) -> bool:
        return any(message.status for message in frame.http)

    told = undoctored("2").swapped("home", is_request, responds).told()
    assert status(told, StepName.RESPONSE) != "seen"


@needs_tshark
def test_a_wrong_tcp_checksum_changes_no_step_but_the_packet_is_not_the_one_that_was_sent(tmp_path: Path) -> None:
    """tshark does not check them unless told to, for offloading hosts send wrong ones; this one it would name."""
    visit = undoctored("2")
    doctored = visit.changed("home", is_server_hello, with_wrong_tcp_checksum)
    assert altered(doctored.told(), visit) == ["router"]
    assert (wrong_checksums(visit, tmp_path), wrong_checksums(doctored, tmp_path)) == (0, 1)


def altered(told: Journey, visit: Doctored, **other: Any) -> list[str]:
    """The hosts that changed a packet on its way, of a journey that is otherwise the golden one; `other`: its TLS facts
    that differ."""
    found, golden_told = plain(told), json.loads(json.dumps(visit.golden.told))
    golden_told["steps"][2]["facts"] |= other
    irregular = found.pop("conservation")["irregularities"]
    assert golden_told.pop("conservation")["irregularities"] == []
    assert found == golden_told
    assert {i["fate"] for i in irregular} == {"altered"}
    return [i["host"] for i in irregular]


def wrong_checksums(visit: Doctored, folder: Path) -> int:
    path = folder / "home.pcapng"
    path.write_bytes(visit.capture("home"))
    command = ["tshark", "-n", "-o", "tcp.check_checksum:TRUE", "-Y", "tcp.checksum.status==0", "-r", str(path)]
    return len(subprocess.run(command, capture_output=True, check=True).stdout.splitlines())


@needs_tshark
def test_another_name_in_the_client_hello_is_the_name_that_is_told() -> None:
    visit = undoctored("2")
    told = visit.replaced("home", SITE, b"parseltongue.xx.in").told()
    assert visit.golden.told["steps"][2]["facts"]["server_name"] == SITE.decode()
    # Nothing else is, but that this is not the packet that went on.
    assert altered(told, visit, server_name="parseltongue.xx.in") == ["router"]


@needs_tshark
@pytest.mark.parametrize("wrong", ["server", "id"])
def test_an_answer_from_the_wrong_server_or_of_another_question_answers_nothing(wrong: str) -> None:
    def other_server(frame: bytes) -> bytes:
        return with_source(frame, bytes([10, 66, 6, 6]))

    def other_id(frame: bytes) -> bytes:
        datagram_payload = 14 + 20 + 8
        return frame[:datagram_payload] + bytes([frame[datagram_payload] ^ 1]) + frame[datagram_payload + 1 :]

    change = {"server": other_server, "id": other_id}[wrong]
    told = undoctored("2").changed("home", is_dns_response, change).told()
    assert dns_facts(told).addresses == ()
    assert [lookup.outcome for lookup in dns_facts(told).lookups] == ["no answer", "no answer"]


# ---------------------------------------------------------------- keys and ids


@needs_tshark
@pytest.mark.parametrize(("version", "other"), [("1.1", "2"), ("2", "3"), ("3", "1.1")])
def test_keys_of_another_session_open_nothing(version: str, other: str) -> None:
    told = undoctored(version).with_secrets(undoctored(other).secrets).told()
    facts = tls_facts(told)
    assert (facts.version, facts.certificate, facts.protocol) == ("TLS 1.3", None, None)
    assert facts.verdict == "not finished, or not decrypted"
    assert_nothing_after_the_handshake_is_claimed(told)


@needs_tshark
def test_a_request_of_another_id_behind_the_balancer_is_not_this_visits() -> None:
    visit = undoctored("2")
    (request,) = [m for f in visit.golden.frames if f.link == "backend" for m in f.http if m.is_request]
    its_id = (request.header("x-request-id") or "").encode()
    secret = client_traffic_secret(visit, "backend")
    told = visit.changed("backend", is_request, lambda f: resealed(f, secret.secret, its_id, its_id[::-1])).told()
    assert status(told, StepName.PROCESSING) == "absent"
    assert status(told, StepName.RESPONSE) == "seen"
    assert "backend" not in {evidence.link for step in told.steps for evidence in step.evidence}


def client_traffic_secret(visit: Doctored, link: str) -> Secret:
    """The one for application data of the link's only TLS connection."""
    (hello,) = [f.tls.client_hello for f in visit.golden.frames if f.link == link and is_client_hello(f) and f.tls]
    assert hello is not None
    (found,) = [s for s in visit.secrets if (s.label, s.client_random) == ("CLIENT_TRAFFIC_SECRET_0", hello.random)]
    return found


# ---------------------------------------------------------------- the file cut in the middle


@needs_tshark
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_tshark_reading_a_file_cut_within_a_block_is_an_error(share: float) -> None:
    whole = undoctored("2").capture("internet")
    cut = int(len(whole) * share) | 1  # blocks are multiples of 4 bytes: never between two
    with pytest.raises(DissectionError, match=r"cut short|less data"):
        WarmTshark(ahead=0).dissect(whole[:cut])


@pytest.mark.parametrize("version", VERSIONS)
def test_our_reader_tells_a_file_cut_anywhere_from_a_whole_one(version: str) -> None:
    whole = undoctored(version).capture("home")
    ends = [0]
    for block in read_blocks(io.BytesIO(whole)):
        ends.append(ends[-1] + len(encode_block(block)))
    assert ends.pop() == len(whole)
    for cut in sorted({*ends, *range(1, len(whole), 211)}):
        with pytest.raises(PcapngError):
            list(read_blocks(io.BytesIO(whole[:cut])))


# ---------------------------------------------------------------- the spool


@dataclass(frozen=True)
class Spooled:
    """The home link of a golden visit in a spool: what the tap wrote, and what the observer reads of it."""

    packets: tuple[Packet, ...]
    folder: Path

    def blocks(self, *, begin: bool = True, end: bool = True) -> list[SpooledBlock]:
        first, last = self.packets[0], self.packets[-1]
        half = len(self.packets) // 2
        before = [sentinel_packet(Kind.BEGIN, "visit", first)] if begin else []
        after = [sentinel_packet(Kind.END, "visit", last)] if end else []
        return [SpooledBlock([*before, *self.packets[:half]]), SpooledBlock([*self.packets[half:], *after])]

    def read(self, blocks: Sequence[SpooledBlock], cut: int | None = None) -> Recording:
        segment = spool_segment(blocks)[:cut]
        path = segment_path(self.folder, "home", 0)
        path.parent.mkdir()
        path.write_bytes(segment)
        return record(Spool(self.folder), "visit", LinkMarks("home", Position(0, 0), Position(0, len(segment))))


@pytest.fixture
def home(tmp_path: Path) -> Spooled:
    return Spooled(undoctored("2").packets["home"], tmp_path)


def told_from(read: Recording) -> Journey:
    """The visit told with this recording of home, the other links whole; its frames are the first of home's."""
    visit = golden("2")
    positions = {id(f): at for at, f in enumerate(frame for frame in visit.frames if frame.link == "home")}
    frames = tuple(f for f in visit.frames if f.link != "home" or positions[id(f)] < len(read.packets))
    # The golden captures hold no sentinels, so nobody knows when theirs passed.
    capture = replace(read.capture, begin_ns=None, end_ns=None)
    return replace(visit, frames=frames, capture=(capture, *visit.capture[1:])).journey()


def test_control_a_whole_spool_gives_the_visits_frames_and_is_complete(home: Spooled) -> None:
    read = home.read(home.blocks())
    assert read.packets == home.packets
    assert (read.capture.complete, read.capture.dropped, read.capture.reasons) == (True, 0, ())
    assert plain(told_from(read)) == golden("2").told


@pytest.mark.parametrize("missing", ["begin", "end"])
def test_a_missing_sentinel_leaves_the_frames_and_takes_away_the_word_complete(home: Spooled, missing: str) -> None:
    sentinels: dict[str, Any] = {missing: False}
    read = home.read(home.blocks(**sentinels))
    assert read.packets == home.packets
    assert (read.capture.complete, read.capture.reasons) == (False, (f"{missing} sentinel is not in the spool",))
    assert not told_from(read).complete


def test_drops_that_the_kernel_reports_make_what_is_not_seen_unknown(home: Spooled) -> None:
    first, last = home.blocks()
    without_response = SpooledBlock(last.packets[-3:], dropped=len(last.packets) - 3)
    read = home.read([first, without_response])
    assert read.capture.dropped == len(last.packets) - 3
    assert read.capture.reasons == (f"the kernel dropped {read.capture.dropped} frames",)
    told = told_from(replace(read, packets=read.packets[: len(home.packets) // 2]))
    assert status(told, StepName.RESPONSE) == "unknown"
    assert "the kernel dropped" in told.step(StepName.RESPONSE).summary


@pytest.mark.parametrize("within", [8, 200], ids=["header", "block"])
def test_a_spool_file_cut_in_the_middle_is_said_and_never_a_shorter_visit(home: Spooled, within: int) -> None:
    blocks = home.blocks()
    read = home.read(blocks, cut=len(spool_segment(blocks[:1])) + within)
    assert read.packets == home.packets[: len(home.packets) // 2]
    assert not read.capture.complete
    assert any("cut short" in reason or "torn block" in reason for reason in read.capture.reasons)
    assert status(told_from(read), StepName.RESPONSE) == "unknown"


@needs_tshark
@pytest.mark.parametrize("other", ["1.1", "3"])
def test_what_keys_of_another_session_leave_closed_is_unknown_not_absent(other: str) -> None:
    told = undoctored("2").with_secrets(undoctored(other).secrets).told()
    names = (StepName.REQUEST, StepName.PROCESSING, StepName.RESPONSE, StepName.KEPT_OPEN)
    assert [told.step(name).status.value for name in names] == ["unknown"] * 4


@needs_tshark
def test_a_syn_ack_before_its_syn_is_no_handshake() -> None:
    told = undoctored("2").swapped("home", is_syn, is_syn_ack).told()
    assert told.step(StepName.TCP).status.value != "seen"


@needs_tshark
def test_a_name_that_no_url_can_hold_is_told_all_the_same() -> None:
    doctored = undoctored("2").replaced("home", b"parseltongue.co.in", b"[arseltongue.co.in")
    assert "%5Barseltongue.co.in" in journeys(doctored.frames(), NO_LAB)[0].visit.url
