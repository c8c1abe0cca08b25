"""What experiments on orders share: whose they are."""

from __future__ import annotations

import base64

import pytest

from claims.dialogue import Dialogue, Header, ask
from live_lab import Lab


@pytest.fixture(scope="session")
def alice(lab: Lab) -> Header:
    """alice's Authorization header, with the bearer token as it was read from the frames that brought it."""
    return authorization(lab, "alice", "wonderland")


@pytest.fixture(scope="session")
def bob(lab: Lab) -> Header:
    """The same for bob, whose orders are others."""
    return authorization(lab, "bob", "builder")


def authorization(lab: Lab, name: str, password: str) -> Header:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    with lab.recording(f"a token for {name}") as recording:
        ask(recording, "POST", "/api/tokens", ("Authorization", f"Basic {credentials}"))
    (told,) = Dialogue(recording).reads("POST /api/tokens -> 200")
    return "Authorization", f"Bearer {told.home.json['access_token']}"
