"""From DevTools' Network events to the responses of a visit. Pure.

Field names are those of the protocol's Network domain. A request that is redirected keeps its requestId; each answer
in the chain becomes a response of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from client.cdp import Event
from client.visit import Headers, Response, Timings

Json = Mapping[str, Any]

_VERSION = {"http/1.0": "1.0", "http/1.1": "1.1", "h2": "2", "h3": "3"}


@dataclass(slots=True)
class _Exchange:
    """What the events have said so far about one requestId."""

    url: str = ""
    responses: list[Response] = field(default_factory=list)
    with_extra_info: list[bool] = field(default_factory=list)
    extra_headers: list[Headers] = field(default_factory=list)
    request_time: float = 0.0
    from_cache: bool = False


class PageEvents:
    """Collects events in the order they arrive; events of other domains pass by."""

    def __init__(self) -> None:
        self._exchanges: dict[str, _Exchange] = {}
        self._handlers = {
            "Network.requestWillBeSent": self._request_will_be_sent,
            "Network.requestServedFromCache": self._request_served_from_cache,
            "Network.responseReceivedExtraInfo": self._response_received_extra_info,
            "Network.responseReceived": self._response_received,
            "Network.loadingFinished": self._loading_finished,
            "Network.loadingFailed": self._loading_failed,
        }

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            handler = self._handlers.get(event.method)
            if handler is not None:
                handler(self._exchanges.setdefault(event.params["requestId"], _Exchange()), event.params)

    def responses(self) -> tuple[Response, ...]:
        """In the order in which their requests were made; only what went, or could have gone, over the wire."""
        return tuple(
            response
            for exchange in self._exchanges.values()
            if exchange.url.startswith(("http:", "https:"))
            for response in _with_all_headers(exchange)
        )

    def _request_will_be_sent(self, exchange: _Exchange, params: Json) -> None:
        redirect = params.get("redirectResponse")
        if redirect is not None:
            exchange.with_extra_info.append(bool(params.get("redirectHasExtraInfo")))
            exchange.responses.append(_response(exchange, redirect, ended=params["timestamp"]))
        exchange.url = params["request"]["url"]
        exchange.request_time = params["timestamp"]
        exchange.from_cache = False

    def _request_served_from_cache(self, exchange: _Exchange, params: Json) -> None:
        exchange.from_cache = True

    def _response_received_extra_info(self, exchange: _Exchange, params: Json) -> None:
        exchange.extra_headers.append(_headers(params["headers"]))

    def _response_received(self, exchange: _Exchange, params: Json) -> None:
        exchange.with_extra_info.append(bool(params.get("hasExtraInfo")))
        exchange.responses.append(_response(exchange, params["response"], ended=params["timestamp"]))

    def _loading_finished(self, exchange: _Exchange, params: Json) -> None:
        last = exchange.responses[-1] if exchange.responses else None
        if last is not None and not last.error:  # after a failure, the error page finishes under the same requestId
            timings = replace(last.timings_ns, total=_ns(params["timestamp"] - exchange.request_time))
            size = round(params["encodedDataLength"])
            exchange.responses[-1] = replace(last, timings_ns=timings, size_download=size)

    def _loading_failed(self, exchange: _Exchange, params: Json) -> None:
        error = params.get("blockedReason") or params["errorText"]
        if exchange.responses and not exchange.responses[-1].error and exchange.responses[-1].url == exchange.url:
            exchange.responses[-1] = replace(exchange.responses[-1], error=error)
            return
        total = _ns(params["timestamp"] - exchange.request_time)
        exchange.with_extra_info.append(False)
        exchange.responses.append(
            Response(
                url=exchange.url,
                status=0,
                http_version="",
                verify_result=None,
                local_port=None,
                remote_address="",
                remote_port=0,
                timings_ns=Timings(total=total),
                size_download=0,
                num_connects=0,
                headers=(),
                error=error,
            )
        )


def _with_all_headers(exchange: _Exchange) -> list[Response]:
    """Set-Cookie and its like come only in the ExtraInfo events, which are in order but may precede the response."""
    extra = iter(exchange.extra_headers)
    return [
        replace(response, headers=next(extra, response.headers)) if has_extra_info else response
        for response, has_extra_info in zip(exchange.responses, exchange.with_extra_info, strict=True)
    ]


def _response(exchange: _Exchange, response: Json, ended: float) -> Response:
    from_cache = exchange.from_cache or bool(response.get("fromDiskCache"))
    timing = response.get("timing")
    protocol = str(response.get("protocol", ""))
    reused = bool(response.get("connectionReused")) or from_cache
    return Response(
        url=response["url"],
        status=response["status"],
        http_version=_VERSION.get(protocol, protocol),
        verify_result=0 if response.get("securityState") == "secure" else None,
        local_port=None,
        remote_address=response.get("remoteIPAddress", ""),
        remote_port=response.get("remotePort", 0),
        timings_ns=_timings(timing, exchange.request_time, ended) if timing and not from_cache else Timings(),
        size_download=round(response.get("encodedDataLength", 0)),
        num_connects=0 if reused else 1,
        headers=_headers(response["headers"]),
        from_cache=from_cache,
    )


def _timings(timing: Json, request_time: float, ended: float) -> Timings:
    """ResourceTiming counts milliseconds from requestTime (seconds), with -1 for what did not happen."""
    before = timing["requestTime"] - request_time

    def until(name: str) -> int:
        milliseconds = timing.get(name, -1)
        return _ns(before + milliseconds / 1000) if milliseconds >= 0 else 0

    encrypted = timing.get("sslStart", -1) >= 0
    return Timings(
        namelookup=until("dnsEnd"),
        connect=until("sslStart") if encrypted else until("connectEnd"),
        appconnect=until("sslEnd"),
        pretransfer=until("sendStart"),
        starttransfer=until("receiveHeadersEnd"),
        total=_ns(ended - request_time),
    )


def _headers(headers: Json) -> Headers:
    # Values of a repeated field are joined by line feeds.
    return tuple((name, value) for name, values in headers.items() for value in str(values).split("\n"))


def _ns(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000)) * 1_000  # DevTools' clock counts microseconds
