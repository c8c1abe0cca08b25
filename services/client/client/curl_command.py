"""curl's command line for a visit. Pure.

Nothing of the request can become an option: URLs and the method come behind `--url` and `--request`, header names are
tokens (so no "@file"), the body goes through standard input.
"""

from __future__ import annotations

from client.visit import HttpVersion, TlsVersion, Visit

RECORD_END = "\x1e"
"""Stands after each JSON text in the report; JSON text cannot contain it unescaped."""

_VERSION = {
    HttpVersion.HTTP_1_1: ["--http1.1"],
    HttpVersion.HTTP_2: ["--http2"],
    HttpVersion.HTTP_3: ["--http3-only"],
}
_TLS = {
    None: [],
    TlsVersion.TLS_1_2: ["--tlsv1.2", "--tls-max", "1.2"],
    TlsVersion.TLS_1_3: ["--tlsv1.3", "--tls-max", "1.3"],
}


def curl_command(visit: Visit, *, report: str, ca_file: str, crl_file: str, alt_svc_file: str) -> list[str]:
    """The arguments, program first. curl appends what it saw to the file `report`, trusts `ca_file` alone, and keeps
    what Alt-Svc told it in `alt_svc_file`, where the visit says so."""
    return [
        *("curl", "--disable"),  # no configuration file
        *("--silent", "--show-error", "--globoff", "--path-as-is"),
        *("--proto", "=http,https", "--noproxy", "*"),
        *("--cacert", ca_file, "--capath", "/nonexistent"),
        *(["--crlfile", crl_file] if visit.crl else []),
        *("--max-time", f"{visit.timeout_s:.3f}"),
        *("--write-out", f"%output{{>>{report}}}%{{json}}{RECORD_END}%{{header_json}}{RECORD_END}"),
        *(["--alt-svc", alt_svc_file] if visit.alt_svc else []),
        *_version(visit),
        *_TLS[visit.tls],
        *(["--location", "--max-redirs", "10"] if visit.follow else []),
        *(["--parallel", "--parallel-max", "100"] if visit.parallel else []),
        *(["--cookie", ""] if visit.cookies else []),  # no file: a jar in memory, empty at first
        *_method_and_body(visit),
        *_headers(visit),
        *(argument for url in visit.urls for argument in ("--url", url)),
    ]


def _version(visit: Visit) -> list[str]:
    if visit.alt_svc:
        return []  # curl's own default: 2, and 3 where it was announced, which a version named outright would rule out
    # Without TLS, --http2 would ask for an upgrade to h2c, which no browser does: plain HTTP stays 1.1.
    if visit.http is HttpVersion.HTTP_2 and any(url.startswith("http:") for url in visit.urls):
        return []  # curl's own default: HTTP/2 where TLS offers it
    return _VERSION[visit.http]


def _method_and_body(visit: Visit) -> list[str]:
    if visit.method == "HEAD":
        return ["--head"]
    # A method named outright would survive a redirect that turns POST into GET (RFC 9110, 15.4).
    implied = "GET" if visit.body is None else "POST"
    method = [] if visit.method == implied else ["--request", visit.method]
    return method if visit.body is None else [*method, "--data-binary", "@-"]


def _headers(visit: Visit) -> list[str]:
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in visit.headers]
    if visit.body is not None and not any(name.lower() == "content-type" for name, _ in visit.headers):
        lines.append("Content-Type:")  # do not call an unlabelled body a form, as curl would
    return [argument for line in lines for argument in ("--header", line)]
