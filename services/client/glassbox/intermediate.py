"""Every value on the way from a random number to an open record, with its name and the section that defines it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Intermediate:
    """One value. `name` is the RFC's, in lower case."""

    name: str
    section: str
    value: bytes


def defined_in(section: str) -> Any:
    """A dataclass field that holds such a value."""
    return field(metadata={"section": section})


def intermediates(stage: object) -> Iterator[Intermediate]:
    """The values in a stage of a key schedule, in order; its fields are made by `defined_in`."""
    for each in fields(stage):  # type: ignore[arg-type] # stages are dataclasses
        if "section" in each.metadata:
            yield Intermediate(each.name, each.metadata["section"], getattr(stage, each.name))


class Ledger:
    """All values of one connection, in the order in which they came to be."""

    def __init__(self) -> None:
        self._entries: list[Intermediate] = []

    def note(self, name: str, section: str, value: bytes) -> None:
        self._entries.append(Intermediate(name, section, value))

    def note_stage(self, stage: object) -> None:
        """All values of a stage but empty ones: what a suite does not have (MAC keys of an AEAD suite) is none."""
        self._entries.extend(each for each in intermediates(stage) if each.value)

    @property
    def entries(self) -> tuple[Intermediate, ...]:
        return tuple(self._entries)

    def value(self, name: str) -> bytes:
        """The latest value of this name. Raises KeyError."""
        for entry in reversed(self._entries):
            if entry.name == name:
                return entry.value
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(entry.name == name for entry in self._entries)
