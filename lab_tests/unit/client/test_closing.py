"""Waiting for connections to close, over the loopback interface, by each of the two ways to list them."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address

import pytest

from client.closing import Closings, ConnectionList, connection_list, netlink_list, proc_list
from client.tcp_connections import half_closed

LOOPBACK = IPv4Address("127.84.0.1")
"""One that nothing else on the machine uses, so that nobody else's closing connections are seen."""


def has_netlink_list() -> bool:
    return connection_list() is netlink_list


BOTH_LISTS = pytest.mark.parametrize(
    "connections",
    [
        pytest.param(netlink_list, marks=pytest.mark.skipif(not has_netlink_list(), reason="no sock_diag here")),
        proc_list,
    ],
)


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), source_address=(str(LOOPBACK), 0))


@BOTH_LISTS
def test_what_does_not_close_is_counted_and_later_not_again(connections: ConnectionList) -> None:
    with socket.create_server((str(LOOPBACK), 0)) as listener, connect(listener) as near:
        far, _ = listener.accept()
        with far:
            visit = Closings(LOOPBACK, connections)
            near.shutdown(socket.SHUT_WR)

            assert visit.wait() == 1
            assert Closings(LOOPBACK, connections).wait() == 0


@BOTH_LISTS
def test_a_connection_that_closes_meanwhile_is_not_counted(connections: ConnectionList) -> None:
    with socket.create_server((str(LOOPBACK), 0)) as listener:
        near = connect(listener)
        far, _ = listener.accept()
        visit = Closings(LOOPBACK, connections)
        near.shutdown(socket.SHUT_WR)
        closing = threading.Timer(0.05, far.close)
        closing.start()

        assert visit.wait() == 0

        closing.join()
        near.close()


@pytest.mark.skipif(not has_netlink_list(), reason="no sock_diag here")
def test_both_lists_see_the_same() -> None:
    with socket.create_server((str(LOOPBACK), 0)) as listener, connect(listener) as near:
        far, _ = listener.accept()
        with far:
            near.shutdown(socket.SHUT_WR)
            far.recv(1)  # the FIN has arrived: nothing changes any more

            seen = half_closed(netlink_list(), LOOPBACK)

            assert seen == half_closed(proc_list(), LOOPBACK)
            assert seen == {(near.getsockname()[1], LOOPBACK, listener.getsockname()[1])}
