"""Whole runs over real files: what is written, kept, and healed after a kill."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pki.authority import run
from pki.catalogue import DAY, TRUSTED, Row
from pki.files import Store, from_pem
from pki.plan import Unusable

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
FOLDERS = ("ca", "public", "balancer", "origin-1", "origin-2", "quic")
WRITES = 2 * len(TRUSTED) + 1  # a private and a public file each, and crl.pem


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    return tmp_path


def verbs(volumes: Path, now: datetime = NOW, rows: tuple[Row, ...] = TRUSTED) -> dict[str, str]:
    """What a run said it did to each: {"site": "kept", ...}."""
    return {line.split()[1]: line.split()[0] for line in run(Store(volumes), rows, now)}


def contents(volumes: Path) -> dict[str, bytes]:
    return {str(path.relative_to(volumes)): path.read_bytes() for path in volumes.rglob("*") if path.is_file()}


def test_the_first_run_makes_everything_and_the_second_changes_nothing(volumes: Path) -> None:
    assert set(verbs(volumes).values()) == {"made"}
    before = contents(volumes)
    assert set(verbs(volumes, NOW + timedelta(hours=1)).values()) == {"kept"}
    assert contents(volumes) == before
    assert sorted(before) == [
        "balancer/site.pem",
        "ca/intermediate.pem",
        "ca/root.pem",
        "origin-1/origin-1.pem",
        "origin-2/origin-2.pem",
        "public/crl.pem",
        "public/intermediate.pem",
        "public/origin-1.pem",
        "public/origin-2.pem",
        "public/quic.pem",
        "public/root.pem",
        "public/site.pem",
        "quic/quic.pem",
    ]


def test_each_line_says_until_when(volumes: Path) -> None:
    lines = list(run(Store(volumes), TRUSTED, NOW))
    assert lines[2] == "made  site          server           until 2030-05-31 12:00Z  (intermediate is new)"


def test_only_private_files_hold_keys_and_only_their_owner_reads_them(volumes: Path) -> None:
    verbs(volumes)
    for path in volumes.rglob("*.pem"):
        private = path.parent.name != "public"
        assert (b"PRIVATE KEY" in path.read_bytes()) is private
        assert oct(path.stat().st_mode & 0o777) == ("0o400" if private else "0o644")


def test_openssl_takes_the_site_file_as_key_and_chain(volumes: Path) -> None:
    verbs(volumes)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(volumes / "balancer/site.pem")
    assert (volumes / "public/site.pem").read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("damage", ["cut short", "emptied", "noise", "removed"])
@pytest.mark.parametrize("name", ["balancer/site.pem", "public/site.pem", "public/crl.pem"])
def test_a_damaged_file_is_made_again_and_nothing_else(volumes: Path, name: str, damage: str) -> None:
    verbs(volumes)
    path = volumes / name
    whole = path.read_bytes()
    path.chmod(0o600)
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes({"cut short": whole[: len(whole) // 2], "emptied": b"", "noise": b"\x00\xff" * 99}[damage])
    subject = path.stem
    assert verbs(volumes) == {name: "made" if name == subject else "kept" for name in [*map(row_name, TRUSTED), "crl"]}
    assert set(verbs(volumes).values()) == {"kept"}


def row_name(row: Row) -> str:
    return row.name


@pytest.mark.parametrize("kill_at", range(WRITES))
@pytest.mark.parametrize("when", ["before the rename", "after the rename"])
def test_a_run_killed_at_any_write_is_healed_by_the_next(
    volumes: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int, when: str
) -> None:
    class Killed(BaseException):
        pass

    writes = 0

    def rename(source: Path, target: Path) -> None:
        nonlocal writes
        if writes == kill_at and when == "before the rename":
            raise Killed
        os.replace(source, target)
        if writes == kill_at:
            raise Killed
        writes += 1

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(Killed):
            verbs(volumes)
    verbs(volumes)
    assert set(verbs(volumes).values()) == {"kept"}
    assert not list(volumes.rglob("*.unfinished"))


def test_leaves_are_renewed_by_a_later_run_and_authorities_stay(volumes: Path) -> None:
    verbs(volumes)
    assert verbs(volumes, NOW + 28 * DAY) == {
        "root": "kept",
        "intermediate": "kept",
        "site": "made",
        "origin-1": "made",
        "origin-2": "made",
        "quic": "made",
        "crl": "made",
    }


def test_a_revoked_row_gets_onto_the_list_of_its_issuer(volumes: Path) -> None:
    verbs(volumes)
    rows = tuple(replace(row, revoked=row.name == "origin-2") for row in TRUSTED)
    assert verbs(volumes, rows=rows)["crl"] == "made"
    lists = Store(volumes).read_revocation_lists()
    assert not isinstance(lists, Unusable)
    serial = x509.load_pem_x509_certificate((volumes / "public/origin-2.pem").read_bytes()).serial_number
    assert [[entry.serial_number for entry in each] for each in lists] == [[], [serial]]
    assert set(verbs(volumes, rows=rows).values()) == {"kept"}


def test_a_file_that_cannot_be_written_is_not_passed_over(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        verbs(volumes)


def test_a_key_of_another_kind_is_refused(volumes: Path) -> None:
    verbs(volumes)
    public = (volumes / "public/site.pem").read_bytes()
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert from_pem(other + public, public) == Unusable("the key is Ed25519PrivateKey, neither elliptic curve nor RSA")
