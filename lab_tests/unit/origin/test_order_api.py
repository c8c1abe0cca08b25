"""/api/orders answers every method and every mistake with its own status."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

TEA = {"item": "tea", "quantity": 2, "note": "no sugar"}
Headers = dict[str, str]


@pytest.fixture
def order(client: FlaskClient, alice: Headers) -> str:
    """The path of alice's order for tea."""
    return client.post("/api/orders", json=TEA, headers=alice).headers["Location"]


def body_of(client: FlaskClient, path: str) -> Any:
    return client.get(path).get_json()


class TestMethods:
    def test_post_creates_and_says_where(self, client: FlaskClient, alice: Headers) -> None:
        answer = client.post("/api/orders", json=TEA, headers=alice)
        assert (answer.status_code, answer.headers["Location"]) == (201, "/api/orders/1")
        assert body_of(client, "/api/orders/1") == {"id": 1, "owner": "alice", **TEA} == answer.get_json()

    def test_post_repeated_creates_again(self, client: FlaskClient, alice: Headers) -> None:
        places = [client.post("/api/orders", json=TEA, headers=alice).headers["Location"] for _ in range(2)]
        assert places == ["/api/orders/1", "/api/orders/2"]

    def test_get_lists_the_newest_first_and_changes_nothing(self, client: FlaskClient, alice: Headers) -> None:
        for quantity in (1, 2):
            client.post("/api/orders", json={"item": "tea", "quantity": quantity}, headers=alice)
        first, second = client.get("/api/orders"), client.get("/api/orders")
        assert [each["quantity"] for each in first.get_json()["orders"]] == [2, 1]
        assert (first.data, first.headers["ETag"]) == (second.data, second.headers["ETag"])

    def test_put_replaces_the_whole(self, client: FlaskClient, order: str, alice: Headers) -> None:
        answer = client.put(order, json={"item": "coffee", "quantity": 1}, headers=alice)
        assert answer.status_code == 200
        assert body_of(client, order) == {"id": 1, "owner": "alice", "item": "coffee", "quantity": 1}

    def test_put_repeated_changes_nothing_more(self, client: FlaskClient, order: str, alice: Headers) -> None:
        tags = []
        for _ in range(2):
            client.put(order, json=TEA | {"quantity": 9}, headers=alice)
            tags.append(client.get(order).headers["ETag"])
        assert tags[0] == tags[1]

    def test_the_answer_to_put_has_no_validator_of_what_was_not_sent(
        self, client: FlaskClient, order: str, alice: Headers
    ) -> None:
        assert "ETag" not in client.put(order, json=TEA, headers=alice).headers
        assert "ETag" in client.patch(order, json={"quantity": 3}, headers=alice).headers

    def test_put_does_not_create(self, client: FlaskClient, alice: Headers) -> None:
        assert client.put("/api/orders/7", json=TEA, headers=alice).status_code == 404

    @pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
    def test_patch_changes_only_what_it_names(
        self, client: FlaskClient, order: str, alice: Headers, media_type: str
    ) -> None:
        answer = client.patch(order, data=b'{"quantity": 5}', content_type=media_type, headers=alice)
        assert answer.status_code == 200
        assert body_of(client, order) == {"id": 1, "owner": "alice", **TEA, "quantity": 5}

    def test_patch_with_null_removes(self, client: FlaskClient, order: str, alice: Headers) -> None:
        client.patch(order, json={"note": None}, headers=alice)
        assert "note" not in body_of(client, order)

    def test_delete_removes_and_the_id_is_not_given_again(
        self, client: FlaskClient, order: str, alice: Headers
    ) -> None:
        gone = client.delete(order, headers=alice)
        assert (gone.status_code, gone.data, "Content-Type" in gone.headers) == (204, b"", False)
        assert client.get(order).status_code == 404
        assert client.delete(order, headers=alice).status_code == 404
        assert client.post("/api/orders", json=TEA, headers=alice).headers["Location"] == "/api/orders/2"

    def test_head_is_get_without_a_body(self, client: FlaskClient, order: str) -> None:
        get, head = client.get(order), client.head(order)
        assert (head.status_code, head.data) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers[name] == get.headers[name]

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("/api/orders", {"GET", "HEAD", "OPTIONS", "POST"}),
            ("/api/orders/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}),
        ],
    )
    def test_options_and_405_name_the_methods_allowed(self, client: FlaskClient, path: str, allowed: set[str]) -> None:
        options = client.options(path)
        refused = client.open(path, method="DELETE" if path.endswith("orders") else "POST")
        assert (options.status_code, refused.status_code) == (200, 405)
        for answer in (options, refused):
            assert set(answer.headers["Allow"].split(", ")) == allowed


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "line 1 column 1: Expecting value"),
            (b'{"item": "tea", "quantity": 2', "line 1 column 30: Expecting ',' delimiter"),
            (b"item=tea", "line 1 column 1: Expecting value"),
            (b'["tea"]', "expected an object, found an array"),
            (b'"tea"', "expected an object, found text of 3 characters"),
            (b"\xff\xfe", "byte 0 is not UTF-8"),
            (b"[" * 60_000, "recursion"),
            (b'{"quantity": ' + b"9" * 5000 + b"}", "integer"),
        ],
    )
    def test_a_body_that_does_not_parse_is_400_with_the_reason(
        self, client: FlaskClient, alice: Headers, body: bytes, reason: str
    ) -> None:
        answer = client.post("/api/orders", data=body, content_type="application/json", headers=alice)
        assert answer.status_code == 400
        assert answer.mimetype == "application/problem+json"
        assert reason in answer.get_json(force=True)["detail"]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"quantity": 1}, "item: missing"),
            ({"item": "tea"}, "quantity: missing"),
            ({"item": "", "quantity": 1}, "item: expected 1 to 200 characters, found text of 0 characters"),
            ({"item": "x" * 201, "quantity": 1}, "item: expected 1 to 200 characters, found text of 201 characters"),
            ({"item": "tea", "quantity": 0}, "quantity: expected a whole number from 1 to 1000, found 0"),
            ({"item": "tea", "quantity": 1001}, "quantity: expected a whole number from 1 to 1000, found 1001"),
            ({"item": "tea", "quantity": True}, "quantity: expected a whole number from 1 to 1000, found true"),
            ({"item": "tea", "quantity": 1.5}, "quantity: expected a whole number from 1 to 1000, found 1.5"),
            ({"item": "tea", "quantity": None}, "quantity: expected a whole number from 1 to 1000, found null"),
            ({"item": {}, "quantity": 1}, "item: expected 1 to 200 characters, found an object"),
            ({"item": "\ud800", "quantity": 1}, "item: holds NUL or half of a surrogate pair, which no text may"),
            ({"item": "\0tea", "quantity": 1}, "item: holds NUL or half of a surrogate pair, which no text may"),
            (TEA | {"note": 5}, "note: expected at most 2000 characters, found 5"),
            (TEA | {"price": 5}, "price: no such field; an order has item, quantity, note"),
            (TEA | {"owner": "bob"}, "owner: no such field; an order has item, quantity, note"),
        ],
    )
    def test_json_that_is_no_order_is_422_and_names_the_field(
        self, client: FlaskClient, alice: Headers, fields: dict[str, Any], reason: str
    ) -> None:
        answer = client.post("/api/orders", json=fields, headers=alice)
        assert (answer.status_code, answer.get_json(force=True)["detail"]) == (422, reason)
        assert body_of(client, "/api/orders") == {"orders": []}

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    def test_another_content_type_is_415(self, client: FlaskClient, order: str, alice: Headers, method: str) -> None:
        path = "/api/orders" if method == "POST" else order
        for media_type in ("text/plain", "application/x-www-form-urlencoded", None):
            answer = client.open(path, method=method, data=b"{}", content_type=media_type, headers=alice)
            assert answer.status_code == 415

    def test_too_large_a_body_is_413(self, client: FlaskClient, alice: Headers) -> None:
        body = b'{"item": "tea", "quantity": 1, "note": "' + b"x" * 65_536 + b'"}'
        answer = client.post("/api/orders", data=body, content_type="application/json", headers=alice)
        assert answer.status_code == 413


