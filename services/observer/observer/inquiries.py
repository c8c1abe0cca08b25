"""Which DNS lookups each connection of a foreign capture was opened with. Pure.

Frames name no program, so this goes by time: a connection is opened with the last lookup of its server's name that was
answered before, each lookup serves one connection, and of several lookups made at the same time the first answered
serves the first connection. What remains is nobody's: its asker kept the answer to itself, or had it already.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from observer.connections import Connection
from observer.kept import Key, key_of
from observer.lookups import Resolution, lookups_by
from observer.messages import Frame
from observer.steps import ToldApart

NAME_FIRST_NS = 10_000_000_000  # how long before its connection a client may have asked for the name
_AT_ONCE_NS = 500_000_000  # what a program asks because of an answer comes sooner; what for want of one, later
_MOST_AT_ONCE = 16  # of more nobody can tell which belong together, and a flood of them must not take long

_FINAL = {0, 3}  # NOERROR and NXDOMAIN (RFC 1035, section 4.1.1): after another code a resolver is asked differently

Inquiry = Sequence[Resolution]
"""Questions for one name that belong together: asked at once for records of several types, or asked again."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a connection was opened with: its own lookups, none if it had to ask nobody; and those that others made of
    the same name meanwhile, with how the two were told apart."""

    own: Inquiry
    others: Inquiry
    told_apart: ToldApart

    @property
    def foreign_frames(self) -> frozenset[int]:
        """The frames of the others' lookups."""
        frames = (frame for found in self.others for frame in (found.query, found.response) if frame)
        return frozenset(frame.number for frame in frames)


def opened_with(frames: Iterable[Frame], named: Iterable[tuple[Connection, str]]) -> dict[Key, Opened]:
    """What each connection was opened with; `named` gives each with its server's name, as it stands in a URL."""
    lookups: dict[tuple[str, str, str], list[Resolution]] = defaultdict(list)
    for found in lookups_by(sorted(frames, key=lambda frame: frame.number), None, None):
        lookups[found.query.link, found.query.source, _plain(found.question.name)].append(found)
    opened: dict[tuple[str, str, str], list[Connection]] = defaultdict(list)
    for connection, name in named:
        opened[connection.link, connection.client.address, _plain(name)].append(connection)
    return {
        key_of(connection): found
        for asker, connections in opened.items()
        for connection, found in _shared_out(lookups[asker], sorted(connections, key=_began_ns))
    }


def inquiries(lookups: Iterable[Resolution], began_ns: Sequence[int]) -> list[Inquiry]:
    """One client's lookups of one name, in order, put together; `began_ns` is when it opened connections, in order."""
    found: list[list[Resolution]] = []
    for lookup in lookups:
        # A program may ask everything from one port; otherwise it goes on with what was asked last.
        latest = found[: -_MOST_AT_ONCE - 1 : -1]
        recent = sorted(latest, key=lambda inquiry: not _shares_port(lookup, inquiry[-_MOST_AT_ONCE:]))
        inquiry = next((inquiry for inquiry in recent if _belongs(lookup, inquiry, began_ns)), None)
        if inquiry is None:
            found.append([lookup])
        else:
            inquiry.append(lookup)
    return list(found)


def _shared_out(lookups: Inquiry, opened: Sequence[Connection]) -> Iterator[tuple[Connection, Opened]]:
    """Each connection, in the order in which they began, with what it was opened with."""
    left = sorted(inquiries(lookups, [_began_ns(connection) for connection in opened]), key=_answered_ns)
    for connection in opened:
        began_ns = _began_ns(connection)
        own: Inquiry = ()
        # One that was open before the capture began was opened with nothing that is in it.
        if connection.identity is not None:
            ready = bisect_right(left, began_ns, key=_answered_ns)
            candidates = _last_at_once([i for i in left[:ready] if _in_time(i, began_ns)])
            if candidates:
                own = _in_time(candidates[0], began_ns)
                left = [*candidates[1:], *left[ready:]]
        yield connection, _opened(own, lookups, began_ns)


