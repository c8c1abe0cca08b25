"""The iptables lines that send to the middlebox's queue what its faults look at, and nothing else.

With no fault the chain is empty, so that an idle middlebox costs forwarded packets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from middlebox.faults import Endpoint, Fault, Match
from middlebox.packet import Protocol

CHAIN = "MIDDLEBOX"
JUMP = ("mangle", "FORWARD", "-j", CHAIN)
"""The mangle table's FORWARD: after the isp has undone its own address translation, before it applies it."""

UNTRACKED_MARK = 0x54
UNTRACKED = ("raw", "OUTPUT", "-m", "mark", "--mark", hex(UNTRACKED_MARK), "-j", "CT", "--notrack")
"""Table and rule that keep what `copies` marks out of connection tracking, and so out of translation."""


def ruleset(faults: Sequence[Fault], queue_number: int) -> str:
    """Input for `iptables-restore --noflush` that makes CHAIN fetch the packets of `faults`, in one step.

    Packets that more than one line would fetch are queued once: NFQUEUE ends the chain. --queue-bypass: without it
    a queue that nobody reads drops everything.
    """
    lines = dict.fromkeys(line for fault in faults for line in _lines(fault.match, queue_number))
    return "\n".join(["*mangle", f":{CHAIN} - [0:0]", *lines, "COMMIT", ""])


def _lines(match: Match, queue_number: int) -> list[str]:
    directions = [(match.source, match.destination)]
    if match.both_ways:
        directions.append((match.destination, match.source))
    protocols = [match.unit.protocol] if match.unit.protocol else list(Protocol)
    return [
        f"-A {CHAIN} -p {protocol.name.lower()}{_end('s', source)}{_end('d', destination)}"
        f" -j NFQUEUE --queue-num {queue_number} --queue-bypass"
        for protocol in protocols
        for source, destination in directions
    ]


def _end(side: str, endpoint: Endpoint) -> str:
    address = f" -{side} {endpoint.address}" if endpoint.address else ""
    port = f" --{side}port {endpoint.port}" if endpoint.port else ""
    return address + port
