"""Origins that say of themselves that they are ill: in the shared database, so that either can be told about both."""

from __future__ import annotations

from origin.database import Database


class Ailments:
    def __init__(self, database: Database) -> None:
        self._database = database

    def fall_ill(self, origin: str, until_ms: int) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO ailments (origin, until_ms) VALUES (?, ?)", (origin, until_ms))

    def is_ill(self, origin: str, now_ms: int) -> bool:
        row = self._database.connection().execute(
            "SELECT 1 FROM ailments WHERE origin = ? AND until_ms > ?", (origin, now_ms)
        )
        return row.fetchone() is not None
