"""What Prometheus is told: every response, by class, from zero on."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY, generate_latest

from origin.metrics import CLASSES

IN_HAND = "origin_http_requests_in_hand"


def count(code: str) -> float:
    return REGISTRY.get_sample_value("origin_http_responses_total", {"code": code}) or 0.0


def test_a_request_is_in_hand_until_it_is_answered_even_if_it_fails(app: Flask) -> None:
    app.add_url_rule("/look", view_func=lambda: str(REGISTRY.get_sample_value(IN_HAND)))
    client = app.test_client()
    _, seen, _ = (client.get(path).text for path in ("/fail", "/look", "/nowhere"))
    assert (seen, REGISTRY.get_sample_value(IN_HAND)) == ("1.0", 0.0)


@pytest.mark.parametrize("code", CLASSES)
def test_every_class_is_there_before_its_first_response(code: str) -> None:
    assert f'origin_http_responses_total{{code="{code}"}}' in generate_latest(REGISTRY).decode()


@pytest.mark.parametrize(
    ("path", "code"), [("/health", "2xx"), ("/account", "3xx"), ("/nowhere", "4xx"), ("/fail", "5xx")]
)
def test_a_response_counts_once_and_in_its_class_alone(client: FlaskClient, path: str, code: str) -> None:
    before = {name: count(name) for name in CLASSES}
    client.get(path)
    assert {name: count(name) - before[name] for name in CLASSES} == {name: float(name == code) for name in CLASSES}
