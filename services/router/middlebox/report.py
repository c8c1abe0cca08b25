"""What the faults in force have done so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from middlebox.decisions import Action
from middlebox.faults import Fault
from middlebox.hosts import Hosts
from middlebox.notation import write_fault
from middlebox.packet import Packet
from middlebox.sentence_writer import write_sentence

MOST_TOUCHES_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class TouchedPacket:
    """A packet that a fault acted on, in the addresses of the internet link, and when (CLOCK_REALTIME)."""

    time_ns: int
    fault: int
    action: Action
    packet: Packet


@dataclass(frozen=True, slots=True)
class Report:
    """What has happened since the faults were installed; `matched` and `touched` count per fault."""

    faults: tuple[Fault, ...] = ()
    matched: tuple[int, ...] = ()
    touched: tuple[int, ...] = ()
    touches: tuple[TouchedPacket, ...] = ()
    """The first MOST_TOUCHES_KEPT."""
    unread: int = 0
    """Packets that were queued but could not be read (fragments, say): forwarded as they were."""


def as_json(report: Report, hosts: Hosts) -> dict[str, Any]:
    """{"faults": [each with "sentence", "matched" and "touched"], "touches": [...], "unread": int}."""
    return {
        "faults": [
            {**write_fault(fault), "sentence": write_sentence(fault, hosts), "matched": matched, "touched": touched}
            for fault, matched, touched in zip(report.faults, report.matched, report.touched, strict=True)
        ],
        "touches": [_touch(touch, hosts) for touch in report.touches],
        "unread": report.unread,
    }


def _touch(touch: TouchedPacket, hosts: Hosts) -> dict[str, Any]:
    packet = touch.packet
    return {
        "time_ns": touch.time_ns,
        "fault": touch.fault,
        "action": touch.action.value,
        "protocol": packet.protocol.name.lower(),
        "from": _end(packet.source, packet.source_port, hosts),
        "to": _end(packet.destination, packet.destination_port, hosts),
        "identification": packet.identification,
        "sequence_number": packet.sequence_number,
        "payload_length": packet.payload_length,
    }


def _end(address: IPv4Address, port: int, hosts: Hosts) -> dict[str, Any]:
    return {"host": hosts.name(address), "address": str(address), "port": port}
