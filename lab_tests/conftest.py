"""Hooks that have to be known before any test is collected."""

from __future__ import annotations

import pytest

import any_order
import claims_plugin
from claims_plugin import experiment

__all__ = ["experiment", "pytest_addoption", "pytest_configure"]

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    claims_plugin.pytest_addoption(parser)
    any_order.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    claims_plugin.pytest_configure(config)
    any_order.configure(config)
