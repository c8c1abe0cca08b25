"""The least that a frame of a long capture has to say: for connections that are only counted.

Typing a frame whole costs ten times as much, and of a hundred thousand connections nobody reads every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from observer.dissect.fields import AGGREGATOR, FIELDS, Fields, nanoseconds
from observer.dissect.frame import Take, each_line, frame, source_inside
from observer.messages import Frame, RecordType

_AT = {name: position for position, name in enumerate(FIELDS)}
_NUMBER, _TIME, _LINK = _AT["frame.number"], _AT["frame.time_epoch"], _AT["frame.interface_name"]
_LENGTH, _CAPTURED, _STREAM, _FLAGS = _AT["frame.len"], _AT["frame.cap_len"], _AT["tcp.stream"], _AT["tcp.flags"]
_SOURCE, _SOURCE6, _PORT = _AT["ip.src"], _AT["ipv6.src"], _AT["tcp.srcport"]
_METHOD, _STATUS = _AT["http.request.method"], _AT["http.response.code"]
_TYPES, _OPAQUE = _AT["tls.record.content_type"], _AT["tls.record.opaque_type"]
_SPEAKING = tuple(
    _AT[name]
    for name in (
        "_ws.malformed",
        "vlan.id",
        "tcp.analysis.retransmission",
        "tcp.analysis.fast_retransmission",
        "tcp.analysis.spurious_retransmission",
        "tcp.analysis.out_of_order",
        "tcp.analysis.lost_segment",
        "icmp.type",
        "icmpv6.type",
        "dns.id",
        "tls.handshake.type",
        "tls.alert_message.desc",
        "http2.type",
    )
)
_MORE_FRAGMENTS, _MORE_FRAGMENTS6 = _AT["ip.flags.mf"], _AT["ipv6.fraghdr.more"]
_YES = ("True", "1")
_APPLICATION_DATA = str(int(RecordType.APPLICATION_DATA))
_OPENING_OR_CLOSING = 0x07  # FIN, SYN, RST


class Glimpse(NamedTuple):
    """A segment within a TCP connection, neither its start nor its end, with nothing unusual about it.

    A tuple, unlike the other types here: a capture has millions, and a frozen dataclass takes twice as long to make.
    `hidden` are the TLS records that stayed closed, `shown` those whose header says that they hold application data.
    """

    number: int
    time_ns: int
    link: str
    length: int
    stream: int
    sender: tuple[str, int]
    requests: int
    statuses: tuple[int, ...]
    hidden: int
    shown: int


Wanted = Callable[[str, int], bool]


def frames_and_glimpses(lines: Iterable[str], wanted: Wanted, take: Take | None = None) -> Iterator[Frame | Glimpse]:
    """Type every line of `tshark -T fields` output, but of TCP connections that are not `wanted` (by link and stream)
    only what cannot be told from a glimpse.

    Of a file that is read in pieces, `take` puts the numbers right and leaves out what was told before.

    Raises:
        DissectionError: a line with another number of fields, or a field that cannot be read.
    """

    def read(values: list[str]) -> Frame | Glimpse:
        seen = _glimpse(values, wanted) if values[_STREAM] else None
        return frame(Fields(values)) if seen is None else seen

    return each_line(lines, read, take)


def _glimpse(values: list[str], wanted: Wanted) -> Glimpse | None:
    """None for a frame that has to be typed whole."""
    link = values[_LINK] or "link"
    # Of a packet in a packet tshark prints both: as in `frame`, the first is this frame's, and it is typed whole.
    stream = int(values[_STREAM].split(AGGREGATOR, 1)[0])
    flags = values[_FLAGS]
    if not values[_STREAM].isdecimal() or not values[_PORT].isdecimal() or not flags or AGGREGATOR in flags:
        return None
    if wanted(link, stream) or int(flags, 0) & _OPENING_OR_CLOSING or values[_CAPTURED] != values[_LENGTH]:
        return None
    for at in _SPEAKING:
        if values[at]:
            return None
    if values[_MORE_FRAGMENTS] in _YES or values[_MORE_FRAGMENTS6] in _YES:
        return None
    source, source6 = values[_SOURCE], values[_SOURCE6]
    if (source and source6) or AGGREGATOR in source or AGGREGATOR in source6:  # a packet in a packet
        source = source_inside(Fields(values))
    statuses, opaque = values[_STATUS], values[_OPAQUE]
    types = values[_TYPES].split(AGGREGATOR) if values[_TYPES] else []
    hidden = max(0, opaque.count(AGGREGATOR) + 1 - len(types)) if opaque else 0
    return Glimpse(
        int(values[_NUMBER]),
        nanoseconds(values[_TIME]),
        link,
        int(values[_LENGTH]),
        stream,
        (source or source6, int(values[_PORT])),
        values[_METHOD].count(AGGREGATOR) + 1 if values[_METHOD] else 0,
        tuple(int(status) for status in statuses.split(AGGREGATOR)) if statuses else (),
        hidden,
        types.count(_APPLICATION_DATA),
    )
