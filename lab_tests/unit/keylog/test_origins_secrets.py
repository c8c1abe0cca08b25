"""Which of the origins' logged secrets open the recorded frames."""

from __future__ import annotations

from pathlib import Path

from observer.keys import opening_secrets

RANDOMS = [bytes([number]) * 32 for number in (1, 2, 3)]


def lines(random: bytes) -> str:
    return f"CLIENT_TRAFFIC_SECRET_0 {random.hex()} {'ab' * 48}\nSERVER_TRAFFIC_SECRET_0 {random.hex()} {'cd' * 48}\n"


def client_hello(random: bytes) -> bytes:
    return b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + random + b"\x20" + bytes(60)


def test_only_recorded_handshakes_secrets_are_taken_from_all_files(tmp_path: Path) -> None:
    (tmp_path / "origin-1.100.log").write_text(lines(RANDOMS[0]) + "# a remark\n" + lines(RANDOMS[1]))
    (tmp_path / "origin-2.100.log").write_text(lines(RANDOMS[2]))
    frames = bytes(54) + client_hello(RANDOMS[1]) + bytes(54) + client_hello(RANDOMS[2])
    found = opening_secrets(tmp_path, frames)
    assert [secret.client_random for secret in found] == [RANDOMS[1]] * 2 + [RANDOMS[2]] * 2


def test_a_random_that_no_client_hello_carries_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "origin-1.100.log").write_text(lines(RANDOMS[0]))
    assert opening_secrets(tmp_path, b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + RANDOMS[0]) == ()
    assert len(opening_secrets(tmp_path, client_hello(RANDOMS[0]))) == 2


def test_no_log_and_no_frame_are_no_secrets(tmp_path: Path) -> None:
    assert opening_secrets(tmp_path, client_hello(RANDOMS[0])) == ()
    (tmp_path / "origin-1.100.log").write_text(lines(RANDOMS[0]))
    assert opening_secrets(tmp_path, b"") == ()
