"""The file of session ticket keys: made once, kept while it is good, made again when it is not."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

from pki.ticket_keys import KEY_LENGTH, KEYS, keep_ticket_keys


def test_three_keys_that_nobody_else_reads_and_that_stay(tmp_path: Path) -> None:
    path = tmp_path / "ticket-keys"
    assert keep_ticket_keys(path).startswith("made  ticket-keys")
    keys = [b64decode(line) for line in path.read_bytes().splitlines()]
    assert [len(key) for key in keys] == [KEY_LENGTH] * KEYS
    assert len(set(keys)) == KEYS
    assert path.stat().st_mode & 0o777 == 0o400
    before = path.read_bytes()
    assert keep_ticket_keys(path).startswith("kept")
    assert path.read_bytes() == before


def test_what_holds_no_keys_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "ticket-keys"
    for content in (b"", b"AAAA\n", b"not base64!\n"):
        path.write_bytes(content)
        assert keep_ticket_keys(path).startswith("made")
        path.chmod(0o600)
