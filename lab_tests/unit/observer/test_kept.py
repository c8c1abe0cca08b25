"""What is kept of a connection with many frames: all that its story rests on, and a count of the rest."""

from __future__ import annotations

from observer.capture_file import Ending
from observer.explain import read_into
from observer.kept import Bounds, Kept, Track
from observer.messages import Frame, HttpMessage, HttpVersion, TcpFlags, TcpSegment, TlsMessages, TlsRecord
from observer.oddities import Oddities
from observer.summary import summary

ACK, SYN = TcpFlags.ACK, TcpFlags.SYN
REQUEST = HttpMessage(HttpVersion.HTTP_1, None, "GET", "/", "a.example", None, ())
NO_END = Ending(None, None)
CLOSED = TlsMessages((TlsRecord(23, None),))


def response(status: int) -> HttpMessage:
    return HttpMessage(HttpVersion.HTTP_1, None, None, None, None, status, ())


class Capture:
    """Frames of one connection, in order; every frame 1 ms after the one before."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def sends(
        self,
        client: bool,
        length: int = 0,
        *messages: HttpMessage,
        flags: TcpFlags = ACK,
        tls: TlsMessages | None = None,
        times: int = 1,
    ) -> Capture:
        ports, ip = ((40000, 443), ("client", "server")) if client else ((443, 40000), ("server", "client"))
        for _ in range(times):
            number = len(self.frames) + 1
            tcp = TcpSegment(*ports, 0, number, 0, length, flags)
            frame = Frame(number, number, "home", 60, "", "", *ip, tcp=tcp, tls=tls, http=messages)
            self.frames.append(frame)
        return self

    def opens(self) -> Capture:
        return self.sends(True, flags=SYN).sends(False, flags=SYN | ACK).sends(True)

    def kept(self, bounds: Bounds) -> tuple[Kept, Track]:
        kept = Kept(bounds)
        read_into(kept, Oddities(), self.frames)
        (track,) = kept.tracks.values()
        return kept, track


def numbers(track: Track) -> list[int]:
    return [frame.number for frame in track.frames]


def test_bare_acknowledgments_do_not_keep_out_the_first_bytes_of_an_answer() -> None:
    capture = Capture().opens().sends(True, 50, REQUEST).sends(False, times=3).sends(False, 100, times=9)
    capture.sends(False, 100, response(200))
    _, track = capture.kept(Bounds(frames=8))
    assert numbers(track) == [1, 2, 3, 4, 8, 9, 17]
    assert (track.thinned, track.missed) == (10, 0)


def test_of_bare_acknowledgments_the_one_that_opens_the_connection_is_kept() -> None:
    capture = Capture().opens().sends(True, times=9).sends(False, times=9).sends(True, 50, REQUEST)
    _, track = capture.kept(Bounds(frames=8))
    assert numbers(track) == [1, 2, 3, 22]


def test_what_stayed_closed_is_counted_over_all_frames_kept_or_not() -> None:
    kept, track = Capture().opens().sends(False, 100, tls=CLOSED, times=500).kept(Bounds(frames=10))
    assert len(track.frames) < 10
    assert kept.sealed()[track.key].records == 500


def test_a_connection_that_left_http_has_its_answer() -> None:
    capture = Capture().opens().sends(True, 50, REQUEST).sends(False, 50, response(100)).sends(False, 50, response(101))
    kept, track = capture.kept(Bounds())
    assert (track.requests, track.answers) == (1, 1)
    remarks = summary("a.pcapng", kept, (), NO_END, [], str).remarks
    assert any("are open when the capture ends" in remark for remark in remarks)
    assert not any("in the middle of a request" in remark for remark in remarks)
