"""Journeys as JSON, and the JSON Schemas of what that looks like, derived from the same types. Pure."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any

from observer.steps import Journey
from observer.summary import CaptureSummary
from observer.topology import Interface, Topology

VERSION = 2
SCHEMA_ID = f"eightsteps/journey/{VERSION}"
CAPTURE_SCHEMA_ID = f"eightsteps/capture/{VERSION}"  # it holds journeys: a new version of those is one of this


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """What journey.json holds. Times are nanoseconds, `start_ns` since Enter; frames have journey.pcapng's numbers."""

    schema: str
    journey: Journey
    hosts: tuple[Interface, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CaptureDocument:
    """What `explain --json` prints of a capture made anywhere: one object, also where there is no journey to tell."""

    schema: str
    capture: CaptureSummary
    journeys: tuple[Journey, ...]
    hosts: tuple[Interface, ...]


def journey_json(journey: Journey, topology: Topology) -> str:
    """journey.json: stable order, one journey, ending in a newline."""
    document = Document(SCHEMA_ID, journey, topology.captured())
    return json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n"


def capture_json(capture: CaptureSummary, journeys: Iterable[Journey], topology: Topology) -> str:
    """The capture and its journeys: stable order, one object, ending in a newline."""
    document = CaptureDocument(CAPTURE_SCHEMA_ID, capture, tuple(journeys), topology.captured())
    return json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """Dataclasses, enums and bytes as JSON's own types: objects in the fields' order, values, hexadecimal."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of journey.json."""
    return _document_schema(Document, SCHEMA_ID, "eightsteps journey")


def capture_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `explain --json` prints."""
    return _document_schema(CaptureDocument, CAPTURE_SCHEMA_ID, "eightsteps capture")


def _document_schema(kind: type, identity: str, title: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    root = _schema_of(kind, definitions)
    document = definitions[root["$ref"].rsplit("/", 1)[1]]
    document["properties"]["schema"] = {"const": identity}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identity,
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    scalars = {int: "integer", str: "string", bool: "boolean", bytes: "string", type(None): "null"}
    if kind in scalars:
        return {"type": scalars[kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _object_schema(kind, definitions)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of(argument, definitions) for argument in arguments]}
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _schema_of(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema_of(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    raise TypeError(f"no JSON Schema for {kind}")


def _object_schema(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # placed first: a type may contain itself
        hints = typing.get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        definitions[kind.__name__] = {
            "description": (kind.__doc__ or "").strip().split("\n")[0],
            "type": "object",
            "properties": {name: _schema_of(hints[name], definitions) for name in names},
            "required": names,
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}
