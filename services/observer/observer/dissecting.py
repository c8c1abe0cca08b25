"""A visit's recordings to typed frames, numbered as in journey.pcapng.

All links go to tshark in one capture, as our user will open it, with one exception. tshark 4.4 finds a QUIC
connection by its connection id alone, so of three links' copies of one connection it decrypts the first and is
lost in the others: a link that carries QUIC is dissected on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from observer.captures import journey_pcapng, packets_in_order
from observer.keylog import Secret
from observer.messages import Frame
from observer.slicing import Recording
from observer.topology import Topology

Dissect = Callable[[bytes], list[Frame]]


def frames_of(
    recordings: Sequence[Recording], secrets: tuple[Secret, ...], topology: Topology, dissect: Dissect
) -> list[Frame]:
    """Dissect `recordings` with `secrets`; `dissect` reads one whole capture.

    Raises:
        DissectionError: what `dissect` raises.
    """
    numbers = _journey_numbers(recordings)
    groups = _groups(recordings)
    captures = [journey_pcapng(group, secrets, topology, {}) for group in groups]
    if len(captures) == 1:
        dissected = [dissect(captures[0])]
    else:
        with ThreadPoolExecutor(len(captures)) as pool:
            dissected = list(pool.map(dissect, captures))
    remaining = {link: iter(own) for link, own in numbers.items()}
    frames = [replace(frame, number=next(remaining[frame.link])) for group in dissected for frame in group]
    return sorted(frames, key=lambda frame: frame.number)


def _groups(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Which links can share one capture: all that carry no QUIC, and the first that does."""
    quic = [recording for recording in recordings if recording.carries_quic]
    together = [recording for recording in recordings if recording not in quic[1:]]
    return [together, *([recording] for recording in quic[1:])]


def _journey_numbers(recordings: Sequence[Recording]) -> dict[str, list[int]]:
    """Per link, the numbers that its frames have in journey.pcapng, in order."""
    numbers: dict[str, list[int]] = {recording.link: [] for recording in recordings}
    for number, packet in enumerate(packets_in_order(recordings), start=1):
        numbers[recordings[packet.interface_id].link].append(number)
    return numbers