def _opened(own: Inquiry, lookups: Inquiry, began_ns: int) -> Opened:
    enter_ns = own[0].query.time_ns if own else began_ns
    mine = {lookup.query.number for lookup in own}
    until_began = [lookup for lookup in lookups if lookup.query.time_ns <= began_ns]
    meanwhile = [lookup for lookup in until_began if max(lookup.query.time_ns, _answer_ns(lookup) or 0) >= enter_ns]
    others = [lookup for lookup in meanwhile if lookup.query.number not in mine]
    if not others:
        return Opened(own, (), ToldApart.ALONE)
    in_time = any(lookup.response and lookup.response.time_ns <= began_ns for lookup in others)
    return Opened(own, others, ToldApart.ORDER if in_time else ToldApart.ANSWERED)


def _last_at_once(ready: Sequence[Inquiry]) -> Sequence[Inquiry]:
    """Of inquiries in the order of their answers the last, and those before it that were waiting at the same time.
    What was answered before any of them was asked has served already whom it was to serve, or nobody."""
    first = len(ready) - 1
    asked_ns = ready[first][0].query.time_ns if ready else 0
    while first > 0 and _answered_ns(ready[first - 1]) >= asked_ns:
        first -= 1
        asked_ns = min(asked_ns, ready[first][0].query.time_ns)
    return ready[max(first, 0) :]


def _belongs(lookup: Resolution, inquiry: Inquiry, began_ns: Sequence[int]) -> bool:
    recent = inquiry[-_MOST_AT_ONCE:]
    alike = [asked for asked in recent if _kind(asked) == _kind(lookup)]
    return _repeats(lookup, alike) if alike else _goes_with(lookup, recent, began_ns)


def _repeats(lookup: Resolution, alike: Inquiry) -> bool:
    """Whether a question is asked again for want of an answer, or of one that is final. Another program, which has a
    port and an id of its own, does not wait before it asks."""
    now = lookup.query.time_ns
    answers = [asked for asked in alike if asked.response and asked.response.time_ns <= now]
    if any(map(_is_final, answers)):
        return False
    asked_ns = max(asked.query.time_ns for asked in alike)
    answered_ns = max((asked.response.time_ns for asked in answers if asked.response), default=None)
    if answered_ns is not None and answered_ns >= asked_ns:
        return now - answered_ns < _AT_ONCE_NS
    waited_ns = now - asked_ns
    is_same = _shares_port(lookup, alike) or any(asked.question.id == lookup.question.id for asked in alike)
    return waited_ns < NAME_FIRST_NS and (is_same or waited_ns >= _AT_ONCE_NS)


def _goes_with(lookup: Resolution, recent: Inquiry, began_ns: Sequence[int]) -> bool:
    """Whether a question for another type of record belongs to those before it: it comes with them, or with an answer
    to them, and before a connection is opened."""
    now = lookup.query.time_ns
    said_ns = [ns for asked in recent for ns in (asked.query.time_ns, _answer_ns(asked)) if ns is not None]
    between = bisect_left(began_ns, now) > bisect_left(began_ns, recent[0].query.time_ns)
    at_once = now - max((ns for ns in said_ns if ns <= now), default=now) < _AT_ONCE_NS
    return at_once and (not between or _shares_port(lookup, recent))


def _is_final(lookup: Resolution) -> bool:
    return lookup.answer is not None and not lookup.answer.truncated and lookup.answer.response_code in _FINAL


def _in_time(inquiry: Inquiry, began_ns: int) -> Inquiry:
    return [lookup for lookup in inquiry if began_ns - NAME_FIRST_NS <= lookup.query.time_ns <= began_ns]


def _answered_ns(inquiry: Inquiry) -> int:
    """From when on a connection may rest on it: its first answer; of one whose answers were not captured, its start."""
    answers = [ns for ns in map(_answer_ns, inquiry) if ns is not None]
    return min(answers, default=inquiry[0].query.time_ns)


def _answer_ns(lookup: Resolution) -> int | None:
    return lookup.response.time_ns if lookup.response else None


def _shares_port(lookup: Resolution, inquiry: Inquiry) -> bool:
    return any(asked.port == lookup.port for asked in inquiry)


def _kind(lookup: Resolution) -> tuple[str, bool]:
    return lookup.question.type, lookup.query.tcp is not None


def _began_ns(connection: Connection) -> int:
    return connection.frames[0].time_ns


def _plain(name: str) -> str:
    return name.rstrip(".").lower()  # RFC 4343
