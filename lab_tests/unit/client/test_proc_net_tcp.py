"""The kernel's table of connections."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address

import pytest

from client.proc_net_tcp import read_table
from client.tcp_connections import Connection, State, half_closed

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
CLIENT, BALANCER = IPv4Address("10.77.1.10"), IPv4Address("10.77.3.10")


def line(state: State, local: IPv4Address = CLIENT, port: int = 51000) -> str:
    def end(address: IPv4Address, port: int) -> str:
        return f"{int.from_bytes(address.packed, sys.byteorder):08X}:{port:04X}"

    return (
        f"   1: {end(local, port)} {end(BALANCER, 443)} {state:02X} 00000000:00000000 "
        "00:00000000 00000000 10001        0 57056 1 0000000000000000 20 4 30 10 -1\n"
    )


@pytest.mark.skipif(sys.byteorder != "little", reason="the line was recorded on a little-endian machine")
def test_a_recorded_line_is_read() -> None:
    recorded = "   0: 0A014D0A:C79A 0A034D0A:01BB 01 00000000:00000000 00:00000000 00000000 10001        0 57056 1\n"

    assert read_table(HEADER + recorded) == (Connection(CLIENT, 51098, BALANCER, 443, State.ESTABLISHED),)


def test_an_empty_table_has_no_connection() -> None:
    assert read_table("") == read_table(HEADER) == ()


@pytest.mark.parametrize("state", list(State))
def test_half_closed_is_between_the_first_fin_and_the_last_acknowledgement(state: State) -> None:
    closing = half_closed(read_table(HEADER + line(state)), CLIENT)

    expected = state in {State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK}
    assert closing == ({(51000, BALANCER, 443)} if expected else set())


def test_other_addresses_of_this_host_do_not_count() -> None:
    table = HEADER + line(State.FIN_WAIT_1, local=IPv4Address("10.77.9.10")) + line(State.LAST_ACK, port=52000)

    assert half_closed(read_table(table), CLIENT) == {(52000, BALANCER, 443)}


@pytest.mark.parametrize(
    "bad", ["x", "1: 0A014D0A:C79A 0A034D0A:01BB", "1: 0A014D0A 0A034D0A:01BB 01", "1: a:b c:d 99"]
)
def test_a_line_that_cannot_be_read_is_quoted(bad: str) -> None:
    with pytest.raises(ValueError, match="/proc/net/tcp: "):
        read_table(HEADER + line(State.LISTEN) + bad)
