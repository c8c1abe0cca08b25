"""Running the tests in another order than that of their files: none may need what another leaves behind."""

from __future__ import annotations

import random

import pytest


class AnyOrder:
    """Puts the collected tests in an order of its own, files and tests alike, and says which in the run's header."""

    def __init__(self, seed: int | None) -> None:
        """Shuffled by `seed`; without one, the last test first."""
        self._seed = seed

    def pytest_report_header(self) -> str:
        return "order: reversed" if self._seed is None else f"order: shuffled (--shuffle={self._seed})"

    @pytest.hookimpl(trylast=True)  # pytest itself puts tests together that share a parametrized fixture
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._seed is None:
            items.reverse()
        else:
            random.Random(self._seed).shuffle(items)


def add_options(parser: pytest.Parser) -> None:
    """`--shuffle=SEED` and `--reverse`."""
    group = parser.getgroup("order")
    group.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in the random order of this number")
    group.addoption("--reverse", action="store_true", help="run the last test first")


def configure(config: pytest.Config) -> None:
    """Take up what the options say. Raises pytest.UsageError for both at once."""
    seed, backwards = config.getoption("--shuffle"), config.getoption("--reverse")
    if seed is not None and backwards:
        raise pytest.UsageError("--shuffle and --reverse: one order at a time")
    if seed is not None or backwards:
        config.pluginmanager.register(AnyOrder(seed), "any_order")
