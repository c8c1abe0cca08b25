"""M5: a POST that an origin took, sent once more: by whom, after which word, and when not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dialogue import SITE
from experiment import Experiment
from http_content import HttpContents
from live_lab import Lab, Recording
from observer.exchanges import Exchange, exchanges
from observer.messages import Frame
from rotation import ORIGINS, Rotation
from stream_resets import StreamResets

ILL, OTHER = ORIGINS
WARM, PATH = "/echo?warm", f"/hangup?origin={ILL}"
BODY = "one lamp, please"
KEEPING, ASKED = 4, 4  # taking turns, every origin keeps a connection, and the one that hangs up is met twice or more


@dataclass(frozen=True)
class Post:
    """One POST as the client sent it, and as the balancer sent it on."""

    front: Exchange
    back: Exchange
    origin: str

    @property
    def kept(self) -> bool:
        """Whether the balancer's connection had carried requests before this one."""
        return exchanges(self.back.connection)[0].request_frame.number < self.back.request_frame.number

    @property
    def status(self) -> int | None:
        return self.front.response.status if self.front.response else None

    @property
    def frames(self) -> list[Frame]:
        """Request and response, on home and on backend."""
        pairs = ((exchange.request_frame, exchange.response_frame) for exchange in (self.front, self.back))
        return [frame for pair in pairs for frame in pair if frame]

    @property
    def end(self) -> Frame:
        """Where the origin ended the connection behind the request."""
        connection = self.back.connection
        own = (f for f in connection.closing if connection.from_server(f))
        return next(f for f in own if f.number > self.back.request_frame.number)


def posts(lab: Lab, recording: Recording) -> list[Post]:
    """Every POST of PATH, in order: the client sends one after the other, and the balancer each of them once."""
    fronts, backs = ([e for e in recording.exchanges(link) if e.request.path == PATH] for link in ("home", "backend"))
    assert len(fronts) == len(backs), "the balancer asked again by itself"
    paired = zip(fronts, backs, strict=True)
    return [Post(front, back, lab.topology.name(back.connection.server.address)) for front, back in paired]


@pytest.mark.claim("M5")
@pytest.mark.parametrize("http", ["1.1", "2"])
def test_a_post_is_sent_again_by_the_client(lab: Lab, rotation: Rotation, experiment: Experiment, http: str) -> None:
    """An origin takes a POST and hangs up without a byte: does anybody send it again, and who decides that?"""
    rotation.forget_connections(ILL)
    with lab.recording(f"POSTs over HTTP/{http} to an origin that hangs up") as recording:
        urls = [*[f"{SITE}{WARM}"] * KEEPING, *[f"{SITE}{PATH}"] * ASKED]
        curl = recording.visit(urls, method="POST", body=BODY, http=http)
    assert curl["exit_code"] == 0, curl["error"]
    experiment.asked(f"POST {WARM} {KEEPING} times, so that connections are kept; POST {PATH} {ASKED} times; one curl")
    told = posts(lab, recording)
    twice = [(told[n], told[n + 1]) for n, post in enumerate(told) if post.status is None]
    assert twice, "no POST met the origin on a kept connection: this test looked at nothing"
    assert len(told) == ASKED + len(twice), "what was sent again was sent more than once"
    contents = HttpContents(recording, ("home", "backend"))
    resets = StreamResets(recording, "home")
    for first, again in twice:
        assert (first.origin, again.origin, again.status) == (ILL, OTHER, 200)
        assert first.kept and first.back.response_start is None
        assert first.back.request_id != again.back.request_id, "it was the balancer that sent it again"
        sent = [contents.of_request(exchange) for each in (first, again) for exchange in (each.front, each.back)]
        assert sent == [BODY.encode()] * 4
        experiment.saw(
            f"on a kept connection {ILL} takes the whole POST and hangs up without a byte",
            recording,
            [first.front.request_frame, first.back.request_frame, first.end],
        )
        ending, words = last_word(first, resets)
        assert first.end.time_ns < ending.time_ns < again.front.request_frame.time_ns
        experiment.saw(words, recording, ending)
        experiment.saw(
            f"curl sends the same bytes once more, on a new connection; {OTHER} takes them and answers 200",
            recording,
            again.frames,
        )
    fresh = [post for post in told if post.origin == ILL and not post.kept]
    assert {post.status for post in fresh} == {502}
    experiment.control(
        "where the connection to the origin was new, the same end is a 502, and nobody sends the POST again",
        recording,
        [frame for post in fresh for frame in (*post.frames, post.end)],
    )
    experiment.myth(
        "a POST is never sent twice",
        "two origins had this one, and the first may have carried it out before it hung up. A proxy must not send a "
        "POST again, a client should not unless it knows that it was not applied (RFC 9110, section 9.2.2): the "
        "balancer kept to the rule by handing the choice on",
    )


def last_word(post: Post, resets: StreamResets) -> tuple[Frame, str]:
    """What the balancer says to the client in an answer's place, and what a client may make of it."""
    if post.front.request.stream is None:
        connection = post.front.connection
        assert post.front.response_start is None
        own = (f for f in connection.closing if connection.from_server(f))
        return next(f for f in own if f.number > post.front.request_frame.number), (
            "the balancer closes the client's connection without a byte, as it would an idle one; what a client may "
            "then send again by itself is what is idempotent, or was surely not applied (RFC 9112, section 9.3.1), and "
            "nobody said that of this one"
        )
    reset = resets.of(post.front)
    assert reset and reset.name == "REFUSED_STREAM"
    return reset.frame, (
        "the balancer ends the stream by RST_STREAM with REFUSED_STREAM: that says that nothing was processed and even "
        "a POST may be sent again; a server must not say so unless it can be sure (RFC 9113, section 8.7)"
    )
