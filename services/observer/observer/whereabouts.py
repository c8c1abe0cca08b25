"""Where a step's time went: when each link saw it, and how long its packets were inside each host. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from observer.messages import Frame
from observer.steps import LinkSpan, Step, TimeInside
from observer.transit import Transit


class Whereabouts:
    """The frames and passages of one capture, to look up what steps cite. Times count from `enter_ns`."""

    def __init__(self, frames: Iterable[Frame], transit: Transit, enter_ns: int) -> None:
        self._enter_ns = enter_ns
        self._times = {frame.number: frame.time_ns for frame in frames}
        self._transit = transit

    def added_to(self, step: Step) -> Step:
        """The step with what its evidence says of links and hosts."""
        return replace(step, on_links=self._on_links(step), inside=(*self._inside(step), *step.inside))

    def _on_links(self, step: Step) -> tuple[LinkSpan, ...]:
        times: dict[str, list[int]] = {}
        for evidence in step.evidence:
            times.setdefault(evidence.link, []).append(self._times[evidence.frame])
        return tuple(LinkSpan(link, min(seen) - self._enter_ns, max(seen) - min(seen)) for link, seen in times.items())

    def _inside(self, step: Step) -> tuple[TimeInside, ...]:
        """A packet counts once per host, whether it was cited where it entered, where it left, or on both links."""
        cited = {(p.host, p.entered.number): p for e in step.evidence for p in self._transit.by_frame.get(e.frame, ())}
        by_host: dict[str, list[int]] = {}
        for (host, _), passage in cited.items():
            by_host.setdefault(host, []).append(passage.inside_ns)
        return tuple(TimeInside(host, len(times), sum(times)) for host, times in by_host.items())
