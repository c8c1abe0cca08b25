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

    def __init__(self, fault: Exception, captures: Path = Path("/nonexistent")) -> None:
        self._fault, self.captures = fault, captures

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


def test_the_index_says_of_each_visit_what_was_visited_and_with_what(tmp_path: Path) -> None:
    for name, ladder in (
        ("20261126-000001.000", "http://a.test/  with curl, HTTP/2\n\n  step\n"),
        ("20261126-000002.000", ""),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ladder.txt").write_text(ladder)
    (tmp_path / "20261126-000003.000").mkdir()  # being written
    app = create_app(cast(Observer, Failing(LabError(""), tmp_path)), "http://127.0.0.1")
    page = app.test_client().get("/", headers={"Host": "127.0.0.1:8000"}).get_data(as_text=True)
    assert page.index("20261126-000002.000") < page.index("20261126-000001.000")
    assert "<td>http://a.test/  with curl, HTTP/2</td>" in page
    assert "20261126-000003.000" not in page
