"""What is kept of a capture while it is read: of a bounded number of connections the frames that their stories need,
of all others a count. Pure.

So memory stays bounded while a file grows, and a small file is kept whole. `Bounds` says where it ends; whoever tells
the stories says which of them was reached.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from observer.connections import Connection, Transport, closing_words, connections, identity_of, tells_ends
from observer.dissect import Glimpse
from observer.exchanges import REQUEST_ID
from observer.http1_order import is_final
from observer.messages import Frame, QuicPacketType, TcpFlags
from observer.sealed import Seal, Sealed

Key = tuple[str, str, int]  # link, transport, number: not the enum itself, which takes long to hash

_TCP, _QUIC = Transport.TCP.value, Transport.QUIC.value
# Frames with bytes, and no message that ends there, that are kept behind one with: an answer's first, and its sender.
_FOLLOWERS = 2
_SYN = int(TcpFlags.SYN)
_OPENING = int(TcpFlags.SYN | TcpFlags.FIN | TcpFlags.RST)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that is kept: connections with their frames, frames in all, frames outside of connections, counts.

    And the most that one tshark reads: frames of a piece, and those of earlier ones with which it may begin.
    """

    stories: int = 50
    frames: int = 50_000
    loose: int = 20_000
    counted: int = 1_000
    piece: int = 200_000
    carried: int = 50_000

    @staticmethod
    def none() -> Bounds:
        """For frames that are in memory already."""
        return Bounds(sys.maxsize, sys.maxsize, sys.maxsize, sys.maxsize)


ORDINARY = Bounds()


class Track:
    """One connection: its count always, its frames while they are kept.

    `thinned` frames said nothing that its story needs; `missed` ones may have.
    """

    def __init__(self, key: Key, first: Frame, followed: bool) -> None:
        self.key = key
        self.first = first
        self.answer: Frame | None = None  # of QUIC: the other side's first, which helps to tell who opened it
        self.telling: Frame | None = None  # of TCP: the first that says so, if the very first does not
        self.last_ns = first.time_ns
        self.followed = followed
        self.frames: list[Frame] = []
        self.thinned = self.missed = 0
        self.count = self.bytes = self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.closed_by: tuple[str, ...] = ()
        self.seal = Seal()
        self._since_telling = 0
        self._shaking_hands = False
        self._ends_in_doubt = first.tcp is not None and not tells_ends(first)

    @property
    def opened(self) -> bool:
        """Whether the capture holds its first packet."""
        return self.ends().identity is not None

    def ends(self) -> Connection:
        """The connection as its first frames show it: who is the client, and what it is known by."""
        (connection,) = connections([f for f in (self.first, self.answer, self.telling) if f])
        return connection

    @property
    def request_ids(self) -> set[str]:
        """The ids that its kept frames show: as bounded as those are."""
        found = (message.header(REQUEST_ID) for frame in self.frames for message in frame.http)
        return {identity for identity in found if identity is not None}

    @property
    def answers(self) -> int:
        """Final responses."""
        return sum(number for status, number in self.statuses.items() if is_final(status))

    def count_in(self, frame: Frame) -> None:
        self.last_ns = frame.time_ns
        self.count += 1
        self.bytes += frame.length
        if frame.quic and self.answer is None and frame.source != self.first.source:
            self.answer = frame
        if frame.tls or frame.quic or frame.http:
            self.seal.add(frame)
            if self._ends_in_doubt and tells_ends(frame):
                self.telling, self._ends_in_doubt = frame, False
        if not self.closed_by and (frame.quic or frame.tls or (frame.tcp and int(frame.tcp.flags) & _OPENING)):
            self.closed_by = closing_words(frame)
        for message in frame.http:
            self.requests += message.is_request
            if message.status is not None:
                self.statuses[message.status] += 1

    def count_glimpse(self, seen: Glimpse) -> None:
        self.last_ns = seen.time_ns
        self.count += 1
        self.bytes += seen.length
        if seen.hidden or seen.shown:
            self.seal.add_records(seen.sender, seen.hidden, seen.shown, bool(seen.requests or seen.statuses))
        self.requests += seen.requests
        for status in seen.statuses:
            self.statuses[status] += 1

    def needs(self, frame: Frame) -> bool:
        """Whether the story needs `frame`, given what came before it."""
        if _tells(frame):
            self._since_telling = 0
            self._shaking_hands = bool(frame.tcp and int(frame.tcp.flags) & _SYN)
            return True
        if frame.tcp and not frame.tcp.length:
            # The third packet of TCP's handshake; on no other bare acknowledgment does a story rest.
            third, self._shaking_hands = self._shaking_hands, False
            return third
        self._since_telling += 1
        return self._since_telling <= _FOLLOWERS

    def thin(self) -> int:
        """Give up what the story does not need; how many frames that are."""
        before = len(self.frames)
        self._since_telling = 0
        self.frames = [frame for frame in self.frames if self.needs(frame)]
        self.thinned += before - len(self.frames)
        return before - len(self.frames)


