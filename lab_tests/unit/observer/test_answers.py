"""What people ask first has an answer with frames, or a reason why there is none."""

from __future__ import annotations

from dataclasses import replace

from golden_visits import Golden
from observer.answers import answers, frames_of
from observer.messages import Frame, HandshakeType
from observer.steps import Evidence
from observer.topology import NO_LAB

QUESTIONS = ["answered by", "secured by", "DNS took", "TCP took", "TLS took", "the origin took", "all of it took"]


def told(visit: Golden) -> dict[str, str]:
    return {answer.question: answer.told for answer in answers(visit.journey())}


def test_the_same_questions_always(any_visit: Golden) -> None:
    assert list(told(any_visit)) == QUESTIONS
    assert list(told(any_visit.without(lambda frame: True))) == QUESTIONS


def test_every_answer_rests_on_frames(any_visit: Golden) -> None:
    cited = {e for step in any_visit.journey().steps for e in step.evidence}
    for answer in answers(any_visit.journey()):
        assert set(answer.evidence) <= cited
        assert answer.evidence or not answer.known


def test_version_and_group_rest_on_the_two_hellos(any_visit: Golden) -> None:
    secured = answers(any_visit.journey())[1]
    assert secured.told == "TLS 1.3, group x25519"
    frames = {frame.number: frame for frame in any_visit.frames}
    hellos = [frames[evidence.frame].tls for evidence in secured.evidence]
    assert [HandshakeType.CLIENT_HELLO in (t.handshake if t else ()) for t in hellos] == [True, False]
    assert HandshakeType.SERVER_HELLO in (hellos[1].handshake if hellos[1] else ())
    assert {evidence.link for evidence in secured.evidence} == {"home"}


def test_a_duration_rests_on_its_first_and_last_frame(http2_visit: Golden) -> None:
    frames = {frame.number: frame for frame in http2_visit.frames}
    for answer, duration in zip(answers(http2_visit.journey())[2:5], ("DNS", "TCP", "TLS"), strict=True):
        first, last = (frames[evidence.frame] for evidence in answer.evidence)
        assert answer.told == f"{(last.time_ns - first.time_ns) / 1e6:.2f} ms", duration


def test_what_was_not_done_says_so_with_its_reason(any_visit: Golden) -> None:
    if any_visit.visit.http == "3":
        assert told(any_visit)["TCP took"].startswith("absent: QUIC runs over UDP")
    silent = any_visit.changed(lambda frame: replace(frame, http=()))
    assert told(silent)["answered by"].startswith(("absent: ", "unknown: "))
    assert not any(answer.known for answer in answers(any_visit.without(lambda frame: True).journey()))


def test_without_the_backend_the_origin_is_the_responses_own_word(http2_visit: Golden) -> None:
    def is_backend(frame: Frame) -> bool:
        return frame.link == "backend"

    assert told(http2_visit.without(is_backend))["answered by"] == "origin-1, status 200"
    nameless = replace(http2_visit.without(is_backend), topology=NO_LAB).changed(
        lambda frame: replace(frame, http=tuple(replace(m, headers=()) for m in frame.http))
    )
    assert told(nameless)["answered by"] == "the server itself, status 200: it asked no origin"
    cut = nameless.incomplete("backend", "3 frames dropped")
    assert told(cut)["answered by"] == "the server itself, status 200: what stood behind it was not seen"


def test_frames_are_named_by_link() -> None:
    found = [Evidence("home", 9, ""), Evidence("edge", 4, ""), Evidence("home", 2, ""), Evidence("home", 9, "")]
    assert frames_of(found) == "home #2, #9; edge #4"
    assert frames_of([Evidence("", 3, "")]) == "#3"
