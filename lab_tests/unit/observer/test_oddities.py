"""What is counted while a capture is read costs no more memory than it may, however long that is."""

from __future__ import annotations

from observer import oddities
from observer.messages import Frame, QuicPackets, QuicPacketType, UdpDatagram
from observer.oddities import Oddities

CHANGED = "changes of a QUIC connection id"


def sent(number: int, connection: int, identity: str) -> Frame:
    packets = QuicPackets(connection, (QuicPacketType.ONE_RTT,), (), (), identity, None)
    datagram = UdpDatagram(40000, 443)
    return Frame(number, number, "home", 60, "", "", "client", "server", udp=datagram, quic=packets)


def test_a_change_of_connection_id_is_told_among_as_many_senders_as_are_remembered() -> None:
    found = Oddities()
    for number in range(1, oddities._SENDERS + 1):
        found.add(sent(number, number, "aa"))
    found.add(sent(oddities._SENDERS + 1, 1, "bb"))
    assert list(found.told()) == [f"1 {CHANGED} (first: frame {oddities._SENDERS + 1})"]


def test_of_more_senders_those_that_spoke_last_are_remembered() -> None:
    found = Oddities()
    for number in range(1, 3 * oddities._SENDERS):
        found.add(sent(number, number, "aa"))
    for number in range(3 * oddities._SENDERS, 6 * oddities._SENDERS):
        found.add(sent(number, number, "aa"))
    assert len(found._connection_ids) == oddities._SENDERS
    found.add(sent(number + 1, number, "bb"))
    found.add(sent(number + 2, 1, "bb"))
    assert list(found.told()) == [f"1 {CHANGED} (first: frame {number + 1})"]