class TestAuthorization:
    WRITES = (
        ("POST", "/api/orders"),
        ("PUT", "/api/orders/1"),
        ("PATCH", "/api/orders/1"),
        ("DELETE", "/api/orders/1"),
    )

    @pytest.mark.parametrize(("method", "path"), WRITES)
    def test_writing_without_a_token_is_401_and_says_what_is_needed(
        self, client: FlaskClient, order: str, method: str, path: str
    ) -> None:
        answer = client.open(path, method=method, json=TEA)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer realm=parseltongue"

    @pytest.mark.parametrize(
        "credentials", ["Bearer forged", "Bearer ", "Bearer", "Basic YWxpY2U6d29uZGVybGFuZA==", "x"]
    )
    def test_another_token_is_401(self, client: FlaskClient, order: str, credentials: str) -> None:
        answer = client.delete(order, headers={"Authorization": credentials})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_a_token_that_was_cut_or_changed_is_401(self, client: FlaskClient, order: str, alice: Headers) -> None:
        whole = alice["Authorization"]
        for damaged in (whole[:-1], whole[:-5] + "AAAAA", whole.replace("Bearer ", "Bearer x")):
            assert client.delete(order, headers={"Authorization": damaged}).status_code == 401
        assert client.delete(order, headers=alice).status_code == 204

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_a_valid_token_of_another_than_the_owner_is_403(
        self, client: FlaskClient, order: str, bob: Headers, method: str
    ) -> None:
        answer = client.open(order, method=method, json=TEA, headers=bob)
        assert answer.status_code == 403
        assert answer.get_json(force=True)["detail"] == "order 1 belongs to alice, not to bob"
        assert body_of(client, order)["item"] == "tea"

    def test_reading_needs_no_token(self, client: FlaskClient, order: str) -> None:
        assert client.get(order).status_code == client.get("/api/orders").status_code == 200


