"""Resources that are slow, fail or answer what they are told, so that a visit can show it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from hashlib import sha256

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from origin.ailments import Ailments

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
LONGEST_WAIT_MS = 10_000  # below the balancer's `timeout server`
LONGEST_ILLNESS_MS = 60_000
LARGEST_BODY = 10 * 1024 * 1024
LONGEST_AGE_S = 86_400
LINE = 16  # bytes


def blueprint(ailments: Ailments, origin: str) -> Blueprint:
    experiments = Blueprint("experiments", __name__)

    @experiments.get("/health")
    def health() -> ResponseReturnValue:
        ill = ailments.is_ill(origin, time.time_ns() // 1_000_000)
        return jsonify(origin=origin, status="ill" if ill else "well"), 503 if ill else 200

    @experiments.post("/unwell")
    def unwell() -> ResponseReturnValue:
        patient = request.args.get("origin", origin)
        until_ms = time.time_ns() // 1_000_000 + _number("ms", 0, LONGEST_ILLNESS_MS)
        ailments.fall_ill(patient, until_ms)
        return jsonify(origin=patient, until_ms=until_ms), 202

    @experiments.get("/slow")
    @experiments.get("/impatient")  # the same, where the balancer's patience is short
    def slow() -> ResponseReturnValue:
        wait_ms = _number("ms", 0, LONGEST_WAIT_MS)
        time.sleep(wait_ms / 1000)
        return jsonify(origin=origin, waited_ms=wait_ms)

    @experiments.route("/fail", methods=METHODS)
    def fail() -> ResponseReturnValue:
        raise RuntimeError("somebody asked for /fail")

    # What these do otherwise is in misbehaviour.py, below HTTP.
    @experiments.route("/garbage", methods=METHODS)
    @experiments.route("/hangup", methods=METHODS)
    @experiments.route("/cut", methods=METHODS)
    def spared() -> ResponseReturnValue:
        return jsonify(origin=origin, says="the other origin misbehaves, not this one")

    @experiments.get("/bytes/<int:size>")
    def some_bytes(size: int) -> ResponseReturnValue:
        return _bytes_response(size)

    @experiments.route("/echo", methods=METHODS)
    def echo() -> ResponseReturnValue:
        body = request.get_data()
        return jsonify(
            origin=origin,
            method=request.method,
            target=request.full_path.rstrip("?"),
            headers=list(request.headers.items()),
            body_base64=base64.b64encode(body).decode(),
            body_sha256=sha256(body).hexdigest(),
        )

    return experiments


def _bytes_response(size: int) -> ResponseReturnValue:
    if size > LARGEST_BODY:
        raise BadRequest(f"/bytes/{size}: at most {LARGEST_BODY}")
    pause_ms = _number("pause_ms", 0, LONGEST_WAIT_MS, default=0)
    content = interrupted(numbered_bytes(size), pause_ms / 1000)
    response = Response(content, content_type="text/plain; charset=us-ascii")
    response.content_length = size
    response.set_etag(f"bytes-{size}")
    response.headers["Cache-Control"] = f"public, max-age={_number('max_age', 0, LONGEST_AGE_S, default=0)}"
    return response.make_conditional(request)


def numbered_bytes(size: int) -> Iterator[bytes]:
    """`size` bytes in lines that say their own offset: any piece of them tells where it belongs."""
    whole_lines = 512
    for start in range(0, size, whole_lines * LINE):
        stop = min(size, start + whole_lines * LINE)
        piece = b"".join(b"%015d\n" % offset for offset in range(start, stop, LINE))
        yield piece[: stop - start]


def interrupted(pieces: Iterator[bytes], pause_s: float) -> Iterator[bytes]:
    """The same pieces, with a pause between the first and the second: with nothing left to send, whoever has all of it
    would wait for the next response on this connection."""
    for position, piece in enumerate(pieces):
        if position == 1:
            time.sleep(pause_s)
        yield piece


def _number(name: str, least: int, most: int, default: int | None = None) -> int:
    given = request.args.get(name)
    if given is None and default is not None:
        return default
    # As many digits as `most` has at the most: int() of a long text would be work for nothing.
    readable = given is not None and given.isascii() and given.isdigit() and len(given) <= len(str(most))
    if given is None or not (readable and least <= int(given) <= most):
        raise BadRequest(f"{name}: expected a whole number from {least} to {most}, found {given!r}")
    return int(given)
