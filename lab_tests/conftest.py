"""Hooks that have to be known before any test is collected."""

from __future__ import annotations

from claims_plugin import experiment, pytest_addoption, pytest_configure

__all__ = ["experiment", "pytest_addoption", "pytest_configure"]

pytest_plugins = ["pytester"]
