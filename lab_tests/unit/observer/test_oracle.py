"""An independent oracle: what tshark and capinfos count in a golden capture, and what our frames add up to."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from golden_visits import VERSIONS, VISITS
from observer import dissect
from observer.connections import Endpoint, Transport, connections
from observer.lookups import lookups_by
from observer.messages import Frame, HttpVersion
from observer.topology import LINKS
from programs_here import needs_tshark

pytestmark = [
    needs_tshark,
    pytest.mark.parametrize("version", VERSIONS),
    pytest.mark.parametrize("link", LINKS),
]

HTTP2_TYPES = {0: "DATA", 1: "HEADERS", 3: "RST_STREAM", 4: "SETTINGS", 6: "PING", 7: "GOAWAY", 8: "WINDOW_UPDATE"}


@dataclass(frozen=True)
class Traffic:
    frames: int
    bytes: int


@dataclass(frozen=True)
class Statistics:
    """What tshark's -z options printed; trees by the items' names, whatever they are nested in."""

    conversations: dict[tuple[str, str], str]
    hierarchy: dict[str, Traffic]
    http: Counter[str]
    http2: Counter[str]
    dns: Counter[str]


def path_of(version: str, link: str) -> Path:
    return VISITS / f"http{version}" / f"{link}.pcapng"


def ours(version: str, link: str) -> tuple[Frame, ...]:
    lines = path_of(version, link).with_suffix(".tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return tuple(dissect.frames(lines))


@cache
def tsharks(version: str, link: str) -> Statistics:
    reports = [f"-z{report}" for report in ("conv,tcp", "io,phs", "http,tree", "http2,tree", "dns,tree")]
    command = ["tshark", "-n", "-q", *reports, "-r", str(path_of(version, link))]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return Statistics(
        conversations=dict(_conversations(printed)),
        hierarchy=dict(_hierarchy(printed)),
        http=_tree(printed, "HTTP / Packet Counter"),
        http2=_tree(printed, "HTTP2"),
        dns=_tree(printed, "DNS"),
    )


def _conversations(printed: str) -> Iterable[tuple[tuple[str, str], str]]:
    """Each direction, by sender and receiver, as it is printed: "8 3083 bytes"."""
    for line in printed.splitlines():
        if "<->" in line:
            one, _, other, *words = line.split()
            yield (other, one), " ".join(words[0:3])
            yield (one, other), " ".join(words[3:6])


def _hierarchy(printed: str) -> Iterable[tuple[str, Traffic]]:
    path: list[str] = []
    for line in printed.splitlines():
        found = re.match(r"( *)(\S+)\s+frames:(\d+) bytes:(\d+)", line)
        if found:
            path[len(found[1]) // 2 :] = [found[2]]
            yield "/".join(path), Traffic(int(found[3]), int(found[4]))


def _tree(printed: str, title: str) -> Counter[str]:
    """The counts of one tree; two items of one name are added up, which only makes comparing harder to fool."""
    counts: Counter[str] = Counter()
    inside = False
    for line in printed.splitlines():
        if re.match(rf"{re.escape(title)}:\s*$", line):
            inside = True
        elif line.startswith("==="):
            inside = False
        elif inside and (found := re.match(r" *(\S.*?)\s{2,}(\d+)\s", line)):
            counts[found[1]] += int(found[2])
    assert counts or title not in printed, f"the tree {title} cannot be read"
    return counts


def traffic(frames: Iterable[Frame]) -> Traffic:
    lengths = [frame.length for frame in frames]
    return Traffic(len(lengths), sum(lengths))


def test_capinfos_counts_the_same_packets_bytes_and_time(link: str, version: str) -> None:
    command = ["capinfos", "-TmQ", "-c", "-d", "-u", "-S", str(path_of(version, link))]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    (row,) = csv.DictReader(io.StringIO(printed))
    frames = ours(version, link)
    times = [frame.time_ns for frame in frames]
    assert traffic(frames) == Traffic(int(row["Number of packets"]), int(row["Data size (bytes)"]))
    assert dissect.nanoseconds(row["Capture duration (seconds)"]) == max(times) - min(times)


def test_tcp_conversations_are_our_connections_with_their_frames_and_bytes(link: str, version: str) -> None:
    directions = {
        (sender, receiver): as_printed(traffic(f for f in c.frames if sent_by(f) == sender))
        for c in connections(ours(version, link))
        if c.transport is Transport.TCP
        for sender, receiver in (
            (str(c.client), str(c.server)),
            (str(c.server), str(c.client)),
        )
    }
    assert directions == tsharks(version, link).conversations


def as_printed(sent: Traffic) -> str:
    """tshark gives whole kilobytes, rounded down, from 10 000 bytes on."""
    return f"{sent.frames} {sent.bytes} bytes" if sent.bytes < 10_000 else f"{sent.frames} {sent.bytes // 1000} kB"


def sent_by(frame: Frame) -> str:
    assert frame.tcp is not None
    return str(Endpoint(frame.source, frame.tcp.source_port))


def test_the_protocol_hierarchy_has_as_many_frames_as_we_typed(link: str, version: str) -> None:
    frames = ours(version, link)
    none = Traffic(0, 0)
    hierarchy = tsharks(version, link).hierarchy
    typed = {
        "eth": frames,
        "eth/arp": [f for f in frames if f.protocols.endswith(":arp")],
        "eth/ip/icmp": [f for f in frames if f.icmp],
        "eth/ip/tcp": [f for f in frames if f.tcp],
        "eth/ip/udp": [f for f in frames if f.udp],
        "eth/ip/udp/dns": [f for f in frames if f.dns and f.udp],
        "eth/ip/udp/quic": [f for f in frames if f.quic],
        # The hierarchy also counts segments that hold only a part of a record: all TCP here carries TLS.
        "eth/ip/tcp/tls": [f for f in frames if f.tcp and f.tcp.length],
        "eth/ip/tcp/tls/http2": [f for f in frames if f.http2_frame_types],
        "eth/ip/tcp/tls/http": [f for f in frames if any(m.version is HttpVersion.HTTP_1 for m in f.http)],
    }
    assert {path: traffic(found) for path, found in typed.items()} == {p: hierarchy.get(p, none) for p in typed}


def test_dns_messages_types_and_codes_are_as_many(link: str, version: str) -> None:
    messages = [f.dns for f in ours(version, link) if f.dns]
    records = [r for m in messages if m.is_response for r in (*m.answers, *m.authorities, *m.additionals)]
    tree = tsharks(version, link).dns
    assert tree["Total Packets"] == len(messages)
    assert tree["Query"] == sum(not m.is_response for m in messages)
    assert tree["No error"] == sum(m.response_code == 0 for m in messages)
    assert tree["Answer Type"] == len(records)
    for kind in ("A", "AAAA", "NS", "SOA", "OPT", "CNAME"):
        asked = sum(m.type == kind for m in messages)
        assert tree[kind] == asked + sum(r.type == kind for r in records), kind


def test_dns_questions_and_answers_are_paired_as_often_as_tshark_timed_them(link: str, version: str) -> None:
    answered = [found for found in lookups_by(ours(version, link), None, link) if found.response]
    assert len(answered) == tsharks(version, link).dns["request-response time (msec)"]


def test_http_1_requests_and_responses_are_as_many_by_method_and_status(link: str, version: str) -> None:
    messages = [m for f in ours(version, link) for m in f.http if m.version is HttpVersion.HTTP_1]
    tree = tsharks(version, link).http
    methods = Counter(m.method for m in messages if m.is_request)
    statuses = Counter(str(m.status) for m in messages if not m.is_request)
    told = Counter({name.split(" ")[0]: n for name, n in tree.items() if re.match(r"\d{3} ", name)})
    assert statuses == told
    assert {method: tree[str(method)] for method in methods} == methods
    assert (methods.total(), statuses.total()) == (tree["HTTP Request Packets"], tree["HTTP Response Packets"])


def test_http_2_frames_are_as_many_by_type(link: str, version: str) -> None:
    frames = ours(version, link)
    tree = tsharks(version, link).http2
    types = Counter(HTTP2_TYPES[kind] for f in frames for kind in f.http2_frame_types)
    assert {kind: tree[kind] for kind in HTTP2_TYPES.values()} == {kind: types[kind] for kind in HTTP2_TYPES.values()}
    assert types.total() == tree["Type"]
    messages = [m for f in frames for m in f.http if m.version is HttpVersion.HTTP_2]
    assert len(messages) == types["HEADERS"]
