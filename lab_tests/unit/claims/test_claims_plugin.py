"""How pytest decides claims: the outcomes a test can have, run for real in a small test suite."""

from __future__ import annotations

from pathlib import Path

import pytest

LIVE = Path(__file__).parents[2] / "live"

SUITE = '''
import pytest
from experiment import Cited, Observation

def look(experiment):
    experiment.observations.append(Observation("seen", False, (Cited("captures/x", (("home", (1,)),)),)))

@pytest.mark.claim("A1")
def test_that_looks(experiment):
    """Does it hold?"""
    look(experiment)

@pytest.mark.claim("A2")
def test_that_looks_at_nothing(experiment):
    pass

@pytest.mark.claim("A3")
def test_that_cannot(experiment):
    experiment.unsupported("no 0-RTT here")

@pytest.mark.claim("A4")
def test_that_fails(experiment):
    look(experiment)
    assert False, "refuted"

@pytest.fixture
def broken():
    raise RuntimeError("no lab")

@pytest.mark.claim("B1")
def test_whose_set_up_fails(broken, experiment):
    look(experiment)

@pytest.fixture
def left_broken():
    yield
    raise RuntimeError("a fault survives")

@pytest.mark.claim("B2")
def test_whose_tear_down_fails(left_broken, experiment):
    look(experiment)

@pytest.mark.claim("B3")
def test_of_a_negative_without_control(experiment):
    look(experiment)
    experiment.observations.append(Observation("no frame on edge", False, ()))

@pytest.mark.claim("B4")
def test_of_a_negative_with_control(experiment):
    experiment.observations.append(Observation("no frame on edge", False, ()))
    experiment.observations.append(Observation("on home", True, (Cited("captures/x", (("home", (1,)),)),)))

def test_without_a_claim():
    pass
'''


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nmarkers = claim(id): a claim\n")
    pytester.makeconftest("from claims_plugin import experiment, pytest_addoption, pytest_configure\n")
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def test_a_claim_holds_fails_or_is_unsupported_as_its_test_ends(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--claims")
    result.assert_outcomes(passed=4, failed=3, skipped=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*A1 *holds*",
            "*A2 *FAILS*",
            "*cites no frame*",
            "*A3 *unsupported*",
            "*no 0-RTT here*",
            "*A4 *FAILS*",
            "*refuted*",
            "*B1 *FAILS*",
            "*set-up: no lab*",
            "*B2 *FAILS*",
            "*tear-down: a fault survives*",
            "*B3 *FAILS*",
            "*'no frame on edge' cites*",
            "*B4 *holds*",
            "*claims: 2 holds, 5 FAILS, 1 unsupported,*",
        ]
    )


def test_one_claim_runs_alone_and_tells_all(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--claim", "A1")
    result.assert_outcomes(passed=1, deselected=8)
    result.stdout.fnmatch_lines(
        ["A1  holds", "*question  Does it hold?", "*saw *seen", "*frames home 1 of captures/x*"]
    )


@pytest.mark.parametrize(
    ("id_", "complaint"), [("Z9", "there is no claim Z9"), ("A", "there is no claim A:"), ("M4", "no test")]
)
def test_a_claim_that_is_none_or_has_no_test_is_an_error(suite: pytest.Pytester, id_: str, complaint: str) -> None:
    result = suite.runpytest_inprocess("--claim", id_)
    assert result.ret != 0
    assert complaint in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--claims"], pytest.ExitCode.TESTS_FAILED),
        (["--claims", "-k", "looks"], pytest.ExitCode.OK),
        (["--claims", "test_suite.py"], pytest.ExitCode.OK),
        ([], pytest.ExitCode.OK),
    ],
)
def test_a_whole_run_that_leaves_a_claim_untested_fails(
    pytester: pytest.Pytester, options: list[str], status: pytest.ExitCode
) -> None:
    pytester.makeini("[pytest]\nmarkers = claim(id): a claim\n")
    pytester.makeconftest("from claims_plugin import experiment, pytest_addoption, pytest_configure\n")
    pytester.makepyfile(test_suite=SUITE.partition('@pytest.mark.claim("A2")')[0])
    result = pytester.runpytest_inprocess(*options)
    assert result.ret == status
    complained = "error: no test of this run decided A2, A3" in result.stdout.str()
    assert complained is (status is pytest.ExitCode.TESTS_FAILED)


def test_a_mark_that_names_no_claim_is_an_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_typo='import pytest\n@pytest.mark.claim("A99")\ndef test_x(experiment): pass\n')
    result = suite.runpytest_inprocess()
    assert "no claim A99" in result.stdout.str() + result.stderr.str()
