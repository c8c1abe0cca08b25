"""What curl reported of its transfers (--write-out's %{json} and %{header_json}). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from client.curl_command import RECORD_END
from client.visit import Headers, Response, Timings


class UnreadableReport(ValueError):
    """The report is not what curl_command asked curl for; the text says where."""


def read_report(text: str) -> tuple[Response, ...]:
    """The transfers in the order of the URLs. Raises UnreadableReport."""
    records = text.split(RECORD_END)
    if len(records) % 2 == 0 or records[-1]:
        raise UnreadableReport(f"curl's report: cut short after {len(records) - 1} of its records")
    pairs = [(_object(records[at], at), _object(records[at + 1], at + 1)) for at in range(0, len(records) - 1, 2)]
    pairs.sort(key=lambda pair: int(pair[0].get("urlnum", 0)))  # --parallel reports in order of completion
    try:
        return tuple(_response(transfer, headers) for transfer, headers in pairs)
    except (KeyError, TypeError, ValueError) as fault:
        raise UnreadableReport(f"curl's report: {type(fault).__name__}: {fault}") from fault


def failures(responses: tuple[Response, ...]) -> str:
    """The errors of the transfers that failed, one after the other, each with its URL; empty if none did."""
    return "; ".join(f"{response.url}: {response.error}" for response in responses if response.error)


def _object(record: str, at: int) -> Mapping[str, Any]:
    try:
        value = json.loads(record)
    except ValueError as fault:
        raise UnreadableReport(f"curl's report, record {at}: {fault}") from fault
    if not isinstance(value, dict):
        raise UnreadableReport(f"curl's report, record {at}: expected an object, found {type(value).__name__}")
    return value


def _response(transfer: Mapping[str, Any], headers: Mapping[str, Any]) -> Response:
    status = int(transfer["http_code"])
    return Response(
        url=transfer["url_effective"] or transfer["url"],
        status=status,
        http_version=transfer["http_version"] if status else "",
        verify_result=int(transfer["ssl_verify_result"]),
        local_port=_port(transfer["local_port"]) or None,
        remote_address=transfer["remote_ip"] or "",
        remote_port=_port(transfer["remote_port"]),
        timings_ns=Timings(
            namelookup=_ns(transfer["time_namelookup"]),
            connect=_ns(transfer["time_connect"]),
            appconnect=_ns(transfer["time_appconnect"]),
            pretransfer=_ns(transfer["time_pretransfer"]),
            starttransfer=_ns(transfer["time_starttransfer"]),
            total=_ns(transfer["time_total"]),
        ),
        size_download=int(transfer["size_download"]),
        num_connects=int(transfer["num_connects"]),
        headers=_headers(headers),
        error=_error(transfer),
    )


def _error(transfer: Mapping[str, Any]) -> str:
    code = int(transfer["exitcode"])
    return f"curl ({code}): {transfer['errormsg'] or 'no text'}" if code else ""


def _headers(headers: Mapping[str, Any]) -> Headers:
    return tuple((name, value) for name, values in headers.items() for value in values)


def _port(number: Any) -> int:
    return max(0, int(number))  # -1: never connected


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1_000  # curl counts microseconds
