"""Pages, login and what every response carries."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient


def test_the_page_names_its_origin_and_the_request(client: FlaskClient) -> None:
    answer = client.get("/", headers={"X-Request-ID": "5e9c<b>"})
    assert answer.status_code == 200
    assert '<dd id="origin">origin-1</dd>' in answer.text
    assert '<dd id="request-id">5e9c&lt;b&gt;</dd>' in answer.text
    assert answer.text.count("<li>") == 8


def test_a_browser_finds_every_subresource_the_page_names(client: FlaskClient) -> None:
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
    assert sorted(named) == ["/static/favicon.svg", "/static/path.svg", "/static/site.css"]
    types = {name: client.get(name).mimetype for name in named}
    assert set(types.values()) == {"image/svg+xml", "text/css"}


def test_a_static_file_may_be_kept_a_minute_and_then_costs_a_304(client: FlaskClient) -> None:
    first = client.get("/static/site.css")
    assert first.headers["Cache-Control"] == "public, max-age=60"
    again = client.get("/static/site.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_static_file_changed_without_changing_its_size_or_time_has_another_tag(app: Flask, tmp_path: Path) -> None:
    app.static_folder = str(tmp_path)
    tags = []
    for text in ("red", "tan"):
        (tmp_path / "site.css").write_text(text)
        os.utime(tmp_path / "site.css", (0, 0))
        answer = app.test_client().get("/static/site.css")
        assert (answer.text, "Last-Modified" in answer.headers) == (text, False)
        tags.append(answer.headers["ETag"])
    assert tags[0] != tags[1]


def test_a_piece_of_a_static_file(client: FlaskClient) -> None:
    whole = client.get("/static/site.css").data
    piece = client.get("/static/site.css", headers={"Range": "bytes=2-5"})
    assert (piece.status_code, piece.data) == (206, whole[2:6])
    assert client.get("/static/site.css", headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get("/static/nothing.css").status_code == 404


@pytest.mark.parametrize("path", ["/", "/login", "/health", "/nothing", "/fail", "/api/orders", "/static/site.css"])
def test_every_response_says_who_answered_and_how_long_it_took(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["X-Origin"] == "origin-1"
    assert re.fullmatch(r"app;dur=\d+\.\d{3}", answer.headers["Server-Timing"])
    assert answer.headers["Cache-Control"]


def test_the_account_page_sends_strangers_to_the_login(client: FlaskClient) -> None:
    answer = client.get("/account")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")


def test_after_login_the_cookie_opens_the_account_until_logout(client: FlaskClient) -> None:
    login = client.post("/login", data={"name": "alice", "password": "wonderland"}, base_url="https://site")
    assert (login.status_code, login.headers["Location"]) == (303, "/account")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in login.headers["Set-Cookie"].split("; ")
    assert "Hello, alice" in client.get("/account", base_url="https://site").text
    assert client.post("/logout", base_url="https://site").status_code == 303
    assert client.get("/account", base_url="https://site").status_code == 302


@pytest.mark.parametrize(
    ("forwarded", "secure"),
    [
        ({"Forwarded": "proto=http;host=plain.parseltongue.co.in;for=192.0.2.1"}, False),
        ({"Forwarded": "proto=https;host=parseltongue.co.in;for=192.0.2.1"}, True),
        ({"Forwarded": 'proto=https;host="proto=http";for=192.0.2.1'}, True),
        ({}, True),
    ],
)
def test_the_cookie_is_secure_unless_the_balancer_says_that_the_client_came_in_the_clear(
    client: FlaskClient, forwarded: dict[str, str], secure: bool
) -> None:
    login = client.post("/login", data={"name": "alice", "password": "wonderland"}, headers=forwarded)
    attributes = login.headers["Set-Cookie"].split("; ")
    assert ("Secure" in attributes) is secure
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)


@pytest.mark.parametrize(
    "form",
    [
        {"name": "alice", "password": "builder"},
        {"name": "alice", "password": ""},
        {"name": "nobody", "password": "wonderland"},
        {"name": "alice"},
        {},
    ],
)
def test_a_wrong_login_is_403_and_sets_no_cookie(client: FlaskClient, form: dict[str, str]) -> None:
    answer = client.post("/login", data=form, base_url="https://site")
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (403, None)
    assert 'role="alert"' in answer.text


def test_a_forged_cookie_is_no_login(client: FlaskClient) -> None:
    client.set_cookie("session", "eyJ1c2VyIjoiYWxpY2UifQ.aaaaaa.forged", domain="site")
    assert client.get("/account", base_url="https://site").status_code == 302


def test_a_token_is_given_for_name_and_password(client: FlaskClient) -> None:
    answer = client.post("/api/tokens", auth=("bob", "builder"))
    assert answer.status_code == 200
    assert (answer.get_json()["token_type"], answer.get_json()["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", [("bob", "wrong"), ("nobody", "builder"), None])
def test_no_token_without_them(client: FlaskClient, given: tuple[str, str] | None) -> None:
    answer = client.post("/api/tokens", auth=given)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Basic realm=parseltongue, charset=UTF-8"


@pytest.mark.parametrize("given", ["Basic !!", "Basic", "Bearer x", "Basic Ym9i"])
def test_credentials_that_are_none_are_401_too(client: FlaskClient, given: str) -> None:
    assert client.post("/api/tokens", headers={"Authorization": given}).status_code == 401
