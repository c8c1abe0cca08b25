"""Golden visits: the frames of real visits to the lab, as captured on its links and as tshark 4.4 typed them out.

`visits/<version>/<link>.tsv` is what tshark printed for `<link>.pcapng` beside it (test_tshark.py checks that it
still does, where there is a tshark); `journey.json` is what the lab told of the visit then.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from observer import dissect
from observer.document import journey_json
from observer.journey import journey
from observer.messages import Frame
from observer.steps import Journey, LinkCapture, Visit
from observer.topology import LINKS, Interface, Topology
from observer.tshark import command_of

VISITS = Path(__file__).parent / "visits"
VERSIONS = ("1.1", "2", "3")


@dataclass(frozen=True)
class Golden:
    """A visit, ready to be told again, as it was or doctored."""

    visit: Visit
    frames: tuple[Frame, ...]
    capture: tuple[LinkCapture, ...]
    topology: Topology
    told: dict[str, Any]

    def without(self, unwanted: Callable[[Frame], bool]) -> Golden:
        kept = tuple(frame for frame in self.frames if not unwanted(frame))
        assert len(kept) < len(self.frames), "the doctoring found nothing to remove"
        return replace(self, frames=kept)

    def changed(self, change: Callable[[Frame], Frame]) -> Golden:
        frames = tuple(change(frame) for frame in self.frames)
        assert frames != self.frames, "the doctoring changed nothing"
        return replace(self, frames=frames)

    def incomplete(self, link: str, reason: str) -> Golden:
        capture = tuple(replace(c, complete=False, reasons=(reason,)) if c.link == link else c for c in self.capture)
        return replace(self, capture=capture)

    def journey(self) -> Journey:
        return journey(self.visit, self.frames, self.capture, self.topology)

    def statuses(self) -> dict[str, str]:
        return {step.name.value: step.status.value for step in self.journey().steps}


def golden(version: str) -> Golden:
    folder = VISITS / f"http{version}"
    document = json.loads((folder / "journey.json").read_text(encoding="utf-8"))
    told = document["journey"]
    frames = []
    for link in LINKS:
        lines = (folder / f"{link}.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
        frames += list(dissect.frames(lines))
    frames.sort(key=lambda frame: frame.time_ns)
    visit = told["visit"] | {
        "local_ports": tuple(told["visit"]["local_ports"]),
        "more_urls": tuple(told["visit"].get("more_urls", ())),
        "client_randoms": tuple(bytes.fromhex(value) for value in told["visit"]["client_randoms"]),
    }
    return Golden(
        visit=Visit(**visit),
        frames=tuple(replace(frame, number=number) for number, frame in enumerate(frames, start=1)),
        capture=tuple(LinkCapture(**(link | {"reasons": tuple(link["reasons"])})) for link in told["capture"]),
        topology=Topology("eightsteps", tuple(Interface(**host) for host in document["hosts"])),
        told=told,
    )


def write_again() -> None:
    """Write the golden lines from the golden captures, and the journeys from the lines; needs tshark 4.4."""
    for version in VERSIONS:
        folder = VISITS / f"http{version}"
        for link in LINKS:
            lines = (folder / f"{link}.tsv").open("wb")
            with lines:
                subprocess.run(command_of(str(folder / f"{link}.pcapng")), stdout=lines, check=True)
        found = golden(version)
        (folder / "journey.json").write_text(journey_json(found.journey(), found.topology), encoding="utf-8")


if __name__ == "__main__":
    write_again()