class Kept:
    """Takes a capture's frames in order and keeps what `Bounds` allow."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.tracks: dict[Key, Track] = {}
        self.loose: list[Frame] = []
        self.loose_missed = self.uncounted = self.total = 0
        self.per_link: Counter[str] = Counter()
        self.thin = False
        self._held = 0
        self._times: list[int] = []
        self._followed: set[str] = set()

    def add(self, frame: Frame) -> None:
        self.total += 1
        self.per_link[frame.link] += 1
        key = _key(frame)
        if key is None or frame.dns:
            self._add_loose(frame)
        if key is not None:
            track = self.tracks.get(key) or self._track(key, frame)
            if track is None:
                self.uncounted += 1
                return
            track.count_in(frame)
            if track.followed:
                self._keep(track, frame)

    def wants(self, link: str, stream: int) -> bool:
        """Whether frames of this TCP connection have to be typed whole: its first, and all of one that is followed."""
        track = self.tracks.get((link, _TCP, stream))
        return len(self.tracks) < self.bounds.counted if track is None else track.followed

    def add_glimpse(self, seen: Glimpse) -> None:
        """A frame of a connection that `wants` did not want."""
        self.total += 1
        self.per_link[seen.link] += 1
        track = self.tracks.get((seen.link, _TCP, seen.stream))
        if track is None:
            self.uncounted += 1
        else:
            track.count_glimpse(seen)

    def missed_any(self) -> bool:
        """Whether the frames kept are not all there were."""
        kept = sum(len(track.frames) for track in self.tracks.values() if track.followed)
        loose = sum(_key(frame) is None for frame in self.loose)
        return kept + loose < self.total

    def sealed(self) -> dict[Key, Sealed]:
        """What of each connection with a story stayed closed, counted over all its frames, kept or not."""
        return {key: track.seal.sealed for key, track in self.tracks.items() if track.followed}

    def around(self, tracks: Iterable[Track], before_ns: int) -> list[Frame]:
        """The kept frames of `tracks` and those outside of connections from `before_ns` before them, in order."""
        tracks = list(tracks)
        begin = min(track.first.time_ns for track in tracks) - before_ns
        end = max(track.last_ns for track in tracks)
        if len(self._times) != len(self.loose):
            self.loose.sort(key=lambda frame: frame.time_ns)
            self._times = [frame.time_ns for frame in self.loose]
        found = self.loose[bisect_left(self._times, begin) : bisect_right(self._times, end)]
        by_place = {(f.number, f.link): f for f in found}
        for track in tracks:
            by_place |= {(f.number, f.link): f for f in track.frames}
        return sorted(by_place.values(), key=lambda frame: frame.number)

    def _track(self, key: Key, frame: Frame) -> Track | None:
        if len(self.tracks) >= self.bounds.counted:
            return None
        identity = identity_of(frame) or f"{key}"
        followed = identity in self._followed or len(self._followed) < self.bounds.stories
        if followed:
            self._followed.add(identity)
        track = self.tracks[key] = Track(key, frame, followed)
        return track

    def _keep(self, track: Track, frame: Frame) -> None:
        if self._held >= self.bounds.frames and not self.thin:
            self.thin = True
            self._held -= sum(other.thin() for other in self.tracks.values() if other.followed)
        if self.thin and not track.needs(frame):
            track.thinned += 1
        elif self._held >= self.bounds.frames:
            track.missed += 1
        else:
            track.frames.append(frame)
            self._held += 1

    def _add_loose(self, frame: Frame) -> None:
        if len(self.loose) < self.bounds.loose:
            self.loose.append(frame)
        else:
            self.loose_missed += 1


def key_of(connection: Connection) -> Key:
    return (connection.link, connection.transport.value, connection.number)


def _key(frame: Frame) -> Key | None:
    if frame.tcp:
        return (frame.link, _TCP, frame.tcp.stream)
    return (frame.link, _QUIC, frame.quic.connection) if frame.quic else None


def _tells(frame: Frame) -> bool:
    """Whether a step of a story can rest on this frame by itself."""
    if frame.http or frame.dns or frame.ended_streams or frame.icmp:
        return True
    if frame.tls and (frame.tls.alerts or frame.tls.handshake or frame.tls.client_hello):
        return True
    if frame.quic and (set(frame.quic.packet_types) != {QuicPacketType.ONE_RTT} or frame.quic.close):
        return True
    return bool(frame.tcp and int(frame.tcp.flags) & _OPENING)
