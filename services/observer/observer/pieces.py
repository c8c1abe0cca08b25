"""A long capture in pieces: tshark's memory grows with what it has read, so each piece goes to a tshark of its own.

TLS, header compression and QUIC can only be read from a connection's first byte on. So a piece begins with the frames
of those connections that run on, which were told before and are passed over. tshark counts frames and streams anew
each time; here they get back the numbers that they have in the file. Pure.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from observer.dissect import AGGREGATOR, FIELDS

_AT = {name: position for position, name in enumerate(FIELDS)}
_NUMBER, _TIME, _INFO, _FLAGS = (_AT[f] for f in ("frame.number", "frame.time_epoch", "_ws.col.info", "tcp.flags"))
_SENDER = tuple(_AT[name] for name in ("ip.src", "ipv6.src", "tcp.srcport"))
_ICMP, _ICMP6, _HTTP = _AT["icmp.type"], _AT["icmpv6.type"], _AT["len(http)"]
_PACKET = tuple(_AT[name] for name in ("ip.src", "ip.dst", "ip.id", "ipv6.src", "ipv6.dst"))  # equal in all fragments
_MORE, _OFFSET, _MORE6, _OFFSET6 = (
    _AT[name] for name in ("ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.more", "ipv6.fraghdr.offset")
)
_CLOSES = (_AT["quic.cc.error_code"], _AT["quic.cc.error_code.app"])
_TCP, _QUIC = _AT["tcp.stream"], _AT["quic.connection.number"]
_NOTHING = ("", "0", "False")
_GO_ON = ("0x0010", "0x0018", "0x0002", "0x0012")  # ACK, PSH ACK, SYN, SYN ACK: what most segments have
_RST, _FIN = 0x04, 0x01
_LATE_S = 2.0  # how long after its last frame a closed connection is still carried over, for what comes late
_FOR_CLOSED = 20  # those may have one part in so many of the room
_LATE_FRAMES = 1_000  # how far back the fragments are whose packet may not be whole yet
_NO_KEY, _FRAGMENT_KEY = -1, -2
# Where tshark itself names another frame in the info column.
_REFERENCE = re.compile(
    r"(\[TCP Dup ACK |\[TCP PDU reassembled in |\[Reassembled in #|\((?:reply|request) in )(\d+)(?=[\])#])"
)


class Pieces:
    """Reads the lines of one tshark after another, each over `size` packets of the file after those `carried` over."""

    def __init__(self, size: int, carried: int) -> None:
        self.size = size
        self.carried: tuple[int, ...] = ()  # the numbers of the frames that this piece begins with
        self.told = 0  # frames of this piece so far, those carried over not counted
        self._limit = carried
        self._before = 0  # frames of the pieces before this one
        self._count = 1
        self._cut = 0
        self._keys = array("q")  # of each frame carried over, then of each told: whose it is
        self._over: dict[int, str] = {}  # the connections that are over, and when each spoke last
        self._finished: dict[int, set[str]] = {}  # who has sent a FIN
        self._fragments: dict[tuple[str, ...], list[int]] = {}  # the frames of packets that are not whole
        self._fragment_of: dict[int, int] = {}  # and of those that became whole, each frame's key
        self._end = ""
        self._streams = {at: _Streams() for at in (_TCP, _QUIC)}

    def take(self, values: list[str]) -> bool:
        """Put the file's own numbers into the fields of one frame; False for one that an earlier piece has told."""
        number = self._of_file(int(values[_NUMBER]))
        first_piece = not self._before
        for at, streams in self._streams.items():
            if value := values[at]:
                if first_piece:
                    streams.note(value)
                else:
                    values[at] = streams.of_file(value, number)
        if number <= self._before:
            return False
        if not first_piece:
            values[_NUMBER] = str(number)
            if not values[_HTTP]:  # or the words are a message's, not tshark's
                values[_INFO] = _REFERENCE.sub(self._reference, values[_INFO])
        self.told += 1
        self._end = values[_TIME]
        self._keys.append(self._key(values, number))
        return True

    def turn(self) -> None:
        """This piece is told; the next one begins with the frames that are now in `carried`."""
        begin, self._before = self._before, self._before + self.told
        last = dict(zip(self._keys, self._numbers(begin), strict=True))
        chosen = self._running_on(Counter(self._keys), last)
        late = self._before - _LATE_FRAMES
        kept = [
            (number, key)
            for number, key in zip(self._numbers(begin), self._keys, strict=True)
            if key in chosen or (key == _FRAGMENT_KEY and (number > late or self._fragment_of.get(number) in chosen))
        ]
        self.carried = tuple(number for number, _ in kept)
        self._keys = array("q", (key for _, key in kept))
        self._forget(chosen, set(self.carried))
        firsts = {key: number for number, key in reversed(kept) if key >= 0}
        for at, streams in self._streams.items():
            streams.turn({number: key >> 1 for key, number in firsts.items() if at == (_QUIC if key & 1 else _TCP)})
        self.told = 0
        self._count += 1

    def remarks(self) -> Iterator[str]:
        """What a reader of the file has to know about it; nothing if it was read in one."""
        if self._count > 1:
            yield f"read in {self._count:,} pieces of {self.size:,} frames, to bound the memory of tshark"
        if self._cut:
            yield (
                f"for {self._cut:,} open connections there was no room in the next piece (at most {self._limit:,} "
                "frames are carried over): if they went on, that is told as connections that began before the capture"
            )

    def _numbers(self, begin: int) -> Iterator[int]:
        """Of each frame in this piece, the pieces before it having `begin`."""
        return chain(self.carried, range(begin + 1, begin + self.told + 1))

    def _of_file(self, local: int) -> int:
        past = len(self.carried)
        return self.carried[local - 1] if local <= past else self._before + local - past

    def _reference(self, found: re.Match[str]) -> str:
        local = int(found[2])
        is_one = 0 < local <= len(self.carried) + self.size
        return f"{found[1]}{self._of_file(local)}" if is_one else found[0]

    def _key(self, values: Sequence[str], number: int) -> int:
        """Whose frame it is: an even number for a TCP connection, an odd one for QUIC's, a negative one for neither."""
        if values[_ICMP] or values[_ICMP6]:
            return _NO_KEY  # what it says of ports and streams is quoted
        stream, odd = values[_TCP], 0
        if not stream:
            stream, odd = values[_QUIC], 1
        if not stream:
            return self._fragment(values, number)
        key = int(stream.split(AGGREGATOR, 1)[0]) << 1 | odd
        if _is_fragment(values):  # the one that made a packet whole
            for fragment in self._fragments.pop(_packet(values), ()):
                self._fragment_of[fragment] = key
        if key in self._over or (any(values[at] for at in _CLOSES) if odd else values[_FLAGS] not in _GO_ON):
            self._note_closing(key, values)
        return key

    def _fragment(self, values: Sequence[str], number: int) -> int:
        if not _is_fragment(values):
            return _NO_KEY
        self._fragments.setdefault(_packet(values), []).append(number)
        return _FRAGMENT_KEY

    def _note_closing(self, key: int, values: Sequence[str]) -> None:
        flags = int(values[_FLAGS].split(AGGREGATOR, 1)[0] or "0", 0)
        if flags & _FIN:
            self._finished.setdefault(key, set()).add(" ".join(values[at] for at in _SENDER))
        if key & 1 or key in self._over or flags & _RST or len(self._finished.get(key, ())) > 1:
            self._over[key] = values[_TIME]
            self._finished.pop(key, None)

    def _running_on(self, frames: Counter[int], last: dict[int, int]) -> set[int]:
        """The connections to carry over: the open ones, then those lately closed; first who spoke last, while there is
        room."""
        by_end = sorted((key for key in last if key >= 0), key=last.__getitem__, reverse=True)
        lately = {key for key, when in self._over.items() if float(self._end) - float(when) <= _LATE_S}
        chosen: set[int] = set()
        room = self._limit
        for is_open in (True, False):
            room = room if is_open else min(room, self._limit // _FOR_CLOSED)
            for key in by_end:
                if (key not in self._over) is not is_open or not (is_open or key in lately):
                    continue
                if frames[key] <= room:
                    chosen.add(key)
                    room -= frames[key]
                elif is_open:
                    self._cut += 1
        return chosen

    def _forget(self, chosen: set[int], carried: set[int]) -> None:
        self._over = {key: when for key, when in self._over.items() if key in chosen}
        self._finished = {key: who for key, who in self._finished.items() if key in chosen}
        self._fragment_of = {number: key for number, key in self._fragment_of.items() if number in carried}
        self._fragments = {
            packet: numbers for packet, numbers in self._fragments.items() if not carried.isdisjoint(numbers)
        }


def _is_fragment(values: Sequence[str]) -> bool:
    return not (
        values[_MORE] in _NOTHING
        and values[_OFFSET] in _NOTHING
        and values[_MORE6] in _NOTHING
        and values[_OFFSET6] in _NOTHING
    )


def _packet(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(values[at] for at in _PACKET)


class _Streams:
    """One of tshark's ways to count: what its numbers in this piece are in the file, each as the text of a field."""

    def __init__(self) -> None:
        self._next = 0  # the number of the file's next stream
        self._begun_at: dict[int, int] = {}  # the streams carried over, by their first frame
        self._of_local: dict[str, str] = {}

    def note(self, value: str) -> None:
        """In the first piece, where both are the same."""
        for local in value.split(AGGREGATOR) if AGGREGATOR in value else (value,):
            if (number := int(local)) >= self._next:
                self._next = number + 1

    def of_file(self, value: str, frame: int) -> str:
        return AGGREGATOR.join(
            self._of_local.get(local) or self._found(local, frame if not position else 0)
            for position, local in enumerate(value.split(AGGREGATOR))
        )

    def turn(self, begun_at: dict[int, int]) -> None:
        self._begun_at = begun_at
        self._of_local = {}

    def _found(self, local: str, frame: int) -> str:
        number = self._begun_at.get(frame)
        if number is None:
            number = self._next
            self._next += 1
        return self._of_local.setdefault(local, str(number))
