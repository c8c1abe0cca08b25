"""Frames as a conversation, and expectations written as one. Pure.

Each message is a line, `SENDER -> RECEIVER  WORDS`; what carries nothing (bare acknowledgements) is left out. A test
writes down the lines that it expects:

    conversation(visited.on("home"), topology).reads('''
        client   -> resolver  DNS? A parseltongue.co.in
        resolver -> client    DNS: *
        client   -> balancer  SYN
        ...
        balancer -> client    200
        ...
    ''')

`*` stands for any words within a line, `...` for any number of lines. Every other line has to be there, in this
order, and none besides. A mismatch is told with what was expected beside what was found, frame by frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from observer.lookups import outcome
from observer.messages import Frame, HandshakeType, TcpFlags
from observer.registries import ALERTS, name_of
from observer.topology import Topology

ANYTHING = "..."


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message of one frame: who says what to whom."""

    frame: Frame
    sender: str
    receiver: str
    words: str

    def __str__(self) -> str:
        return f"{self.sender} -> {self.receiver}  {self.words}"


class Misheard(AssertionError):
    """The conversation was not the one expected; the text shows both, side by side."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What hosts said to each other on one link, in order."""

    utterances: tuple[Utterance, ...]

    def reads(self, script: str) -> tuple[Utterance, ...]:
        """The utterances that the script's lines name, in their order, without those that a `...` stands for.

        Raises:
            Misheard: the conversation reads otherwise.
            ValueError: a line of the script is not `SENDER -> RECEIVER  WORDS`.
        """
        expected = script_lines(script)
        matched = _match(expected, self.utterances)
        if matched is None:
            raise Misheard(_side_by_side(expected, self.utterances))
        return tuple(self.utterances[position] for position in matched)

    def between(self, one: str, other: str) -> Conversation:
        """Only what these two say to each other."""
        return Conversation(tuple(u for u in self.utterances if {u.sender, u.receiver} == {one, other}))

    def __str__(self) -> str:
        return "\n".join(f"{u.frame.number:>6}  {u}" for u in self.utterances)


def conversation(frames: Iterable[Frame], topology: Topology) -> Conversation:
    """What the frames say, message by message. Hosts are who wrote and who is meant, as NAT has it on that link."""
    spoken = []
    for frame in frames:
        sender, receiver = topology.name(frame.source), topology.name(frame.destination)
        spoken += [Utterance(frame, sender, receiver, words) for words in said(frame)]
    return Conversation(tuple(_handshake_acks_only(spoken)))


def said(frame: Frame) -> tuple[str, ...]:
    """The frame's messages in the RFCs' words, in order; a bare acknowledgement is "ACK"."""
    if frame.icmp:
        return (f"ICMP {frame.icmp.type}/{frame.icmp.code}",)
    if frame.dns:
        name = f"{frame.dns.type} {frame.dns.name}"
        return (f"DNS: {outcome(frame.dns)}",) if frame.dns.is_response else (f"DNS? {name}",)
    words = [*_opening(frame), *_tls(frame), *_http(frame)]
    if frame.tcp and frame.tcp.retransmission:
        return ("retransmission",)
    if not words and frame.tcp and frame.tcp.length:
        words = ["data"]
    if not words and frame.quic is None and frame.udp:
        words = ["datagram"]
    if frame.quic and {0x1C, 0x1D} & set(frame.quic.frame_types):  # RFC 9000, section 19.19
        words.append("CONNECTION_CLOSE")
    if frame.tcp:
        words += [flag.name or "" for flag in (TcpFlags.FIN, TcpFlags.RST) if frame.tcp.flags & flag]
        if not words:
            words = ["ACK"]
    return tuple(words)


def _opening(frame: Frame) -> Iterator[str]:
    if frame.tcp and frame.tcp.flags & TcpFlags.SYN:
        yield "SYN ACK" if frame.tcp.flags & TcpFlags.ACK else "SYN"


def _tls(frame: Frame) -> Iterator[str]:
    if not frame.tls:
        return
    for number in frame.tls.handshake:
        yield _HANDSHAKE.get(number, f"handshake {number}")
    for alert in frame.tls.alerts:
        yield f"alert {name_of(alert.description, ALERTS)}"
    closed = sum(record.inner_type is None for record in frame.tls.records)
    if closed:
        yield f"{closed} encrypted records" if closed > 1 else "1 encrypted record"


_HANDSHAKE = {int(kind): "".join(word.title() for word in kind.name.split("_")) for kind in HandshakeType}


def _http(frame: Frame) -> Iterator[str]:
    """Requests and responses; of HTTP/2 the other frames by their types (RFC 9113, section 6)."""
    messages = [f"{m.method} {m.path}" if m.is_request else str(m.status) for m in frame.http]
    if not frame.http2_frame_types:
        yield from messages
        return
    remaining = iter(messages)
    for number in dict.fromkeys(frame.http2_frame_types):
        if number == _HEADERS:
            yield from remaining
        else:
            yield _HTTP2_FRAMES.get(number, f"HTTP/2 frame {number}")
    yield from remaining


