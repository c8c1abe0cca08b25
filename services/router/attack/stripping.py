"""What sslstrip changes in a response on its way to a client that must not learn of HTTPS. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[str, str]]

_KEPT_BACK = frozenset({"strict-transport-security", "alt-svc", "content-security-policy"})
"""They would lead the client to HTTPS."""
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})
"""RFC 9110, section 7.6.1, and what says how the body came: it leaves whole, with a length of its own."""
_TEXT = ("text/", "application/javascript", "application/json")


def stripped_headers(headers: Headers) -> list[tuple[str, str]]:
    """Without what leads to HTTPS, `Location` in the clear, cookies without Secure."""
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower in _KEPT_BACK or lower in _HOP_BY_HOP:
            continue
        if lower == "location":
            value = value.replace("https://", "http://")
        if lower == "set-cookie":
            value = "; ".join(part for part in value.split("; ") if part.lower() != "secure")
        kept.append((name, value))
    return kept


def stripped_body(body: bytes, content_type: str) -> bytes:
    """Links to https made links to http, in text."""
    return body.replace(b"https://", b"http://") if content_type.startswith(_TEXT) else body