class TestValidators:
    def test_an_unchanged_copy_costs_a_304_without_body(self, client: FlaskClient, order: str) -> None:
        tag = client.get(order).headers["ETag"]
        again = client.get(order, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)

    def test_a_changed_one_comes_whole(self, client: FlaskClient, order: str, alice: Headers) -> None:
        tag = client.get(order).headers["ETag"]
        client.patch(order, json={"quantity": 3}, headers=alice)
        assert client.get(order, headers={"If-None-Match": tag}).status_code == 200

    def test_the_list_has_a_validator_too(self, client: FlaskClient, order: str, alice: Headers) -> None:
        tag = client.get("/api/orders").headers["ETag"]
        assert client.get("/api/orders", headers={"If-None-Match": tag}).status_code == 304
        client.delete(order, headers=alice)
        assert client.get("/api/orders", headers={"If-None-Match": tag}).status_code == 200

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_if_match_with_an_old_tag_is_412_and_changes_nothing(
        self, client: FlaskClient, order: str, alice: Headers, method: str
    ) -> None:
        old = client.get(order).headers["ETag"]
        client.patch(order, json={"quantity": 3}, headers=alice)
        answer = client.open(order, method=method, json=TEA, headers=alice | {"If-Match": old})
        assert answer.status_code == 412
        assert body_of(client, order)["quantity"] == 3

    @pytest.mark.parametrize("accept", ["application/json", "text/html"])
    def test_if_match_with_the_tag_of_either_representation_goes_through(
        self, client: FlaskClient, order: str, alice: Headers, accept: str
    ) -> None:
        tag = client.get(order, headers={"Accept": accept}).headers["ETag"]
        assert client.put(order, json=TEA, headers=alice | {"If-Match": tag}).status_code == 200
        assert client.put(order, json=TEA, headers=alice | {"If-Match": "*"}).status_code == 200

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize("condition", ["*", "{tag}", "W/{tag}", '"other", {tag}'])
    def test_if_none_match_that_fits_is_412_and_changes_nothing(
        self, client: FlaskClient, order: str, alice: Headers, method: str, condition: str
    ) -> None:
        before = client.get(order)
        headers = alice | {"If-None-Match": condition.format(tag=before.headers["ETag"])}
        answer = client.open(order, method=method, json=TEA | {"quantity": 9}, headers=headers)
        assert (answer.status_code, client.get(order).data) == (412, before.data)

    def test_if_none_match_that_does_not_fit_goes_through(
        self, client: FlaskClient, order: str, alice: Headers
    ) -> None:
        assert client.put(order, json=TEA, headers=alice | {"If-None-Match": '"other"'}).status_code == 200

    def test_a_copy_may_be_kept_but_must_be_asked_about(self, client: FlaskClient, order: str) -> None:
        assert client.get(order).headers["Cache-Control"] == "no-cache"


