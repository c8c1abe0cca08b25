"""Claims and verdicts as a person reads them."""

from __future__ import annotations

import pytest

from claims_report import Decision, detail, read_claims, summary, table, verdict_of
from experiment import Cited, Experiment, Observation, Verdict

TEXT = """
## A. Two parties

- **A1** The client speaks first.
- **A2** Every request has an answer.

## B. Methods

- **B1** GET changes nothing.
"""
CLAIMS = read_claims(TEXT)
FRAMES = Cited("captures/20261125-120000.000", (("home", (3, 7)), ("edge", (9,))))


def decision(verdict: Verdict, *ids: str, reason: str = "") -> Decision:
    experiment = Experiment(ids, "Who speaks first?", ["one visit"], [Observation("a SYN", False, (FRAMES,))])
    return Decision("test_a.py::test_first", verdict, reason, experiment)


def test_claims_keep_their_order_and_section() -> None:
    assert [(claim.id, claim.section[0]) for claim in CLAIMS] == [("A1", "A"), ("A2", "A"), ("B1", "B")]


def test_an_id_twice_and_a_file_without_claims_are_refused() -> None:
    with pytest.raises(ValueError, match="A1 stands twice"):
        read_claims(TEXT + "- **A1** Again.\n")
    with pytest.raises(ValueError, match="no claim"):
        read_claims("# nothing\n")


def test_one_failing_test_refutes_a_claim_that_another_confirms() -> None:
    held, failed = decision(Verdict.HOLDS, "A1"), decision(Verdict.FAILS, "A1", "A2")
    assert verdict_of(CLAIMS[0], [held, failed]) is Verdict.FAILS
    assert verdict_of(CLAIMS[0], [held]) is Verdict.HOLDS
    assert verdict_of(CLAIMS[0], [held, decision(Verdict.UNSUPPORTED, "A1")]) is Verdict.HOLDS
    assert verdict_of(CLAIMS[0], [decision(Verdict.UNSUPPORTED, "A1")]) is Verdict.UNSUPPORTED
    assert verdict_of(CLAIMS[2], [held, failed]) is Verdict.UNTESTED


def test_the_table_has_every_claim_with_verdict_test_and_evidence() -> None:
    told = table(CLAIMS, [decision(Verdict.HOLDS, "A1"), decision(Verdict.FAILS, "B1", reason="it changed")])
    assert "A1   holds" in told
    assert "A2   untested" in told
    assert "B1   FAILS" in told
    assert "FAILS: it changed" in told
    assert "captures/20261125-120000.000: home 3, 7; edge 9" in told
    assert told.rstrip().endswith("3 claims: 1 holds, 1 FAILS, 1 untested")


def test_the_summary_counts_each_claim_once() -> None:
    assert summary(CLAIMS, [decision(Verdict.HOLDS, "A1"), decision(Verdict.HOLDS, "A1")]) == (
        "3 claims: 1 holds, 2 untested"
    )


def test_a_display_filter_names_exactly_the_frames_however_many() -> None:
    many = Cited("captures/x", (("home", (12, 3, *range(3, 10))), ("edge", (100, *range(20, 60)))))
    assert many.display_filter == "frame.number in {3..9, 12, 20..59, 100}"
    held = Decision(
        "test_a.py::test_many", Verdict.HOLDS, "", Experiment(("A1",), "", [], [Observation("", False, (many,))])
    )
    assert many.display_filter in detail(CLAIMS[0], [held])


def test_a_claims_detail_says_what_was_asked_and_seen_and_where_to_look() -> None:
    told = detail(CLAIMS[0], [decision(Verdict.HOLDS, "A1")])
    for words in ("Who speaks first?", "one visit", "a SYN", "frame.number in {3, 7, 9}", "journey.pcapng"):
        assert words in told
