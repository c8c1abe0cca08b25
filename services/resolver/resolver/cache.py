"""What the resolver remembers, for as long as it may: RRsets, negatives, delegations, failures.

No clock of its own: a function that gives seconds is handed in, so that a test can let an hour pass.

RFC 1035 7.4, 2308 5 (negative answers), 9520 (failures).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Generic, TypeVar

from hostkit.dns_query import Name, Rcode
from hostkit.dns_reply import RRset
from resolver.bailiwick import Delegation, Negative
from resolver.messages import Question

Clock = Callable[[], float]

LONGEST_NEGATIVE = 3 * 3600  # seconds (RFC 2308 5)
FAILURE_S = 1.0  # the least RFC 9520 3.2 allows: here servers are broken on purpose, and mended at once

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Expiring(Generic[Key, Value]):
    """A mapping whose entries end at a time, and of which only the `limit` most recently used are kept."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Key, value: Value, seconds: float) -> None:
        self._entries[key] = (self._clock() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, key: Key) -> tuple[float, Value] | None:
        """Seconds that remain (more than none) and the value."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        remaining = entry[0] - self._clock()
        if remaining <= 0:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return remaining, entry[1]

    def forget(self, key: Key) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()


class Cache:
    """Answers by name and type. TTLs count down in whole seconds, rounded down: less than a second left is none."""

    def __init__(self, clock: Clock, limit: int = 2048) -> None:
        self._rrsets: Expiring[tuple[Name, int], RRset] = Expiring(clock, limit)
        self._negatives: Expiring[tuple[Name, int | None], Negative] = Expiring(clock, limit)
        self._delegations: Expiring[Name, Delegation] = Expiring(clock, limit)
        self._failures: Expiring[Question, None] = Expiring(clock, limit)

    def put_rrset(self, rrset: RRset) -> None:
        self._rrsets.put((rrset.name, rrset.rtype), rrset, rrset.ttl)
        self._negatives.forget((rrset.name, rrset.rtype))
        self._negatives.forget((rrset.name, None))

    def rrset(self, name: Name, rtype: int) -> RRset | None:
        found = self._rrsets.get((name, rtype))
        return None if found is None else _aged(found[1], found[0])

    def put_negative(self, negative: Negative, rtype: int) -> None:
        """Remember it for as long as its SOA says; one without SOA is not remembered (RFC 2308 5)."""
        if negative.soa is not None:
            key = (negative.name, None if negative.rcode == Rcode.NXDOMAIN else rtype)
            self._negatives.put(key, negative, min(negative.soa.ttl, LONGEST_NEGATIVE))

    def negative(self, name: Name, rtype: int) -> Negative | None:
        """That the name does not exist at all, or has nothing of this type."""
        found = self._negatives.get((name, None)) or self._negatives.get((name, rtype))
        if found is None or found[1].soa is None:
            return None
        soa = _aged(found[1].soa, found[0])
        return None if soa is None else replace(found[1], soa=soa)

    def put_delegation(self, delegation: Delegation) -> None:
        self._delegations.put(delegation.zone, delegation, delegation.ttl)

    def closest_delegation(self, name: Name) -> Delegation | None:
        """The delegation of the deepest zone that `name` lies in."""
        for depth in range(len(name) + 1):
            found = self._delegations.get(name[depth:])
            if found is not None:
                return found[1]
        return None

    def put_failure(self, question: Question) -> None:
        self._failures.put(question, None, FAILURE_S)

    def failed(self, question: Question) -> bool:
        """Whether this question could not be answered a moment ago."""
        return self._failures.get(question) is not None

    def clear(self) -> None:
        for part in (self._rrsets, self._negatives, self._delegations, self._failures):
            part.clear()


def _aged(rrset: RRset, remaining: float) -> RRset | None:
    return replace(rrset, ttl=int(remaining)) if remaining >= 1 else None
