"""`make visit HTTP=all`: the same resources under every HTTP version, and the visits' waterfalls side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from observer.comparison import Comparison, comparison, comparison_html, comparison_text
from observer.style import Style
from observer.visit import HTTP_VERSIONS, SITE, Observer, VisitRequest

ALL = "all"
TEN_RESOURCES = " ".join(f"{SITE}slow?ms=200" if n == 3 else f"{SITE}bytes/20000?n={n}" for n in range(1, 11))
"""Ten, of which one is slow: enough for versions to differ in."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared; the drawing as a page lies in the last visit's `folder`."""

    comparison: Comparison
    folder: Path
    exit_code: int

    @property
    def complete(self) -> bool:
        return all(contender.complete for contender in self.comparison.contenders)


def requests_for_all(wanted: Mapping[str, Any]) -> tuple[VisitRequest, ...]:
    """A request for each version, oldest first. Under 1.1 one resource is asked for after the other, on one connection;
    under 2 and 3 all at once, also on one: that is what each version is made for.

    Raises:
        ValueError: a value that not every version can have; the text says which.
    """
    if wanted.get("frames"):
        raise ValueError("HTTP=all FRAMES=1: a comparison has no ladder; visit with one version to see its frames")
    if wanted.get("with") == "glassbox":
        raise ValueError("HTTP=all WITH=glassbox: it speaks HTTP/1.1 only; leave WITH out, or say WITH=browser")
    urls = wanted.get("url") or (SITE if wanted.get("with") == "browser" else TEN_RESOURCES)
    found = (VisitRequest.from_json({**wanted, "url": urls, "http": http}) for http in HTTP_VERSIONS)
    return tuple(
        replace(request, parallel=request.program == "curl" and request.http != "1.1" and bool(request.more_urls))
        for request in found
    )


def compare(observer: Observer, requests: Sequence[VisitRequest]) -> Compared:
    """Perform the visits, one or more, and write comparison.html. Raises what `Observer.visit` does."""
    done = [observer.visit(request) for request in requests]
    compared = comparison([(visit.journey, visit.frames) for visit in done], observer.topology)
    folder = done[-1].folder
    (folder / "comparison.txt").write_text(comparison_text(compared, Style()), encoding="utf-8")
    (folder / "comparison.html").write_text(comparison_html(compared), encoding="utf-8")
    return Compared(compared, folder, max(visit.journey.visit.exit_code for visit in done))
