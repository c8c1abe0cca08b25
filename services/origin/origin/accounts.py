"""Who may do what: passwords, and the bearer tokens given for them."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.security import check_password_hash

from origin.database import Database, create_once

TOKEN_LIFE_S = 3600


def signing_key(path: Path) -> str:
    """The key that signs cookies and tokens: both origins read the same, whichever made it."""
    create_once(path, _create_key)
    return path.read_text(encoding="ascii")


def _create_key(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))


class Accounts:
    """The lab's users. A token is a signed name and time: it holds on both origins and needs no store."""

    def __init__(self, database: Database, key: str) -> None:
        self._database = database
        self._tokens = URLSafeTimedSerializer(key, salt="bearer token")

    def password_fits(self, name: str, password: str) -> bool:
        row = (
            self._database.connection().execute("SELECT password_hash FROM accounts WHERE name = ?", (name,)).fetchone()
        )
        return row is not None and check_password_hash(row[0], password)

    def token_for(self, name: str) -> str:
        return self._tokens.dumps(name)

    def bearer_of(self, token: str) -> str | None:
        """The user a token was given to; None if it is forged, cut, or older than TOKEN_LIFE_S."""
        try:
            name = self._tokens.loads(token, max_age=TOKEN_LIFE_S)
        except BadSignature:
            return None
        return name if isinstance(name, str) else None
