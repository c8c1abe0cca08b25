"""A visit made by headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from client.browser_process import BrowserFault, BrowserProcess
from client.cdp import ProtocolError
from client.chromium_command import PREFERENCES, chromium_command
from client.closing import HomeLink
from client.destinations import check_url
from client.page_events import PageEvents
from client.rendering import EXPRESSION, UnreadableEntries, read_rendering
from client.visit import Outcome, Response, Visit

PROGRAM = "/usr/lib/chromium/chromium"  # /usr/bin/chromium is a shell script that adds flags of its own
_VIEWPORT: dict[str, Any] = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
_AT_ONCE = 2
"""Browsers; each takes some 200 MiB of the container's memory."""


@dataclass(slots=True)
class _Seen:
    """What a visit has yielded so far; kept when Chromium fails half-way."""

    errors: list[str] = field(default_factory=list)
    responses: tuple[Response, ...] = ()
    screenshot: str | None = None
    title: str | None = None
    rendering: dict[str, Any] | None = None


class Browser:
    """How to run Chromium on this host."""

    def __init__(self, version: str, trust_store: Path, lab: IPv4Network, home: HomeLink) -> None:
        """`trust_store`: an NSS database that trusts the lab's root."""
        self.version = version
        self._trust_store = trust_store
        self._lab = lab
        self._home = home
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def visit(self, visit: Visit) -> Outcome:
        """Carry out `visit`, one page after the other in one tab. What goes wrong is in the outcome. Raises OSError."""
        with self._places, tempfile.TemporaryDirectory(prefix="browser-") as directory:
            home = Path(directory)
            keylog = home / "keys"
            command = self._prepare(visit, home, keylog)
            environment = {"HOME": directory, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": directory}
            seen = _Seen()
            closings = self._home.closings()
            started_ns = time.time_ns()
            deadline = time.monotonic() + visit.timeout_s
            with BrowserProcess(command, environment, home / "log", deadline) as process:
                _open_pages(process, visit, seen)
                process.close()
            ended_ns = time.time_ns()
            return Outcome(
                program=self.version,
                started_ns=started_ns,
                ended_ns=ended_ns,
                exit_code=1 if seen.errors else 0,
                error="; ".join(seen.errors),
                keylog=keylog.read_text() if keylog.exists() else "",
                responses=seen.responses,
                still_closing=closings.wait(),
                screenshot=seen.screenshot,
                title=seen.title,
                rendering=seen.rendering,
            )

    def _prepare(self, visit: Visit, home: Path, keylog: Path) -> list[str]:
        profile = home / "profile"
        (profile / "Default").mkdir(parents=True)
        (profile / "Default" / "Preferences").write_text(json.dumps(PREFERENCES))
        if visit.trust:
            shutil.copytree(self._trust_store, home / ".pki" / "nssdb")
        origins = [check_url(url, self._lab) for url in visit.urls]
        return chromium_command(PROGRAM, visit, origins, profile=str(profile), keylog=str(keylog))


def browser_version() -> str:
    """ "Chromium" and its number. Raises OSError, CalledProcessError."""
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split(maxsplit=2)[:2])


def _open_pages(process: BrowserProcess, visit: Visit, seen: _Seen) -> None:
    try:
        session = _attach(process, visit)
        for url in visit.urls:
            error = _open(process, session, url)
            if error:
                seen.errors.append(f"{url}: {error}")
        shot = process.call("Page.captureScreenshot", session, format="png")
        seen.screenshot = shot["data"]
        seen.title = str(_evaluate(process, session, "document.title"))
        if not seen.errors:
            # After the screenshot, because taking it makes sure that the page has been painted.
            seen.rendering = read_rendering(_evaluate(process, session, EXPRESSION))
    except (BrowserFault, ProtocolError, UnreadableEntries) as fault:
        seen.errors.append(str(fault))
    events = PageEvents()
    events.feed(process.events)
    seen.responses = events.responses()


def _attach(process: BrowserProcess, visit: Visit) -> str:
    """Get hold of the tab and have it report. Returns its session."""
    targets = process.call("Target.getTargets")["targetInfos"]
    tabs = [target["targetId"] for target in targets if target["type"] == "page"]
    tab = tabs[0] if tabs else process.call("Target.createTarget", url="about:blank")["targetId"]
    session: str = process.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
    process.call("Page.enable", session)
    process.call("Page.setLifecycleEventsEnabled", session, enabled=True)
    process.call("Inspector.enable", session)
    process.call("Network.enable", session)
    process.call("Emulation.setDeviceMetricsOverride", session, **_VIEWPORT)
    if visit.headers:
        process.call("Network.setExtraHTTPHeaders", session, headers=_one_line_each(visit))
    return session


def _open(process: BrowserProcess, session: str, url: str) -> str:
    """Load `url`, or the page that tells why not; what went wrong, or nothing."""
    since = len(process.events)
    navigation = process.call("Page.navigate", session, purpose=f"{url} to answer", url=url)
    error: str = navigation.get("errorText", "")
    if error == "net::ERR_ABORTED" or navigation.get("isDownload"):
        return error or "net::ERR_ABORTED: the answer is a download, not a page"  # nothing is shown that could load
    loader = navigation.get("loaderId")
    if loader is not None:  # none: only the fragment changed
        process.wait_for(
            lambda event: (
                event.method == "Page.lifecycleEvent"
                and event.params["loaderId"] == loader
                and event.params["name"] == "load"
            ),
            since,
            f"{url} to load",
        )
    return error


def _evaluate(process: BrowserProcess, session: str, expression: str) -> Any:
    """The value of a JavaScript expression in the page; empty text if it has none."""
    answer = process.call("Runtime.evaluate", session, expression=expression, returnByValue=True)
    return answer["result"].get("value", "")


def _one_line_each(visit: Visit) -> dict[str, str]:
    """DevTools takes one value per name: repeated fields are joined, as RFC 9110, 5.3 allows."""
    lines: dict[str, str] = {}
    for name, value in visit.headers:
        lines[name] = f"{lines[name]}, {value}" if name in lines else value
    return lines