class TestNegotiation:
    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            (None, "application/json"),
            ("*/*", "application/json"),
            ("application/*", "application/json"),
            ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
            ("text/html;q=0.5,application/json", "application/json"),
        ],
    )
    @pytest.mark.parametrize("path", ["/api/orders", "/api/orders/1"])
    def test_the_type_follows_accept(
        self, client: FlaskClient, order: str, path: str, accept: str | None, media_type: str
    ) -> None:
        answer = client.get(path, headers={"Accept": accept} if accept else {})
        assert (answer.status_code, answer.mimetype, answer.headers["Vary"]) == (200, media_type, "Accept")
        assert b"tea" in answer.data

    @pytest.mark.parametrize("accept", ["image/png", "application/xml", "*/*;q=0"])
    def test_a_type_that_there_is_not_is_406_and_names_those_there_are(
        self, client: FlaskClient, order: str, accept: str
    ) -> None:
        answer = client.get(order, headers={"Accept": accept})
        assert answer.status_code == 406
        assert "application/json and text/html" in answer.get_json(force=True)["detail"]

    @pytest.mark.parametrize(("method", "path"), [("POST", "s"), ("PUT", "s/1"), ("PATCH", "s/1")])
    def test_whoever_wants_no_answer_there_is_changes_nothing(
        self, client: FlaskClient, order: str, alice: Headers, method: str, path: str
    ) -> None:
        before = client.get("/api/orders").data
        headers = alice | {"Accept": "image/png"}
        answer = client.open(f"/api/order{path}", method=method, json=TEA | {"quantity": 9}, headers=headers)
        assert (answer.status_code, client.get("/api/orders").data) == (406, before)

    def test_representations_have_different_tags(self, client: FlaskClient, order: str) -> None:
        tags = {client.get(order, headers={"Accept": each}).headers["ETag"] for each in ("text/html", "*/*")}
        assert len(tags) == 2

    def test_html_escapes_what_people_typed(self, client: FlaskClient, alice: Headers) -> None:
        place = client.post("/api/orders", json={"item": "<script>", "quantity": 1}, headers=alice).headers["Location"]
        assert b"<script>" not in client.get(place, headers={"Accept": "text/html"}).data


@pytest.mark.parametrize(
    "path", ["/api/orders/2", "/api/orders/0", "/api/orders/tea", "/api/orders/-1", "/api/nothing"]
)
def test_what_is_not_there_is_404(client: FlaskClient, order: str, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_an_id_beyond_what_the_database_counts_to_is_404_too(client: FlaskClient) -> None:
    assert client.get(f"/api/orders/{10**30}").status_code == 404
