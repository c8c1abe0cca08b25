"""A stretch of time on the links, between two marks of the tap, and cut out of the spool when it ends."""

from __future__ import annotations

from types import TracebackType

from observer.lab import LabError, LinkMarks, TapSession
from observer.slicing import Recording, record
from observer.spool import Spool
from observer.topology import LINKS


class Section:
    """Begins when it is made; while it is open the spool keeps what it recorded.

    Raises:
        LabError: the tap does not answer, or refuses.
    """

    def __init__(self, name: str, tap: str, spool: Spool) -> None:
        self._name = name
        self._spool = spool
        self._tap = TapSession(tap, name)
        try:
            self._before = {link: spool.end(link) for link in LINKS}
            self._tap.begin()
        except BaseException:
            self._tap.close()
            raise

    def __enter__(self) -> Section:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def end(self) -> tuple[Recording, ...]:
        """What the links carried since it began, in their order. Raises ValueError for a spool that cannot be read."""
        marks, lost = self._marks()
        return tuple(record(self._spool, self._name, mark, lost) for mark in marks)

    def close(self) -> None:
        """Let the spool recycle what it recorded."""
        self._tap.close()

    def _marks(self) -> tuple[tuple[LinkMarks, ...], tuple[str, ...]]:
        """Its place in each spool. If the tap is gone: all that it recorded since, and why that is all."""
        try:
            return self._tap.end(), ()
        except LabError as fault:
            since = (LinkMarks(link, position, self._spool.end(link)) for link, position in self._before.items())
            return tuple(since), (str(fault),)
