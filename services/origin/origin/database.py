"""The SQLite file both origins share: made once, opened per thread, written in short exclusive transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0  # how long a writer waits for the other origin's transaction


class WrongSchema(RuntimeError):
    """The file was made by another version of the site."""


def create_once(path: Path, make: Callable[[Path], None]) -> None:
    """Let `make` write the file, unless it exists; of several that try at once, one wins, and all find it whole.

    link(2) fails if the name is taken, so a half-written file never has the final name.
    """
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.{os.uname().nodename}-{os.getpid()}-{threading.get_ident()}")
    unfinished.unlink(missing_ok=True)
    try:
        make(unfinished)
        os.link(unfinished, path)
    except FileExistsError:
        pass  # the other origin was first; its file is as good
    finally:
        unfinished.unlink(missing_ok=True)


class Database:
    """Connections to one SQLite file, one per thread."""

    def __init__(self, path: Path) -> None:
        """Raises WrongSchema if the file is another version's, sqlite3.Error if it is no database."""
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        create_once(path, _create)
        try:
            found = self.connection().execute("PRAGMA user_version").fetchone()[0]
            if found != SCHEMA_VERSION:
                raise WrongSchema(f"{path}: schema version {found}, not {SCHEMA_VERSION}; remove the volume `orders`")
        except BaseException:
            self.close()
            raise

    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Outside of `writing` every statement is its own transaction."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Only `close` uses it from another thread.
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._opened.append(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close every thread's connection; none may be in use."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its first read on: what it read is still so when it writes."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _create(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        # Readers and a writer at once. A property of the file: switching it later would need it exclusively.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
