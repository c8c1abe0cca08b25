"""HTTP/2 and HTTP/3 messages (RFC 9113, RFC 9114): header blocks, each on a stream."""

from __future__ import annotations

import re
from collections.abc import Sequence

from observer.dissect.fields import Fields, unescaped
from observer.dissect.quic import stream_data
from observer.messages import HttpMessage, HttpVersion

_H2_DATA, _H2_HEADERS, _H2_PUSH_PROMISE, _H2_CONTINUATION = 0, 1, 5, 9

Headers = list[tuple[str, str]]


def http2_messages(fields: Fields) -> list[HttpMessage]:
    if not fields.has("http2.header.name"):
        return []
    blocks = _blocks(fields.all("http2.header.name"), fields.all("http2.header.value"), fields, "http2.header.count")
    streams = _http2_streams(fields, len(blocks))
    return [_message(HttpVersion.HTTP_2, *found) for found in zip(streams, blocks, strict=True)]


def _http2_streams(fields: Fields, blocks: int) -> list[int | None]:
    """The stream of each header block. A block in CONTINUATION frames is shown once, on the last of them."""
    frames = list(zip(fields.numbers("http2.streamid"), fields.numbers("http2.type"), strict=False))
    for kinds in ((_H2_HEADERS,), (_H2_HEADERS, _H2_PUSH_PROMISE), (_H2_HEADERS, _H2_CONTINUATION)):
        streams = [stream for stream, kind in frames if kind in kinds]
        if len(streams) == blocks:
            return [*streams]
    on = {stream for stream, kind in frames if kind in (_H2_HEADERS, _H2_PUSH_PROMISE, _H2_CONTINUATION)}
    return [on.pop() if len(on) == 1 else None] * blocks


def http3_messages(fields: Fields) -> list[HttpMessage]:
    if not fields.has("http3.header.header.name"):
        return []
    names, values = fields.all("http3.header.header.name"), fields.all("http3.headers.header.value")
    blocks = _blocks(names, values, fields, "http3.headers.count")
    streams = _http3_streams(fields, len(blocks))
    return [_message(HttpVersion.HTTP_3, *found) for found in zip(streams, blocks, strict=True)]


def _http3_streams(fields: Fields, blocks: int) -> list[int | None]:
    """The stream of each header block: of a datagram's QUIC and HTTP/3 frames only tshark's summary keeps the order,
    as in "STREAM(8), DATA, STREAM(0), HEADERS: 200 OK". What it quotes could look like that, too: if the counts do not
    agree, and there is more than one stream to choose from, it cannot be told.
    """
    # Requests travel on client-initiated bidirectional streams: the ids divisible by four (RFC 9000, section 2.1).
    requests = {stream for stream in fields.numbers("quic.stream.stream_id") if stream % 4 == 0}
    told: list[int | None] = []
    current = None
    for word in unescaped(fields.first("_ws.col.info") or "").split(", "):
        if stream := re.fullmatch(r"STREAM\((\d{1,19})\)", word):
            current = int(stream[1])
        elif current is not None and re.match(r"HEADERS\b", word):
            told.append(current)
    if len(told) == blocks and requests.issuperset(told):
        return told
    return [requests.pop() if len(requests) == 1 else None] * blocks


def _blocks(names: Sequence[str], values: Sequence[str], fields: Fields, counts: str) -> list[Headers]:
    """Cut one flat list of headers into the blocks it came from, by the count that tshark gives of each."""
    headers = [(unescaped(name), unescaped(value)) for name, value in zip(names, values, strict=False)]
    sizes = fields.numbers(counts)
    if sum(sizes) != len(headers):
        return _by_pseudo_headers(headers)
    found = []
    for size in sizes:
        found.append(headers[:size])
        headers = headers[size:]
    return found


def _by_pseudo_headers(headers: Headers) -> list[Headers]:
    """Pseudo-headers stand only at a block's start (RFC 9113, section 8.3), so one that follows an ordinary header
    opens the next block."""
    blocks: list[Headers] = []
    previous_was_pseudo = False
    for name, value in headers:
        is_pseudo = name.startswith(":")
        if not blocks or (is_pseudo and (not previous_was_pseudo or name in dict(blocks[-1]))):
            blocks.append([])
        blocks[-1].append((name, value))
        previous_was_pseudo = is_pseudo
    return blocks


def _message(version: HttpVersion, stream: int | None, block: Headers) -> HttpMessage:
    pseudo = {name: value for name, value in block if name.startswith(":")}
    status = pseudo.get(":status")
    return HttpMessage(
        version=version,
        stream=stream,
        method=pseudo.get(":method"),
        path=pseudo.get(":path"),
        authority=pseudo.get(":authority"),
        status=None if status is None else int(status),
        headers=tuple((name, value) for name, value in block if not name.startswith(":")),
    )


def ended_streams(fields: Fields) -> tuple[int, ...]:
    """The streams whose sender says in this frame that it sends no more on them."""
    ended: list[int] = []
    if fields.has("http2.flags.end_stream"):
        h2 = zip(fields.numbers("http2.streamid"), fields.numbers("http2.type"), strict=False)
        with_flag = [stream for stream, kind in h2 if kind in (_H2_DATA, _H2_HEADERS)]
        flags = fields.all("http2.flags.end_stream")
        ended += [s for s, flag in zip(with_flag, flags, strict=False) if flag in ("True", "1")]
    if fields.has("quic.stream.stream_id"):
        ended += [carrier.stream for carrier in stream_data(fields) if carrier.last]
    return tuple(ended)