_HEADERS = 1
_HTTP2_FRAMES = {
    0: "DATA",
    2: "PRIORITY",
    3: "RST_STREAM",
    4: "SETTINGS",
    5: "PUSH_PROMISE",
    6: "PING",
    7: "GOAWAY",
    8: "WINDOW_UPDATE",
    9: "CONTINUATION",
}


def _handshake_acks_only(spoken: Sequence[Utterance]) -> Iterator[Utterance]:
    """Of bare acknowledgements keep the third packet of each TCP handshake (RFC 9293, section 3.5); of several
    segments that carry content in a row the first."""
    answered: set[tuple[str, int]] = set()
    last: tuple[object, ...] = ()
    for utterance in spoken:
        tcp = utterance.frame.tcp
        stream = (utterance.frame.link, tcp.stream) if tcp else None
        if utterance.words == "SYN ACK" and stream:
            answered.add(stream)
        if utterance.words == "ACK":
            if stream not in answered:
                continue
            answered.discard(stream)
        this = (stream, utterance.sender, utterance.words)
        if utterance.words not in ("data", "DATA") or this != last:
            yield utterance
        last = this


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script: a message, or with `pattern` None any number of them."""

    text: str
    pattern: Callable[[str], object] | None

    def fits(self, utterance: Utterance) -> bool:
        return self.pattern is not None and bool(self.pattern(_plain(str(utterance))))


def script_lines(script: str) -> tuple[Line, ...]:
    """The script's lines. Raises ValueError for one that is none."""
    lines = []
    for text in (line.strip() for line in script.strip().splitlines()):
        if not text:
            continue
        if text == ANYTHING:
            lines.append(Line(text, None))
            continue
        if not re.fullmatch(r"\S+ +-> +\S+ +\S.*", text):
            raise ValueError(f"{text!r}: expected SENDER -> RECEIVER  WORDS, or {ANYTHING}")
        pattern = ".*".join(re.escape(part) for part in _plain(text).split("*"))
        lines.append(Line(text, re.compile(pattern).fullmatch))
    if not any(line.pattern for line in lines):
        raise ValueError("the script names no message: whatever was said would fit")
    return tuple(lines)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _match(expected: Sequence[Line], found: Sequence[Utterance]) -> list[int] | None:
    """The positions of the utterances that the lines name, or None. Each `...` takes as few as it can."""
    # reachable[i][j]: lines i.. fit utterances j..; from the back, so that the walk forward never has to turn round.
    lines, spoken = len(expected), len(found)
    reachable = [[False] * (spoken + 1) for _ in range(lines + 1)]
    reachable[lines][spoken] = True
    for i in range(lines - 1, -1, -1):
        for j in range(spoken, -1, -1):
            if expected[i].pattern is None:
                reachable[i][j] = reachable[i + 1][j] or (j < spoken and reachable[i][j + 1])
            else:
                reachable[i][j] = j < spoken and reachable[i + 1][j + 1] and expected[i].fits(found[j])
    if not reachable[0][0]:
        return None
    positions, i, j = [], 0, 0
    while i < lines:
        if expected[i].pattern is not None:
            positions.append(j)
            i, j = i + 1, j + 1
        elif reachable[i + 1][j]:
            i += 1
        else:
            j += 1
    return positions


def _side_by_side(expected: Sequence[Line], found: Sequence[Utterance]) -> str:
    """The longest common reading of both, and what either has alone."""
    rows = list(_aligned(expected, found))
    width = max(len(left) for left, _ in rows)
    title = f"the conversation reads otherwise\n  {'expected'.ljust(width)}     frame  found"
    lines = [
        f"{' ' if fits else '!'} {left.ljust(width)}  {right}"
        for (left, right), fits in zip(rows, _fit(rows), strict=True)
    ]
    return "\n".join([title, *lines])


def _fit(rows: Sequence[tuple[str, str]]) -> list[bool]:
    return [
        bool(left and right) or left == ANYTHING or (not left and _in_gap(rows, n))
        for n, (left, right) in enumerate(rows)
    ]


def _in_gap(rows: Sequence[tuple[str, str]], position: int) -> bool:
    """Whether the found line at `position` is one that a `...` before it stands for."""
    before = next((left for left, _ in reversed(rows[:position]) if left), "")
    return before == ANYTHING


def _aligned(expected: Sequence[Line], found: Sequence[Utterance]) -> Iterator[tuple[str, str]]:
    """Rows of an expected and a found line; either may be empty (the longest common subsequence of both)."""
    lines, spoken = len(expected), len(found)
    common = [[0] * (spoken + 1) for _ in range(lines + 1)]
    for i in range(lines - 1, -1, -1):
        for j in range(spoken - 1, -1, -1):
            fits = common[i + 1][j + 1] + 1 if expected[i].fits(found[j]) else 0
            common[i][j] = max(fits, common[i + 1][j], common[i][j + 1])
    i = j = 0
    while i < lines or j < spoken:
        shown = f"{found[j].frame.number:>8}  {found[j]}" if j < spoken else ""
        if i < lines and j < spoken and expected[i].fits(found[j]) and common[i][j] == common[i + 1][j + 1] + 1:
            yield expected[i].text, shown
            i, j = i + 1, j + 1
        elif j == spoken or (i < lines and common[i + 1][j] >= common[i][j + 1]):
            yield expected[i].text, ""
            i += 1
        else:
            yield "", shown
            j += 1
