"""An order, its JSON and its validators. Pure: no HTTP, no database.

Raises `InvalidOrder` for JSON that parses but is no order; the text names the field, what was expected and found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_ITEM = 200  # characters
LONGEST_NOTE = 2000
LARGEST_QUANTITY = 1000
FIELDS = ("item", "quantity", "note")


class InvalidOrder(ValueError):
    """The JSON is no order."""


class MalformedJson(ValueError):
    """The bytes are no JSON object; the text says where they stop being one."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a client decides about an order."""

    item: str
    quantity: int
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the site keeps it. `id` and `owner` are the site's to give."""

    id: int
    owner: str
    draft: Draft


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` is. Raises MalformedJson."""
    try:
        found = json.loads(body.decode("utf-8"))  # RFC 8259 section 8.1: nothing else
    except json.JSONDecodeError as fault:
        raise MalformedJson(f"line {fault.lineno} column {fault.colno}: {fault.msg}") from fault
    except UnicodeDecodeError as fault:
        raise MalformedJson(f"byte {fault.start} is not UTF-8") from fault
    except (ValueError, RecursionError) as fault:
        raise MalformedJson(str(fault)) from fault
    if not isinstance(found, dict):
        raise MalformedJson(f"expected an object, found {_kind(found)}")
    return found


def whole(fields: Mapping[str, Any]) -> Draft:
    """The draft that `fields` describe completely (POST, PUT): what is not named is gone."""
    _refuse_unknown(fields)
    for name in ("item", "quantity"):
        if name not in fields:
            raise InvalidOrder(f"{name}: missing")
    return _checked(fields["item"], fields["quantity"], fields.get("note"))


def merged(draft: Draft, fields: Mapping[str, Any]) -> Draft:
    """`draft` with only what `fields` name changed (PATCH); null removes, as RFC 7396 has it."""
    _refuse_unknown(fields)
    return _checked(
        fields.get("item", draft.item), fields.get("quantity", draft.quantity), fields.get("note", draft.note)
    )


def to_json(order: Order) -> dict[str, Any]:
    """The order's representation; a note that is not there is not mentioned."""
    note = {} if order.draft.note is None else {"note": order.draft.note}
    return {"id": order.id, "owner": order.owner, "item": order.draft.item, "quantity": order.draft.quantity} | note


def entity_tag(media_type: str, *orders: Order) -> str:
    """Strong validator of the representation in `media_type` (RFC 9110 section 8.8.3), without its quotes.

    It depends on content alone, so that a PUT of the same content changes nothing, this included.
    """
    content = json.dumps([media_type, *map(to_json, orders)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise InvalidOrder(f"{unknown[0]}: no such field; an order has {', '.join(FIELDS)}")


def _checked(item: Any, quantity: Any, note: Any) -> Draft:
    if not isinstance(item, str) or not 1 <= len(item) <= LONGEST_ITEM:
        raise InvalidOrder(f"item: expected 1 to {LONGEST_ITEM} characters, found {_kind(item)}")
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= LARGEST_QUANTITY:
        raise InvalidOrder(f"quantity: expected a whole number from 1 to {LARGEST_QUANTITY}, found {_kind(quantity)}")
    if note is not None and (not isinstance(note, str) or len(note) > LONGEST_NOTE):
        raise InvalidOrder(f"note: expected at most {LONGEST_NOTE} characters, found {_kind(note)}")
    for name, text in (("item", item), ("note", note or "")):
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise InvalidOrder(f"{name}: holds NUL or half of a surrogate pair, which no text may")
    return Draft(item, quantity, note)


def _kind(found: Any) -> str:
    if found is None:
        return "null"
    if isinstance(found, str):
        return f"text of {len(found)} characters"
    if isinstance(found, bool | int | float):
        return json.dumps(found)[:40]
    return "an array" if isinstance(found, list) else "an object"
