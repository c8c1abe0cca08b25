"""Reading a visit, and the smaller requests, from JSON. Pure; what cannot be carried out raises BadRequest."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from client.destinations import check_address, check_url
from client.glass_request import read_glass
from client.visit import Again, Headers, HttpVersion, Program, TlsVersion, Visit
from hostkit.agent import BadRequest, JsonObject

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, 5.5
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_URLS = 100
_LONGEST_WAIT_S = 300.0

_VISIT_KEYS = {
    *("id", "urls", "with", "http", "tls", "method", "headers", "body", "timeout_s"),
    *("follow", "parallel", "cookies", "crl", "trust", "alt_svc", "again", "glassbox"),
}


def read_visit(request: JsonObject, lab: IPv4Network) -> Visit:
    """The visit in the body of POST /visits; hosts must lie in `lab`."""
    _known(request, _VISIT_KEYS)
    program = Program(_choice(request, "with", [*Program], Program.CURL))
    usual = HttpVersion.HTTP_1_1 if program is Program.GLASSBOX else HttpVersion.HTTP_2
    visit = Visit(
        id=_visit_id(request),
        urls=_urls(request, lab),
        program=program,
        http=HttpVersion(_choice(request, "http", [*HttpVersion], usual)),
        tls=TlsVersion(_choice(request, "tls", [*TlsVersion])) if request.get("tls") is not None else None,
        method=_method(request),
        headers=_headers(request),
        body=_body(request),
        timeout_s=_timeout_s(request, 30.0),
        follow=_flag(request, "follow", False),
        parallel=_flag(request, "parallel", False),
        cookies=_flag(request, "cookies", False),
        crl=_flag(request, "crl", False),
        alt_svc=_flag(request, "alt_svc", False),
        again=Again(_choice(request, "again", [*Again])) if request.get("again") is not None else None,
        glassbox=read_glass(request["glassbox"]) if request.get("glassbox") is not None else None,
        trust=_flag(request, "trust", True),
    )
    _check_combination(visit)
    return visit


@dataclass(frozen=True, slots=True)
class Probe:
    """A payload for one UDP datagram or one TCP connection."""

    to: IPv4Address
    port: int
    payload: bytes
    timeout_s: float
    half_close: bool = False
    """Over TCP: say FIN behind the payload, and go on reading (RFC 9293, section 3.6)."""


def read_probe(request: JsonObject, lab: IPv4Network) -> Probe:
    """The probe in the body of POST /datagrams or POST /streams."""
    _known(request, {"to", "port", "payload", "timeout_s", "half_close"})
    half_close = request.get("half_close", False)
    if not isinstance(half_close, bool):
        raise BadRequest(f"half_close: expected true or false, found {half_close!r}")
    port = request.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65_535:
        raise BadRequest(f"port: expected a whole number from 1 to 65535, found {port!r}")
    text = request.get("payload", "")
    try:
        payload = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise BadRequest(f"payload: expected hexadecimal digits, found {text!r:.60}") from None
    return Probe(read_target(request, lab), port, payload, _timeout_s(request, 2.0), half_close)


def read_target(request: JsonObject, lab: IPv4Network) -> IPv4Address:
    """The address in "to"."""
    text = request.get("to")
    if not isinstance(text, str):
        raise BadRequest(f"to: expected an IPv4 address, found {text!r}")
    return check_address(text, lab)


def read_traceroute(request: JsonObject, lab: IPv4Network) -> IPv4Address:
    """The target in the body of POST /traceroute."""
    _known(request, {"to"})
    return read_target(request, lab)


def _check_combination(visit: Visit) -> None:
    if visit.http is HttpVersion.HTTP_3:
        plain = [url for url in visit.urls if url.startswith("http:")]
        if plain:
            raise BadRequest(f"http: version 3 runs on QUIC, which has TLS built in; use https instead of {plain[0]}")
        if visit.tls is TlsVersion.TLS_1_2:
            raise BadRequest("tls: HTTP/3 always uses TLS 1.3 (RFC 9001); leave tls out or set 1.3")
    if visit.method == "HEAD" and visit.body is not None:
        raise BadRequest("body: a HEAD request carries none here; leave it out")
    _check_owners(visit)
    check = _CHECKS.get(visit.program)
    if check:
        check(visit)


def _check_owners(visit: Visit) -> None:
    """Options that one program alone has."""
    if visit.again and visit.program is not Program.AIOQUIC:
        raise BadRequest("again: only aioquic can move, resume and send early data at will; say with: aioquic")
    followers = (Program.CURL, Program.BROWSER)
    if visit.alt_svc and (visit.http is not HttpVersion.HTTP_2 or visit.program not in followers):
        raise BadRequest("alt_svc: only a visit by curl or a browser that begins with HTTP/2 goes over to HTTP/3")
    if visit.glassbox and visit.program is not Program.GLASSBOX:
        raise BadRequest("glassbox: only the glass box can choose these; say with: glassbox")


def _check_browser(visit: Visit) -> None:
    if visit.method != "GET" or visit.body is not None:
        raise BadRequest("with: a browser visit is a GET without a body; use curl for other requests")
    if visit.crl:
        raise BadRequest("crl: Chromium does not read revocation lists; use curl")
    if visit.parallel:
        raise BadRequest("parallel: a browser opens one page after the other; use curl")


def _check_python(visit: Visit) -> None:
    if visit.http is not HttpVersion.HTTP_1_1:
        raise BadRequest(f"http: Python's http.client speaks 1.1 only, not {visit.http}")
    if visit.follow or visit.parallel or visit.cookies:
        raise BadRequest("follow, parallel, cookies: Python fetches one URL after the other, as given; use curl")


def _check_aioquic(visit: Visit) -> None:
    if visit.http is not HttpVersion.HTTP_3:
        raise BadRequest("http: aioquic speaks version 3 only")
    if visit.method != "GET" or visit.body is not None or visit.headers or visit.follow or visit.cookies or visit.crl:
        raise BadRequest("with: aioquic only GETs, without headers, redirects, cookies or revocation lists; use curl")
    if len({urlsplit(url).netloc for url in visit.urls}) > 1:
        raise BadRequest("urls: aioquic makes one connection, so all URLs have the same host and port")


def _check_glassbox(visit: Visit) -> None:
    if visit.http is not HttpVersion.HTTP_1_1:
        raise BadRequest("http: the glass box speaks version 1.1 only")
    if any(url.startswith("http:") for url in visit.urls):
        raise BadRequest("urls: the glass box is there for its TLS; use curl for http:")
    if visit.follow or visit.parallel or visit.cookies or visit.crl:
        raise BadRequest(
            "with: the glass box has no redirects, parallel requests, cookies or revocation lists; use curl"
        )


_CHECKS = {
    Program.AIOQUIC: _check_aioquic,
    Program.BROWSER: _check_browser,
    Program.GLASSBOX: _check_glassbox,
    Program.PYTHON: _check_python,
}


def _visit_id(request: JsonObject) -> str:
    value = request.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadRequest(f"id: expected 1 to 64 letters, digits, dots, hyphens or underscores, found {value!r:.80}")
    return value


def _urls(request: JsonObject, lab: IPv4Network) -> tuple[str, ...]:
    value = request.get("urls")
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_URLS:
        raise BadRequest(f"urls: expected a list of 1 to {_MOST_URLS} URLs")
    for url in value:
        if not isinstance(url, str):
            raise BadRequest(f"urls: expected text, found {url!r}")
        check_url(url, lab)
    return tuple(value)


def _method(request: JsonObject) -> str:
    value = request.get("method", "GET")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise BadRequest(f"method: {value!r} is not a token (RFC 9110, 5.6.2)")
    return value


def _headers(request: JsonObject) -> Headers:
    value = request.get("headers", [])
    if not isinstance(value, list):
        raise BadRequest("headers: expected a list of [name, value] pairs")
    return tuple(_header(pair) for pair in value)


def _header(pair: object) -> tuple[str, str]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise BadRequest(f"headers: expected [name, value], found {pair!r:.80}")
    name, value = pair
    if not _TOKEN.fullmatch(name):
        raise BadRequest(f"headers: {name!r} is not a field name (RFC 9110, 5.1)")
    if not _FIELD_VALUE.fullmatch(value):
        raise BadRequest(f"headers: the value of {name} holds a control or wide character")
    return name, value.strip(" \t")


def _body(request: JsonObject) -> bytes | None:
    value = request.get("body")
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"body: expected text or null, found {type(value).__name__}")
    return None if value is None else value.encode()


def _timeout_s(request: JsonObject, default: float) -> float:
    value = request.get("timeout_s", default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_WAIT_S:
        raise BadRequest(f"timeout_s: expected seconds, more than 0 and at most {_LONGEST_WAIT_S:g}, found {value!r}")
    return float(value)


def _choice(request: JsonObject, name: str, choices: Collection[str], default: str | None = None) -> str:
    value = request.get(name, default)
    if not isinstance(value, str) or value not in set(choices):
        raise BadRequest(f"{name}: expected {' or '.join(choices)}, found {value!r}")
    return value


def _flag(request: JsonObject, name: str, default: bool) -> bool:
    value = request.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"{name}: expected true or false, found {value!r}")
    return value


def _known(request: JsonObject, names: Collection[str]) -> None:
    unknown = sorted(set(request) - set(names))
    if unknown:
        raise BadRequest(f"unknown {unknown[0]!r}; known: {', '.join(sorted(names))}")
