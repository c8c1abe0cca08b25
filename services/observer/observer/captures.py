"""A visit's folder in captures/: the frames for Wireshark, the journey for programs, the ladder for people.

The folder appears whole or not at all: it is written beside its place and renamed, then `latest` turns to it.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from observer.document import journey_json
from observer.frame_words import comments_of
from observer.keylog import Secret, render
from observer.ladder import ladder
from observer.messages import Frame
from observer.packet import Packet
from observer.pcapng import NameRecord, Writer
from observer.report import report
from observer.slicing import Recording
from observer.steps import Journey
from observer.style import Style
from observer.topology import Topology

APPLICATION = "eightsteps"
_LATEST = threading.Lock()
Comments = Mapping[int, Sequence[str]]


def journey_pcapng(
    recordings: Sequence[Recording], secrets: tuple[Secret, ...], topology: Topology, comments: Comments
) -> bytes:
    """All links in one capture, an interface each, in the order of time; `comments` by frame number."""
    return _pcapng(recordings, packets_in_order(recordings), secrets, topology, comments)


def packets_in_order(recordings: Sequence[Recording]) -> list[Packet]:
    """The frames of all links by time: the n-th is frame n of journey.pcapng. A link's own order is kept."""
    packets = [
        Packet(packet.time_ns, interface, packet.data, packet.original_length)
        for interface, recording in enumerate(recordings)
        for packet in (*recording.earlier, *recording.packets)
    ]
    return sorted(packets, key=lambda packet: packet.time_ns)


def write(
    captures: Path,
    journey: Journey,
    frames: Sequence[Frame],
    recordings: Sequence[Recording],
    secrets: tuple[Secret, ...],
    topology: Topology,
    client_files: Mapping[str, bytes],
) -> Path:
    """Write the visit's folder and point `latest` at it; `client_files` are what the client brought for it.

    Raises OSError; nothing half-written has the visit's name.
    """
    files = evidence_files(recordings, secrets, topology, comments_of(journey, frames, topology))
    files |= {
        "journey.json": journey_json(journey, topology).encode(),
        "ladder.txt": ladder(journey, Style()).encode(),
        "report.html": report(journey, frames, topology).encode(),
    }
    folder = place(captures, journey.visit.id, {**files, **client_files})
    _turn_latest(captures, journey.visit.id)
    return folder


def evidence_files(
    recordings: Sequence[Recording], secrets: tuple[Secret, ...], topology: Topology, comments: Comments
) -> dict[str, bytes]:
    """The frames, all links together and each alone, and the keys that open them; `comments` by frame number."""
    files = {
        "journey.pcapng": journey_pcapng(recordings, secrets, topology, comments),
        "keys.log": render(secrets).encode(),
    }
    for recording, own in zip(recordings, _comments_by_link(recordings, comments), strict=True):
        packets = packets_in_order([recording])
        files[f"{recording.link}.pcapng"] = _pcapng([recording], packets, secrets, topology, own)
    return files


def _comments_by_link(recordings: Sequence[Recording], comments: Comments) -> list[dict[int, Sequence[str]]]:
    """The same comments by the frames' numbers in their links' own files."""
    counts = [0] * len(recordings)
    found: list[dict[int, Sequence[str]]] = [{} for _ in recordings]
    for number, packet in enumerate(packets_in_order(recordings), start=1):
        counts[packet.interface_id] += 1
        if number in comments:
            found[packet.interface_id][counts[packet.interface_id]] = comments[number]
    return found


def _pcapng(
    recordings: Sequence[Recording],
    packets: Iterable[Packet],
    secrets: tuple[Secret, ...],
    topology: Topology,
    comments: Comments,
) -> bytes:
    stream = io.BytesIO()
    with Writer(stream, os="Linux", application=APPLICATION) as writer:
        for recording in recordings:
            writer.add_interface(recording.link, f"bridge of {topology.lab}: every frame of this link")
        writer.add_names(NameRecord.of(i.address, i.host) for i in topology.captured())
        if secrets:
            writer.add_secrets(render(secrets).encode())
        writer.write_packets(packets, comments)
        for interface, recording in enumerate(recordings):
            times = [packet.time_ns for packet in recording.packets]
            writer.add_statistics(
                interface,
                max(times, default=0),
                received=recording.capture.packets,
                dropped=recording.capture.dropped,
                start_ns=min(times, default=0),
                end_ns=max(times, default=0),
            )
    return stream.getvalue()


def place(captures: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Write a folder of `files` that appears whole or not at all. Raises OSError."""
    folder, temporary = captures / name, captures / f".{name}"
    try:
        temporary.mkdir()
        for file, content in files.items():
            (temporary / file).write_bytes(content)
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _turn_latest(captures: Path, name: str) -> None:
    """Point `latest` at this visit, unless one that began later was done earlier: names sort by time."""
    latest = captures / "latest"
    with _LATEST:
        if not latest.is_symlink() or os.readlink(latest) < name:
            pointer = captures / f".latest-{name}"
            pointer.symlink_to(name)
            os.replace(pointer, latest)
