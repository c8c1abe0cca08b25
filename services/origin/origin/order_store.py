"""Orders in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from origin.database import Database
from origin.order import Draft, Order

COLUMNS = "id, owner, item, quantity, note"
MOST_LISTED = 100


class NoSuchOrder(LookupError):
    """There is no order with this id (any more)."""


class OrderStore:
    """What the site does with orders. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> list[Order]:
        """At most MOST_LISTED orders, newest first."""
        rows = self._database.connection().execute(
            f"SELECT {COLUMNS} FROM orders ORDER BY id DESC LIMIT ?", (MOST_LISTED,)
        )
        return [_order(row) for row in rows]

    def get(self, number: int) -> Order:
        """Raises NoSuchOrder."""
        return _read(self._database.connection(), number)

    def create(self, owner: str, draft: Draft) -> Order:
        with self._database.writing() as connection:
            row = connection.execute(
                f"INSERT INTO orders (owner, item, quantity, note) VALUES (?, ?, ?, ?) RETURNING {COLUMNS}",
                (owner, draft.item, draft.quantity, draft.note),
            ).fetchone()
        return _order(row)

    def change(self, number: int, decide: Callable[[Order], Draft]) -> Order:
        """Replace an order's content with what `decide` makes of it; what `decide` raises leaves it unchanged.

        Raises NoSuchOrder. Nobody else writes between the reading and the writing.
        """
        with self._database.writing() as connection:
            draft = decide(_read(connection, number))
            row = connection.execute(
                f"UPDATE orders SET item = ?, quantity = ?, note = ? WHERE id = ? RETURNING {COLUMNS}",
                (draft.item, draft.quantity, draft.note, number),
            ).fetchone()
        return _order(row)

    def remove(self, number: int, allow: Callable[[Order], None]) -> None:
        """Delete an order unless `allow` raises. Raises NoSuchOrder."""
        with self._database.writing() as connection:
            allow(_read(connection, number))
            connection.execute("DELETE FROM orders WHERE id = ?", (number,))


def _read(connection: sqlite3.Connection, number: int) -> Order:
    row = connection.execute(f"SELECT {COLUMNS} FROM orders WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise NoSuchOrder(f"there is no order {number}")
    return _order(row)


def _order(row: tuple[int, str, str, int, str | None]) -> Order:
    number, owner, item, quantity, note = row
    return Order(number, owner, Draft(item, quantity, note))
