"""Error responses: problem details (RFC 9457) under /api, a page elsewhere. Status and headers stay werkzeug's."""

from __future__ import annotations

import json
from typing import NoReturn

from flask import Flask, Response, render_template, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    NotFound,
    Unauthorized,
    UnprocessableEntity,
    UnsupportedMediaType,
)

from origin.order import InvalidOrder, MalformedJson
from origin.order_store import NoSuchOrder

REALM = "parseltongue"


def demand_bearer(fault: str | None = None) -> NoReturn:
    """401 that asks for a bearer token; `fault` says what is wrong with the one that came (RFC 6750 section 3)."""
    values: dict[str, str | None] = {"realm": REALM}
    if fault:
        values |= {"error": "invalid_token", "error_description": fault}
    raise Unauthorized(fault or "a bearer token is needed", www_authenticate=WWWAuthenticate("bearer", values))


def demand_basic(fault: str) -> NoReturn:
    """401 that asks for name and password (RFC 7617)."""
    values: dict[str, str | None] = {"realm": REALM, "charset": "UTF-8"}
    raise Unauthorized(fault, www_authenticate=WWWAuthenticate("basic", values))


def demand_media_type(*accepted: str) -> None:
    """415 unless the request's body is one of `accepted` (RFC 9110 section 15.5.16)."""
    if request.mimetype not in accepted:
        found = request.mimetype or "nothing"
        raise UnsupportedMediaType(f"Content-Type: expected {' or '.join(accepted)}, found {found}")


def attach(app: Flask, origin: str) -> None:
    """Turn whatever is raised in `app` into a response that names `origin` as its author."""

    def refuse(refusal: HTTPException) -> Response:
        response = Response(status=refusal.code, headers=refusal.get_headers())
        title = refusal.name
        if request.path.startswith("/api/"):
            problem = {"status": refusal.code, "title": title, "detail": refusal.description, "origin": origin}
            response.set_data(json.dumps(problem) + "\n")
            response.content_type = "application/problem+json"
        else:
            response.set_data(render_template("refusal.html", refusal=refusal, origin=origin))
            response.content_type = "text/html; charset=utf-8"
        return response

    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(MalformedJson, lambda fault: refuse(BadRequest(f"the body is not JSON: {fault}")))
    app.register_error_handler(InvalidOrder, lambda fault: refuse(UnprocessableEntity(str(fault))))
    app.register_error_handler(NoSuchOrder, lambda fault: refuse(NotFound(str(fault))))
