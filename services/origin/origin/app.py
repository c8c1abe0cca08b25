"""The application: what it needs, and how its parts are put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from origin import envelope, experiments, metrics, order_api, pages, refusals
from origin.accounts import Accounts, signing_key
from origin.ailments import Ailments
from origin.database import Database
from origin.order_store import OrderStore
from origin.session_cookie import SessionCookie
from origin.static_files import WithStaticFiles

LARGEST_REQUEST_BODY = 64 * 1024  # bytes; more is answered 413


@dataclass(frozen=True, slots=True)
class Settings:
    """name: of this origin, as it calls itself in X-Origin. shared: folder that both origins see."""

    name: str
    shared: Path


def create_app(settings: Settings) -> Flask:
    """The site. Raises OSError, sqlite3.Error or database.WrongSchema if the shared folder does not serve."""
    app = WithStaticFiles("origin")
    database = Database(settings.shared / "orders.db")
    key = signing_key(settings.shared / "signing.key")
    accounts = Accounts(database, key)
    app.config.update(
        SECRET_KEY=key,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=LARGEST_REQUEST_BODY,
    )
    app.session_interface = SessionCookie()
    app.extensions["database"] = database
    envelope.attach(app, settings.name)
    refusals.attach(app, settings.name)
    metrics.attach(app)
    app.register_blueprint(pages.blueprint(accounts, settings.name))
    app.register_blueprint(order_api.blueprint(OrderStore(database), accounts))
    app.register_blueprint(experiments.blueprint(Ailments(database), settings.name))
    return app
