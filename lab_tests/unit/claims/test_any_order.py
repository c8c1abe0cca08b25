"""The tests in another order: one that a number brings back, with files mixed, and said in the header."""

from __future__ import annotations

from itertools import pairwise

import pytest

TESTS = "import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_{name}(n): pass\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest("from any_order import add_options as pytest_addoption, configure as pytest_configure\n")
    pytester.makepyfile(**{f"test_{name}": TESTS.format(name=name) for name in ("first", "second")})
    return pytester


def order(suite: pytest.Pytester, *options: str) -> list[str]:
    """The tests as they ran."""
    result = suite.runpytest_inprocess("-v", *options)
    result.assert_outcomes(passed=24)
    return [line.partition(" PASSED")[0] for line in result.outlines if " PASSED" in line]


def test_a_seed_gives_one_order_and_another_seed_another(suite: pytest.Pytester) -> None:
    written, shuffled = order(suite), order(suite, "--shuffle=7")
    assert sorted(shuffled) == sorted(written) and shuffled != written
    assert order(suite, "--shuffle=7") == shuffled != order(suite, "--shuffle=8")


def test_the_files_are_mixed(suite: pytest.Pytester) -> None:
    files = [test.partition("::")[0] for test in order(suite, "--shuffle=7")]
    assert sum(one != other for one, other in pairwise(files)) > 1


def test_reversed_the_last_test_is_the_first(suite: pytest.Pytester) -> None:
    assert order(suite, "--reverse") == order(suite)[::-1]


@pytest.mark.parametrize(
    ("option", "header"), [("--shuffle=7", "order: shuffled (--shuffle=7)"), ("--reverse", "order: reversed")]
)
def test_the_header_says_the_order(suite: pytest.Pytester, option: str, header: str) -> None:
    suite.runpytest_inprocess(option).stdout.fnmatch_lines([header])


def test_two_orders_at_once_are_an_error(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--shuffle=7", "--reverse")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "one order at a time" in result.stderr.str()
