"""journey.json follows its schema, and the schema that is published is the one the code has."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from golden_visits import VISITS, Golden
from observer import document

PUBLISHED = Path(document.__file__).parent / "journey.schema.json"


def test_the_published_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == document.schema()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(document.schema())


def test_a_journey_follows_the_schema(any_visit: Golden) -> None:
    told = json.loads(document.journey_json(any_visit.journey(), any_visit.topology))
    jsonschema.validate(told, document.schema())


def test_a_journey_with_a_stray_member_or_without_one_does_not() -> None:
    told = json.loads((VISITS / "http2" / "journey.json").read_text(encoding="utf-8"))
    jsonschema.validate(told, document.schema())
    for doctored in (told | {"extra": 1}, {name: value for name, value in told.items() if name != "hosts"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(doctored, document.schema())


def test_the_same_journey_is_the_same_text(http2_visit: Golden) -> None:
    first, second = (document.journey_json(http2_visit.journey(), http2_visit.topology) for _ in range(2))
    assert first == second
