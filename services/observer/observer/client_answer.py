"""The client agent's answer as a Visit: what the client itself says, kept beside the frames. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from observer.keylog import Secret
from observer.steps import RenderingFacts, Visit


def client_report(
    name: str, url: str, http: str, tls: str | None, answer: Mapping[str, Any], secrets: Iterable[Secret]
) -> tuple[Visit, dict[str, bytes]]:
    """The visit, and what the client brings for its folder: a browser's screenshot, the glass box's secrets."""
    ports = {response["local_port"] for response in answer["responses"] if response.get("local_port")}
    visit = Visit(
        id=name,
        url=url,
        program=answer["program"],
        http=http,
        tls=tls,
        started_ns=answer["started_ns"],
        enter_ns=answer["rendering"]["time_origin"] if answer.get("rendering") else answer["started_ns"],
        ended_ns=answer["ended_ns"],
        exit_code=answer["exit_code"],
        error=answer["error"],
        local_ports=tuple(sorted(ports)),
        client_randoms=tuple(dict.fromkeys(secret.client_random for secret in secrets)),
        rendering=_rendering(answer),
    )
    return visit, _files(answer)


def _files(answer: Mapping[str, Any]) -> dict[str, bytes]:
    files = {}
    if answer.get("screenshot"):
        files["screenshot.png"] = base64.b64decode(answer["screenshot"])
    if answer.get("intermediates"):
        files["secrets.txt"] = intermediates_text(answer["intermediates"]).encode()
    return files


def intermediates_text(intermediates: Iterable[Mapping[str, Any]]) -> str:
    """The values of the glass box's key schedules, one per line with its section, by connection."""
    lines: list[str] = []
    connection = None
    for each in intermediates:
        if each["connection"] != connection:
            connection = each["connection"]
            lines.append(f"# connection {connection}")
        lines.append(f"{each['name']:<40} {each['section']:<18} {each['value']}")
    return "".join(f"{line}\n" for line in lines)


def with_more_urls(visit: Visit, more_urls: tuple[str, ...], follows: bool) -> Visit:
    """The visit, told what else the same run of the client was asked for.

    A browser's navigation start is that of its last page. Where there are several, Enter is when the program started.
    """
    if more_urls:
        earlier_ns = visit.enter_ns - visit.started_ns
        visit = replace(visit, enter_ns=visit.started_ns, rendering=_later(visit.rendering, earlier_ns))
    return replace(visit, more_urls=more_urls, follows=follows)


def _later(rendering: RenderingFacts | None, by_ns: int) -> RenderingFacts | None:
    if rendering is None:
        return None
    moments = {f.name: getattr(rendering, f.name) for f in fields(rendering) if f.name != "program"}
    return replace(rendering, **{name: ns + by_ns for name, ns in moments.items() if ns is not None})


def _rendering(answer: Mapping[str, Any]) -> RenderingFacts | None:
    timing = answer.get("rendering")
    if not timing or not timing["navigation"]:
        return None
    enter_ns = timing["time_origin"]

    def since_enter(moments: Mapping[str, Any], name: str) -> int | None:
        return moments[name] - enter_ns if name in moments else None

    return RenderingFacts(
        program=answer["program"],
        request_start_ns=since_enter(timing["navigation"], "request_start"),
        response_end_ns=since_enter(timing["navigation"], "response_end"),
        dom_content_loaded_ns=since_enter(timing["navigation"], "dom_content_loaded_event_end"),
        first_contentful_paint_ns=since_enter(timing["paint"], "first_contentful_paint"),
        load_ns=since_enter(timing["navigation"], "load_event_end"),
    )
