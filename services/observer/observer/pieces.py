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
_NUMBER, _INFO, _FLAGS = _AT["frame.number"], _AT["_ws.col.info"], _AT["tcp.flags"]
_SOURCE, _SOURCE6, _PORT = _AT["ip.src"], _AT["ipv6.src"], _AT["tcp.srcport"]
_ICMP, _ICMP6 = _AT["icmp.type"], _AT["icmpv6.type"]
_FRAGMENT = tuple(_AT[name] for name in ("ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.offset"))
_CLOSES = (_AT["quic.cc.error_code"], _AT["quic.cc.error_code.app"])
_TCP, _QUIC, _UDP = _AT["tcp.stream"], _AT["quic.connection.number"], _AT["udp.stream"]
_STREAMS = (_TCP, _QUIC, _UDP)
_NOTHING = ("", "0", "False")
_GO_ON = ("0x0010", "0x0018", "0x0002", "0x0012")  # ACK, PSH ACK, SYN, SYN ACK: what most segments have
_RST, _FIN = 0x04, 0x01
# How many frames after a connection's last one it is still carried over, closed though it is: for what comes late. Also
# how far back the fragments are whose packet may not be whole yet.
_LATE = 1_000
_NO_KEY, _FRAGMENT_KEY = -1, -2
# Where the info column names another frame.
_REFERENCE = re.compile(r"((?:reassembled in|reply in|request in|Reassembled in|Dup ACK) #?)(\d+)")


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
        self._closing: dict[int, set[str]] = {}
        self._streams = {at: _Streams() for at in _STREAMS}

    def number(self, values: list[str]) -> bool:
        """Put the file's own numbers into the fields of one frame; False for one that an earlier piece has told."""
        number = self._of_file(int(values[_NUMBER]))
        first_piece = not self._before
        for at in _STREAMS:
            if value := values[at]:
                if first_piece:
                    self._streams[at].note(value)
                else:
                    values[at] = self._streams[at].of_file(value, number)
        if number <= self._before:
            return False
        if not first_piece:
            values[_NUMBER] = str(number)
            values[_INFO] = _REFERENCE.sub(lambda found: f"{found[1]}{self._of_file(int(found[2]))}", values[_INFO])
        self.told += 1
        self._keys.append(self._key(values))
        return True

    def turn(self) -> None:
        """This piece is told; the next one begins with the frames that are now in `carried`."""
        begin, self._before = self._before, self._before + self.told
        last = dict(zip(self._keys, self._numbers(begin), strict=True))
        chosen = self._running_on(Counter(self._keys), last)
        late = self._before - _LATE
        kept = [
            (number, key)
            for number, key in zip(self._numbers(begin), self._keys, strict=True)
            if key in chosen or (key == _FRAGMENT_KEY and number > late)
        ]
        self.carried = tuple(number for number, _ in kept)
        self._keys = array("q", (key for _, key in kept))
        self._closing = {key: ends for key, ends in self._closing.items() if key in chosen}
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
                f"{self._cut:,} connections had too many frames to be carried over into the next piece: "
                "if they went on there, that is told as a connection that began before the capture did"
            )

    def _numbers(self, begin: int) -> Iterator[int]:
        """Of each frame in this piece, the pieces before it having `begin`."""
        return chain(self.carried, range(begin + 1, begin + self.told + 1))

    def _of_file(self, local: int) -> int:
        past = len(self.carried)
        return self.carried[local - 1] if local <= past else self._before + local - past

    def _key(self, values: Sequence[str]) -> int:
        """Whose frame it is: an even number for a TCP connection, an odd one for QUIC's, a negative one for neither."""
        if values[_ICMP] or values[_ICMP6]:
            return _NO_KEY  # what it says of ports and streams is quoted
        if stream := values[_TCP]:
            key = int(stream.split(AGGREGATOR, 1)[0]) << 1
            if values[_FLAGS] not in _GO_ON:
                self._note_closing(key, values)
            return key
        if stream := values[_QUIC]:
            key = int(stream.split(AGGREGATOR, 1)[0]) << 1 | 1
            if any(values[at] for at in _CLOSES):
                self._closing.setdefault(key, set()).update(("both", "ends"))
            return key
        return _FRAGMENT_KEY if any(values[at] not in _NOTHING for at in _FRAGMENT) else _NO_KEY

    def _note_closing(self, key: int, values: Sequence[str]) -> None:
        flags = int(values[_FLAGS].split(AGGREGATOR, 1)[0] or "0", 0)
        if flags & _RST:
            self._closing.setdefault(key, set()).update(("both", "ends"))
        elif flags & _FIN:
            self._closing.setdefault(key, set()).add(f"{values[_SOURCE] or values[_SOURCE6]} {values[_PORT]}")

    def _running_on(self, frames: Counter[int], last: dict[int, int]) -> set[int]:
        """The connections to carry over: of those not yet over, the ones that spoke last, as far as there is room."""
        late = self._before - _LATE
        over = {key for key, ends in self._closing.items() if len(ends) > 1 and last[key] <= late}
        chosen: set[int] = set()
        room = self._limit
        for key in sorted((key for key in last if key >= 0 and key not in over), key=last.__getitem__, reverse=True):
            if frames[key] > room:
                self._cut += 1
            else:
                chosen.add(key)
                room -= frames[key]
        return chosen


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
