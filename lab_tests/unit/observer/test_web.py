"""Whose fault an answer of the observer's says it is: the request's, the lab's, or its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from observer.lab import LabError, RefusedError
from observer.topology import NO_LAB
from observer.visit import EvidenceError, Observer
from observer.web import create_app


class Failing:
    """An observer whose every visit ends in `fault`."""

    own_address = "10.0.0.1"
    topology = NO_LAB
    captures = Path("/nonexistent")

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def visit(self, _: object) -> None:
        raise self._fault


def client(fault: Exception) -> FlaskClient:
    return create_app(cast(Observer, Failing(fault)), "http://127.0.0.1").test_client()


@pytest.mark.parametrize("version", ["2", "all"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (RefusedError("no such method"), 400),
        (LabError("the tap does not answer"), 502),
        (EvidenceError("a block is damaged"), 502),
        (OSError("no space left"), 502),
        (ValueError("a mistake of the observer's own"), 500),
        (TypeError("another"), 500),
    ],
)
def test_a_fault_is_answered_as_whose_it_is(fault: Exception, status: int, version: str) -> None:
    assert client(fault).post("/api/visits", json={"http": version}).status_code == status


@pytest.mark.parametrize(
    "request_", [{"json": {"http": "4"}}, {"json": ["a list"]}, {"json": {"columns": "wide"}}, {"data": "http=2"}]
)
def test_a_request_that_cannot_be_read_is_refused_before_anything_is_done(request_: dict[str, Any]) -> None:
    answer = client(AssertionError("a visit was made")).post("/api/visits", **request_)
    assert answer.status_code == 400
    assert answer.get_json()["error"]


def test_only_its_own_names_are_answered() -> None:
    assert client(LabError("")).get("/health", headers={"Host": "elsewhere.example"}).status_code == 403
    assert client(LabError("")).get("/health", headers={"Host": "127.0.0.1:8000"}).status_code == 200
