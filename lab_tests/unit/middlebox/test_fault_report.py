"""The answer of GET /faults."""

from __future__ import annotations

from ipaddress import IPv4Address

from middlebox.decisions import Action
from middlebox.faults import Drop, Match, Positions
from middlebox.hosts import Hosts
from middlebox.packet import Packet, Protocol
from middlebox.report import Report, TouchedPacket, as_json

NOBODY = Hosts({})
CLIENT = Hosts({"client": IPv4Address("10.77.2.2")})
SEGMENT = Packet(
    protocol=Protocol.TCP,
    source=IPv4Address("10.77.3.10"),
    source_port=443,
    destination=IPv4Address("10.77.2.2"),
    destination_port=51000,
    identification=7,
    sequence_number=99,
    transport_at=20,
    payload_at=40,
    end=311,
)


def test_faults_come_with_their_counters_and_touches_with_what_finds_the_frame() -> None:
    report = Report((Drop(Match(), Positions(3)),), (5,), (1,), (TouchedPacket(12, 0, Action.DROPPED, SEGMENT),), 2)

    answer = as_json(report, CLIENT)

    (fault,) = answer["faults"]
    assert (fault["kind"], fault["first"], fault["matched"], fault["touched"]) == ("drop", 3, 5, 1)
    assert fault["sentence"] == "drop the 3rd packet"
    assert answer["touches"] == [
        {
            "time_ns": 12,
            "fault": 0,
            "action": "dropped",
            "protocol": "tcp",
            "from": {"host": None, "address": "10.77.3.10", "port": 443},
            "to": {"host": "client", "address": "10.77.2.2", "port": 51000},
            "identification": 7,
            "sequence_number": 99,
            "payload_length": 271,
        }
    ]
    assert answer["unread"] == 2


def test_an_idle_middlebox_has_nothing_to_report() -> None:
    assert as_json(Report(), NOBODY) == {"faults": [], "touches": [], "unread": 0}
