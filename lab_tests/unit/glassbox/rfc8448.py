"""The handshake traces of RFC 8448, as published: data/rfc8448.json has every value of sections 3 to 7."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from glassbox.events import Ticket
from glassbox.groups import Group, from_private
from glassbox.keyschedule.hashes import Hash
from glassbox.messages import ClientHello
from glassbox.offer import Hello
from glassbox.transcript import Transcript

HASH = Hash.SHA256  # of TLS_AES_128_GCM_SHA256, which all traces choose
KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace: who does what, and the values that the RFC prints there."""

    who: str
    what: str
    values: dict[str, bytes]


class Trace:
    """One section of the RFC."""

    def __init__(self, section: int) -> None:
        told = json.loads((Path(__file__).parent / "data/rfc8448.json").read_text())[str(section)]
        self.section = section
        self.title = told["title"]
        self.steps = [
            Step(step["who"], step["what"], {name: bytes.fromhex(value) for name, value in step["values"].items()})
            for step in told["steps"]
        ]

    def all(self, what: str, who: str | None = None) -> list[Step]:
        """The steps that begin with `what`. A trace without them is no trace to test with."""
        found = [step for step in self.steps if step.what.startswith(what) and who in (None, step.who)]
        assert found, f"RFC 8448, {self.section} has no step {what!r}"
        return found

    def value(self, what: str, name: str, who: str | None = None) -> bytes:
        """The last value of this name in such steps: a second ClientHello counts, the first one was answered."""
        return self.all(what, who)[-1].values[name]

    def records(self, who: str) -> list[bytes]:
        return [step.values["complete record"] for step in self.all("send ", who)]

    def wire(self) -> Iterator[tuple[str, bytes, bytes]]:
        """(sender, record, plaintext) in the order of the trace."""
        for step in self.all("send "):
            yield step.who, step.values["complete record"], step.values["payload"]

    @cached_property
    def shared_secret(self) -> bytes:
        return self.value('extract secret "handshake"', "IKM")


class PublishedHellos:
    """The ClientHellos of a trace, with the private keys it tells."""

    ticket: Ticket | None = None

    def __init__(self, trace: Trace) -> None:
        hellos = [step.values["payload"] for step in trace.all("send handshake record", "client")]
        self._hellos = [ClientHello.read(payload[4:]) for payload in hellos if payload[0] == 1]
        self._keys = [
            from_private(Group.X25519 if "x25519" in step.what else Group.SECP256R1, step.values["private key"])
            for step in trace.all("create an ephemeral", "client")
        ]

    def first(self) -> Hello:
        return Hello(self._hellos[0], (self._keys[0],))

    def second(self, first: Hello, group: int | None, cookie: bytes | None, transcript: Transcript) -> Hello:
        assert group == self._keys[1].group
        return Hello(self._hellos[1], (self._keys[1],))
