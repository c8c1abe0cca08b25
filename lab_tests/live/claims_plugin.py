"""The part of pytest that decides claims: collects what experiments report, and prints verdicts at the end.

Options: `--claims` prints every claim with verdict, test and evidence, and fails if a whole run leaves one untested;
`--claim ID` runs one claim's tests and prints what they asked and saw. Without either, a run that decided claims closes
with one line about them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claims_report import Claim, Decision, detail, read_claims, summary, table, verdict_of
from experiment import Experiment, Unsupported, Verdict

_CLAIMS = Path(__file__).parent.parent / "CLAIMS.md"
_EXPERIMENT = pytest.StashKey[Experiment]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("claims")
    group.addoption("--claims", action="store_true", help="print every claim with its verdict, test and evidence")
    group.addoption("--claim", metavar="ID", help="run only this claim's tests, and print what they asked and saw")


def pytest_configure(config: pytest.Config) -> None:
    claims = read_claims(_CLAIMS.read_text(encoding="utf-8"))
    wanted = config.getoption("--claim")
    if wanted is not None and wanted not in {claim.id for claim in claims}:
        raise pytest.UsageError(
            f"there is no claim {wanted}: lab_tests/CLAIMS.md lists them, {claims[0].id} is the first"
        )
    config.pluginmanager.register(Verdicts(claims, wanted), "verdicts")


class Verdicts:
    """One run's decisions."""

    def __init__(self, claims: tuple[Claim, ...], wanted: str | None) -> None:
        self._claims = claims
        self._wanted = wanted
        self._decisions: list[Decision] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        known = {claim.id for claim in self._claims}
        kept: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            ids = claims_of(item)
            if strangers := [name for name in ids if name not in known]:
                raise pytest.UsageError(f"{item.nodeid}: there is no claim {strangers[0]} in lab_tests/CLAIMS.md")
            (kept if self._wanted is None or self._wanted in ids else others).append(item)
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = kept
        if self._wanted and not kept:
            raise pytest.UsageError(f"claim {self._wanted} has no test yet")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        ids = claims_of(item)
        if not ids:
            return (yield)
        question = (getattr(item, "obj", None).__doc__ or "").strip() or item.name
        experiment = item.stash.setdefault(_EXPERIMENT, Experiment(ids, " ".join(question.split())))
        name = item.nodeid.rpartition("/")[2]
        try:
            outcome = yield
            shortcoming = experiment.shortcoming()
            assert not shortcoming, shortcoming
        except Unsupported as reason:
            self._decisions.append(Decision(name, Verdict.UNSUPPORTED, str(reason), experiment))
            pytest.skip(f"unsupported: {reason}")
        except BaseException as fault:
            self._decisions.append(Decision(name, Verdict.FAILS, _first_line(fault), experiment))
            raise
        self._decisions.append(Decision(name, Verdict.HOLDS, "", experiment))
        return outcome

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except BaseException as fault:
            if ids := claims_of(item):
                experiment = Experiment(ids, "")
                name = item.nodeid.rpartition("/")[2]
                self._decisions.append(Decision(name, Verdict.FAILS, f"set-up: {_first_line(fault)}", experiment))
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except BaseException as fault:
            name = item.nodeid.rpartition("/")[2]
            reason = f"tear-down: {_first_line(fault)}"
            for place, decision in enumerate(self._decisions):
                if decision.test == name and decision.verdict is not Verdict.FAILS:
                    self._decisions[place] = replace(decision, verdict=Verdict.FAILS, reason=reason)
            raise

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self._left_untested(session.config):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        write = terminalreporter.write_line
        if self._wanted:
            claim = next(claim for claim in self._claims if claim.id == self._wanted)
            write(f"\n{detail(claim, self._decisions)}")
        elif config.getoption("--claims"):
            write(table(self._claims, self._decisions))
            if untested := self._left_untested(config):
                write(f"error: no test of this run decided {', '.join(untested)}")
        elif self._decisions:
            write(summary(self._claims, self._decisions))

    def _left_untested(self, config: pytest.Config) -> list[str]:
        """Claims that `--claims` promised to decide and did not; none where the run was told to leave tests out."""
        options = config.option
        narrowed = options.keyword or options.deselect or options.collectonly or self._wanted
        if not options.claims or narrowed or any(not Path(each).is_dir() for each in config.args):
            return []
        return [claim.id for claim in self._claims if verdict_of(claim, self._decisions) is Verdict.UNTESTED]


def claims_of(item: pytest.Item) -> tuple[str, ...]:
    """The ids in the test's `claim` marks."""
    return tuple(str(name) for mark in item.iter_markers("claim") for name in mark.args)


def _first_line(fault: BaseException) -> str:
    text = str(fault).strip() or type(fault).__name__
    return text.splitlines()[0]


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> Experiment:
    """Where a test that carries a claim reports what it asked and saw."""
    ids = claims_of(request.node)
    assert ids, "only a test with @pytest.mark.claim(...) has something to report"
    question = " ".join((request.node.obj.__doc__ or request.node.name).split())
    return request.node.stash.setdefault(_EXPERIMENT, Experiment(ids, question))  # type: ignore[no-any-return]
