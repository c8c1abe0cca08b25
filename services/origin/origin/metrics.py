"""What an origin counts for Prometheus, served on the control network: no capture of a visit ever holds a scrape."""

from __future__ import annotations

from flask import Flask, Response
from prometheus_client import Counter, Gauge, start_http_server

PORT = 8404  # the balancer's metrics have the same
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")  # named as HAProxy names them

in_hand = Gauge("origin_http_requests_in_hand", "Requests that the application is at work on")
responses = Counter("origin_http_responses", "Responses that the application gave, by class of status", ["code"])
for _class in CLASSES:
    responses.labels(_class)  # from zero on: a rate needs a value from before the first 500


def attach(app: Flask) -> None:
    """Count the responses of `app`. What misbehaviour.py sends is no response and is not counted."""

    def take() -> None:
        in_hand.inc()

    def put_down(fault: BaseException | None) -> None:
        in_hand.dec()

    def count(response: Response) -> Response:
        responses.labels(f"{response.status_code // 100}xx").inc()
        return response

    app.before_request(take)
    app.after_request(count)
    app.teardown_request(put_down)


def serve(address: str) -> None:
    """Answer GET /metrics on `address` from a thread of its own. Raises OSError if the port cannot be had."""
    start_http_server(PORT, address)
