"""Asking the site while a recording runs, and reading afterwards from frames what was asked and answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from http_content import HttpContents
from live_lab import Lab, Recording
from observer.exchanges import Exchange
from observer.messages import Frame

SITE = "https://parseltongue.co.in"
PLAIN = "http://plain.parseltongue.co.in"
ORDERS = "/api/orders"

Header = tuple[str, str]
JSON: Header = ("Content-Type", "application/json")
MERGE_PATCH: Header = ("Content-Type", "application/merge-patch+json")


def ask(recording: Recording, method: str, path: str, *headers: Header, **options: Any) -> dict[str, Any]:
    """Have curl send one request; what curl says of the response. `site` names another scheme and host, a `body`
    that is a dict goes as JSON, and the rest are options of the client's visits."""
    site = options.pop("site", SITE)
    body = options.get("body")
    if isinstance(body, dict):
        options["body"] = json.dumps(body)
    answer = recording.visit(f"{site}{path}", method=method, headers=[list(header) for header in headers], **options)
    assert answer["exit_code"] == 0, answer["error"]
    response: dict[str, Any] = answer["responses"][-1]
    return response


def place(response: dict[str, Any]) -> str:
    """Where curl was told that the new order is."""
    return next(str(value) for name, value in response["headers"] if name.lower() == "location")


@dataclass(frozen=True, slots=True)
class Said:
    """One request and its response on one link, with what they carried."""

    exchange: Exchange
    asked: bytes
    answered: bytes

    def __str__(self) -> str:
        return f"{self.exchange.request.method} {self.exchange.request.path} -> {self.status}"

    @property
    def status(self) -> int | None:
        return self.exchange.response.status if self.exchange.response else None

    @property
    def json(self) -> Any:
        """The response's content. Raises ValueError if it is no JSON."""
        return json.loads(self.answered)

    def request_header(self, name: str) -> str | None:
        return self.exchange.request.header(name)

    def header(self, name: str) -> str | None:
        """The response's header, by its name in lower case."""
        return self.exchange.response.header(name) if self.exchange.response else None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The request's frame and the response's."""
        shown = (self.exchange.request_frame, self.exchange.response_frame)
        return tuple(frame for frame in shown if frame)


@dataclass(frozen=True, slots=True)
class Told:
    """A request that an origin answered, as it was on the client's link and on the origins'."""

    home: Said
    backend: Said

    @property
    def frames(self) -> tuple[Frame, ...]:
        return self.home.frames + self.backend.frames


class Dialogue:
    """Everything the client asked during a recording, in order. What the balancer answered by itself is no part."""

    def __init__(self, recording: Recording, links: Sequence[str] = ("home", "backend")) -> None:
        """`links`: those whose contents are wanted."""
        self._contents = HttpContents(recording, links)
        behind = recording.exchanges("backend")
        self.told = [self._told(exchange, behind) for exchange in recording.exchanges("home")]
        assert self.told, "the client asked for nothing: this test looked at nothing"

    def reads(self, *expected: str) -> list[Told]:
        """What was told, if on both links it reads as `expected`, a line for each request."""
        for link, told in (("home", [t.home for t in self.told]), ("backend", [t.backend for t in self.told])):
            found = [str(said) for said in told]
            assert found == list(expected), f"{link}: expected {'; '.join(expected)}, found {'; '.join(found)}"
        return self.told

    def said(self, exchange: Exchange) -> Said:
        return Said(exchange, self._contents.of_request(exchange), self._contents.of_response(exchange))

    def _told(self, front: Exchange, behind: list[Exchange]) -> Told:
        """The pair on both links; an origin's answer reaches the client with the content that the origin gave it."""
        assert front.request_id, f"{front.request.path}: the balancer gave the request no id"
        back = [exchange for exchange in behind if exchange.request_id == front.request_id]
        assert len(back) == 1, f"{front.request.path} was asked {len(back)} times on backend"
        told = Told(self.said(front), self.said(back[0]))
        for what, home, backend in (
            ("request", told.home.asked, told.backend.asked),
            ("response", told.home.answered, told.backend.answered),
        ):
            assert home == backend, f"{told.home}: {what} of {home!r} on home, {backend!r} on backend"
        return told


def authorization(lab: Lab, name: str, password: str) -> Header:
    """The Authorization header of `name`, with the bearer token as it was read from the frames that brought it."""
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    with lab.recording(f"a token for {name}") as recording:
        ask(recording, "POST", "/api/tokens", ("Authorization", f"Basic {credentials}"))
    (told,) = Dialogue(recording).reads("POST /api/tokens -> 200")
    return "Authorization", f"Bearer {told.home.json['access_token']}"
