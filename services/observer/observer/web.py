"""The observer as a service: visits on request, and the viewer that shows them in a browser."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request, send_from_directory

from observer.comparing import ALL, Compared, compare, requests_for_all
from observer.comparison import comparison_text
from observer.document import plain
from observer.frame_ladder import frame_ladder
from observer.lab import LabError, RefusedError
from observer.ladder import ladder
from observer.open_recordings import OpenRecordings
from observer.style import Style
from observer.topology import Topology
from observer.visit import Done, EvidenceError, Observer, VisitRequest
from observer.waterfall import waterfall
from observer.waterfall_text import waterfall_text

_OWN_NAMES = ("127.0.0.1", "localhost")


def create_app(observer: Observer, public_url: str) -> Flask:
    """The WSGI application; `public_url` is where the person at the machine reaches it."""
    app = Flask(__name__)

    @app.before_request
    def refuse_other_names() -> None:
        # A page elsewhere could point its own name at 127.0.0.1 and so read the lab's captures.
        if request.host.split(":")[0] not in (*_OWN_NAMES, observer.own_address):
            abort(403)

    app.get("/health")(lambda: {"ok": True})
    _add_visits(app, observer, public_url)
    _add_recordings(app, OpenRecordings(observer))
    _add_pages(app, observer.captures)
    return app


def _add_visits(app: Flask, observer: Observer, public_url: str) -> None:
    @app.post("/api/visits")
    def visit() -> Response:
        try:
            wanted, style = _wanted(), _style(_wanted())
            for_all = wanted.get("http") == ALL
            requests = requests_for_all(wanted) if for_all else (VisitRequest.from_json(wanted),)
        except (ValueError, TypeError) as refusal:
            return _told({"error": str(refusal)}, 400)
        try:
            if for_all:
                answer = _compared(compare(observer, requests), style, public_url)
            else:
                done = observer.visit(requests[0])
                told = _drawn(done, style, observer.topology, every_frame=bool(wanted.get("frames")))
                answer = _answer(done, told, public_url)
        except RefusedError as refusal:
            return _told({"error": str(refusal)}, 400)
        except (LabError, EvidenceError, OSError) as fault:
            return _told({"error": str(fault)}, 502)
        response = _told(answer, 200)
        response.call_on_close(lambda: threading.Thread(target=observer.warm_up).start())
        return response


def _add_recordings(app: Flask, recordings: OpenRecordings) -> None:
    @app.post("/api/recordings")
    def begin() -> Response:
        try:
            _wanted()
            return _told({"recording": recordings.begin()}, 200)
        except ValueError as refusal:
            return _told({"error": str(refusal)}, 400)
        except LabError as fault:
            return _told({"error": str(fault)}, 502)

    @app.post("/api/recordings/<name>/end")
    def end(name: str) -> Response:
        try:
            wanted = _wanted()
            ended = recordings.end(name, str(wanted.get("keylog") or ""), str(wanted.get("about") or ""))
        except ValueError as refusal:
            return _told({"error": str(refusal)}, 400)
        except (LabError, EvidenceError, OSError) as fault:
            return _told({"error": str(fault)}, 502)
        answer = {"folder": f"captures/{ended.folder.name}", "began_ns": ended.began_ns}
        return _told({**answer, "capture": plain(ended.capture)}, 200)

    @app.post("/api/recordings/<name>/files")
    def attach(name: str) -> Response:
        try:
            wanted = _wanted()
            recordings.attach(name, str(wanted.get("name")), base64.b64decode(str(wanted.get("base64")), validate=True))
        except ValueError as refusal:
            return _told({"error": str(refusal)}, 400)
        except OSError as fault:
            return _told({"error": str(fault)}, 502)
        return _told({"file": f"captures/{name}/{wanted['name']}"}, 200)


def _wanted() -> dict[str, Any]:
    """The request's JSON object. Only application/json: a form on another site cannot send that without asking first.

    Raises ValueError.
    """
    wanted = request.get_json(silent=True) if request.is_json else None
    if not isinstance(wanted, dict):
        raise ValueError("expected a JSON object, sent as application/json")
    return wanted


def _told(answer: dict[str, Any], status: int) -> Response:
    response = jsonify(answer)
    response.status_code = status
    return response


def _style(wanted: dict[str, Any]) -> Style:
    return Style(
        width=int(wanted.get("columns") or Style().width),
        colour=bool(wanted.get("colour")),
        ascii=bool(wanted.get("ascii")),
    )


def _drawn(done: Done, style: Style, topology: Topology, *, every_frame: bool) -> str:
    if every_frame:
        return frame_ladder(done.frames, done.journey, topology, style)
    rows = waterfall(done.journey, done.frames, topology)
    # One resource's phases are the steps' own times.
    several = f"\n{waterfall_text(rows, style)}\n" if len(rows) > 1 else ""
    return ladder(done.journey, style) + several


def _answer(done: Done, told: str, public_url: str) -> dict[str, Any]:
    return {
        "folder": f"captures/{done.folder.name}",
        "phases_ns": {phase.name: phase.duration_ns for phase in done.phases},
        "viewer": f"{public_url}/visits/{done.folder.name}/",
        "ladder": told,
        "exit_code": done.journey.visit.exit_code,
        "complete": done.journey.complete,
    }


def _compared(compared: Compared, style: Style, public_url: str) -> dict[str, Any]:
    name = compared.folder.name
    return {
        "folder": f"captures/{name}",
        "viewer": f"{public_url}/visits/{name}/comparison.html",
        "ladder": comparison_text(compared.comparison, style) + "\n",
        "exit_code": compared.exit_code,
        "complete": compared.complete,
    }


def _add_pages(app: Flask, captures: Path) -> None:
    @app.get("/")
    def index() -> str:
        return render_template("index.html", visits=[(name, _title(captures / name)) for name in _visits(captures)])

    @app.get("/visits/<name>/")
    def one(name: str) -> str:
        folder = _folder(captures, name)
        text = (folder / "ladder.txt").read_text(encoding="utf-8")
        return render_template("visit.html", name=name, ladder=text, files=sorted(p.name for p in folder.iterdir()))

    @app.get("/visits/<name>/<file>")
    def download(name: str, file: str) -> Response:
        return send_from_directory(_folder(captures, name), file)


def _folder(captures: Path, name: str) -> Path:
    if name not in _visits(captures):
        abort(404)
    return captures / name


def _title(folder: Path) -> str:
    """What was visited, and with what: the ladder's first line; nothing if that cannot be read (any more)."""
    try:
        with (folder / "ladder.txt").open(encoding="utf-8") as ladder_text:
            return ladder_text.readline().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _visits(captures: Path) -> list[str]:
    """The visits' folders, the newest first."""
    return sorted((p.parent.name for p in captures.glob("[0-9]*/ladder.txt")), reverse=True)
