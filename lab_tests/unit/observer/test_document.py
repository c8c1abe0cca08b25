"""journey.json and the JSON of `explain` follow their schemas, and the published schemas are those the code has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from foreign_captures import FOREIGN, foreign, names
from golden_visits import VERSIONS, VISITS, Golden, golden
from observer import document
from observer.capture_file import ending
from observer.explain import read_into, told
from observer.kept import Bounds, Kept
from observer.oddities import Oddities
from observer.summary import summary
from observer.topology import NO_LAB

PUBLISHED = Path(document.__file__).parent / "journey.schema.json"
PUBLISHED_OF_CAPTURES = PUBLISHED.with_name("capture.schema.json")


@pytest.mark.parametrize(
    ("path", "current"), [(PUBLISHED, document.schema()), (PUBLISHED_OF_CAPTURES, document.capture_schema())]
)
def test_the_published_schema_is_a_schema_and_current(path: Path, current: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(current)
    assert json.loads(path.read_text(encoding="utf-8")) == current


def test_a_journey_follows_the_schema(any_visit: Golden) -> None:
    told = json.loads(document.journey_json(any_visit.journey(), any_visit.topology))
    jsonschema.validate(told, document.schema())


def test_a_journey_with_a_stray_member_or_without_one_does_not() -> None:
    told = json.loads((VISITS / "http2" / "journey.json").read_text(encoding="utf-8"))
    jsonschema.validate(told, document.schema())
    for doctored in (told | {"extra": 1}, {name: value for name, value in told.items() if name != "hosts"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(doctored, document.schema())


@pytest.mark.parametrize("name", names())
def test_what_is_told_of_a_foreign_capture_follows_the_published_schema(name: str) -> None:
    found = json.loads(json_of_foreign(name))
    assert found["journeys"]
    jsonschema.validate(found, json.loads(PUBLISHED_OF_CAPTURES.read_text(encoding="utf-8")))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found["journeys"][0], json.loads(PUBLISHED_OF_CAPTURES.read_text(encoding="utf-8")))


def json_of_foreign(name: str) -> str:
    kept, oddities, end = Kept(Bounds()), Oddities(), ending(FOREIGN / f"{name}.pcapng")
    read_into(kept, oddities, foreign(name))
    stories, others = told(kept, NO_LAB, end)
    whole = summary(f"{name}.pcapng", kept, tuple(oddities.told()), end, others, NO_LAB.name)
    return document.capture_json(whole, (story.journey for story in stories), NO_LAB)


def everything() -> str:
    """Every golden visit and foreign capture as JSON."""
    visits = [golden(version) for version in VERSIONS]
    documents = [document.journey_json(visit.journey(), visit.topology) for visit in visits]
    return "".join([*documents, *map(json_of_foreign, names())])


def test_documents_are_the_same_text_whatever_order_sets_have() -> None:
    program = f"import {Path(__file__).stem} as tests; print(set('abcdefgh')); print(tests.everything())"
    written = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        written.append(done.stdout.split("\n", 1))
    (order, text), (other_order, other_text) = written
    assert order != other_order, "both had the same order of sets: nothing is shown"
    assert len(text) > 100_000
    assert text == other_text
