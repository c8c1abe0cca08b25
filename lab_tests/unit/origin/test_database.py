"""Two origins, one database: what each writes the other reads, and neither loses the other's work."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from origin.accounts import Accounts, signing_key
from origin.database import SCHEMA_VERSION, Database, WrongSchema, create_once
from origin.order import Draft, Order
from origin.order_store import NoSuchOrder, OrderStore

THREADS = 8


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "orders.db")) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> OrderStore:
    return OrderStore(database)


def at_once(work: Callable[[int], object], times: int) -> list[object]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(times)))


def test_what_one_origin_creates_the_other_shows(start: Callable[[str], Flask]) -> None:
    first, second = start("origin-1").test_client(), start("origin-2").test_client()
    token = first.post("/api/tokens", auth=("alice", "wonderland")).get_json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    place = second.post("/api/orders", json={"item": "tea", "quantity": 1}, headers=headers).headers["Location"]
    assert first.get(place).get_json() == second.get(place).get_json()
    assert first.get(place).headers["ETag"] == second.get(place).headers["ETag"]


def test_a_login_at_one_origin_holds_at_the_other(start: Callable[[str], Flask]) -> None:
    first, second = start("origin-1").test_client(), start("origin-2").test_client()
    cookie = first.post("/login", data={"name": "alice", "password": "wonderland"}, base_url="https://site")
    value = cookie.headers["Set-Cookie"].split(";")[0].removeprefix("session=")
    second.set_cookie("session", value, domain="site", secure=True)
    assert "Hello, alice" in second.get("/account", base_url="https://site").text


WRITER = """
import pathlib, sys
from origin.database import Database
from origin.order import Draft
from origin.order_store import OrderStore
store = OrderStore(Database(pathlib.Path(sys.argv[1])))
print(*(store.create("alice", Draft("tea", 1)).id for _ in range(25)))
"""


def test_processes_that_start_at_once_share_one_database(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "orders.db")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    given = [int(number) for writer in writers for number in writer.communicate(timeout=30)[0].split()]
    assert sorted(given) == list(range(1, 101))
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_changes_at_once_are_all_there_afterwards(store: OrderStore) -> None:
    number = store.create("alice", Draft("tea", 1)).id

    def one_more(order: Order) -> Draft:
        return Draft(order.draft.item, order.draft.quantity + 1)

    at_once(lambda _: store.change(number, one_more), 100)
    assert store.get(number).draft.quantity == 101


def test_a_decision_against_a_change_leaves_the_order_and_frees_the_lock(store: OrderStore) -> None:
    number = store.create("alice", Draft("tea", 1)).id

    def refuse(order: Order) -> Draft:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.change(number, refuse)
    assert store.get(number).draft == Draft("tea", 1)
    assert store.change(number, lambda order: Draft("coffee", 1)).draft.item == "coffee"


def test_only_one_of_several_deletes_finds_the_order(store: OrderStore) -> None:
    number = store.create("alice", Draft("tea", 1)).id

    def delete(_: int) -> bool:
        try:
            store.remove(number, lambda order: None)
        except NoSuchOrder:
            return False
        return True

    assert sorted(map(bool, at_once(delete, THREADS))) == [False] * (THREADS - 1) + [True]


@pytest.mark.parametrize(
    ("item", "quantity", "owner"),
    [("", 1, "alice"), ("x" * 201, 1, "alice"), ("tea", 0, "alice"), ("tea", 1001, "alice"), ("tea", 1, "nobody")],
)
def test_the_database_refuses_what_the_site_would_never_write(
    store: OrderStore, item: str, quantity: int, owner: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.create(owner, Draft(item, quantity))
    assert store.newest() == []


def test_the_list_ends_at_a_hundred(store: OrderStore) -> None:
    for _ in range(101):
        store.create("alice", Draft("tea", 1))
    assert [order.id for order in store.newest()] == list(range(101, 1, -1))


def test_a_file_of_another_version_is_refused_with_what_to_do(tmp_path: Path, database: Database) -> None:
    database.connection().execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(WrongSchema, match="remove the volume `orders`"):
        Database(tmp_path / "orders.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.db").write_bytes(b"not a database, but long enough to be looked at" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        Database(tmp_path / "orders.db")


def test_readers_and_a_writer_do_not_wait_for_each_other(database: Database) -> None:
    assert database.connection().execute("PRAGMA journal_mode").fetchone() == ("wal",)


class TestCreateOnce:
    def test_of_several_makers_one_wins_and_all_read_the_same(self, tmp_path: Path) -> None:
        keys = at_once(lambda _: signing_key(tmp_path / "signing.key"), 50)
        assert len(set(keys)) == 1
        assert [each.name for each in tmp_path.iterdir()] == ["signing.key"]
        assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600

    def test_a_maker_that_dies_leaves_no_half_file(self, tmp_path: Path) -> None:
        def die(path: Path) -> None:
            path.write_bytes(b"half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            create_once(tmp_path / "file", die)
        assert list(tmp_path.iterdir()) == []


def test_a_token_expires(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts(database, "key")
    token = accounts.token_for("alice")
    assert accounts.bearer_of(token) == "alice"
    monkeypatch.setattr("origin.accounts.TOKEN_LIFE_S", -1)
    assert accounts.bearer_of(token) is None
    assert Accounts(database, "another key").bearer_of(token) is None
