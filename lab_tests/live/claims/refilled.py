"""Where a QUIC stream's bytes came again after a packet was lost (RFC 9000, section 13.3: in another packet)."""

from __future__ import annotations

from observer.connections import Connection
from observer.messages import Frame, StreamData


def request_data(frame: Frame) -> list[StreamData]:
    """What a packet carries of streams that clients opened for requests (RFC 9114, section 6.1)."""
    return [data for data in (frame.quic.stream_data if frame.quic else ()) if data.stream % 4 == 0]


def refill(near: Connection, lost: StreamData) -> Frame:
    """The first frame on the client's link with the first of the lost bytes."""
    for frame in near.frames:
        for data in request_data(frame) if near.from_server(frame) else ():
            end = data.offset + max(data.length or 1, 1)
            if data.stream == lost.stream and data.offset <= lost.offset < end:
                return frame
    raise AssertionError(f"the lost bytes of stream {lost.stream} never came")
