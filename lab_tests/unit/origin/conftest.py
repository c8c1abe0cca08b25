"""The site in memory: an application, a client that speaks HTTPS to it, and alice's and bob's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from origin.app import Settings, create_app

PASSWORDS = {"alice": "wonderland", "bob": "builder"}
Start = Callable[[str], Flask]


class WholeResponses(FlaskClient):
    """Reads every response to its end, as a connection would: files it came from are closed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **kwargs | {"buffered": True})


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an origin of the given name on the test's shared folder."""
    started: list[Flask] = []

    def start_origin(name: str) -> Flask:
        app = create_app(Settings(name, tmp_path))
        app.test_client_class = WholeResponses
        started.append(app)
        return app

    yield start_origin
    for app in started:
        app.extensions["database"].close()


@pytest.fixture
def app(start: Start) -> Flask:
    return start("origin-1")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def tokens(client: FlaskClient) -> dict[str, dict[str, str]]:
    """Headers that carry each user's bearer token."""
    found = {}
    for name, password in PASSWORDS.items():
        answer = client.post("/api/tokens", auth=(name, password)).get_json()
        found[name] = {"Authorization": f"Bearer {answer['access_token']}"}
    return found


@pytest.fixture
def alice(tokens: dict[str, dict[str, str]]) -> dict[str, str]:
    return tokens["alice"]


@pytest.fixture
def bob(tokens: dict[str, dict[str, str]]) -> dict[str, str]:
    return tokens["bob"]
