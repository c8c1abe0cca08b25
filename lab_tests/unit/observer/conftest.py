"""Fixtures over the golden visits."""

from __future__ import annotations

import pytest

from golden_visits import VERSIONS, Golden, golden


@pytest.fixture(params=VERSIONS, ids=lambda version: f"http{version}")
def any_visit(request: pytest.FixtureRequest) -> Golden:
    return golden(request.param)


@pytest.fixture
def http2_visit() -> Golden:
    return golden("2")
