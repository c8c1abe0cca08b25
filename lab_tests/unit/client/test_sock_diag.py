"""The kernel's answers over netlink."""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address

import pytest

from client.sock_diag import dump_request, read_dump
from client.tcp_connections import Connection, State

CLIENT, BALANCER = IPv4Address("10.77.1.10"), IPv4Address("10.77.3.10")


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + b"\0" * (-len(body) % 4)


def connection(state: State, local_port: int) -> bytes:
    ends = struct.pack("!HH", local_port, 443) + CLIENT.packed + b"\0" * 12 + BALANCER.packed + b"\0" * 12
    return message(20, struct.pack("BBBB", 2, state, 0, 0) + ends + b"\0" * 32 + b"attribute")


DONE = message(3, struct.pack("=i", 0))
TWO = connection(State.FIN_WAIT_1, 51000) + connection(State.LAST_ACK, 51001)


def test_the_request_names_its_states_as_bits() -> None:
    request = dump_request([State.FIN_WAIT_1, State.CLOSING])

    assert len(request) == struct.unpack_from("=I", request)[0] == 72
    assert struct.unpack_from("=BBBxI", request, 16) == (2, 6, 0, 1 << 4 | 1 << 11)


def test_connections_are_read_until_the_end_is_announced() -> None:
    expected = (
        Connection(CLIENT, 51000, BALANCER, 443, State.FIN_WAIT_1),
        Connection(CLIENT, 51001, BALANCER, 443, State.LAST_ACK),
    )

    assert read_dump(TWO) == (expected, False)
    assert read_dump(TWO + DONE) == (expected, True)
    assert read_dump(DONE) == ((), True)


def test_a_refusal_is_an_error_with_its_number() -> None:
    with pytest.raises(OSError, match="sock_diag: No such file") as refusal:
        read_dump(message(2, struct.pack("=i", -errno.ENOENT) + b"\0" * 16))
    assert refusal.value.errno == errno.ENOENT


@pytest.mark.parametrize("kept", [1, 15, 16, 20, len(TWO) // 2 - 4, len(TWO) - 4])
def test_an_answer_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(ValueError, match="netlink"):
        read_dump(TWO[:kept])


@pytest.mark.parametrize(
    "bad", [b"\0" * 16, message(20, b"short"), message(2, b""), connection(State(1), 1)[:17] + b"\xff" * 91]
)
def test_what_is_no_answer_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"netlink|State"):
        read_dump(bad)
