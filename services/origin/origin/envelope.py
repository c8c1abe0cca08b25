"""What every response carries: who answered, how long it took, how long it may be kept."""

from __future__ import annotations

import time

from flask import Flask, Response, g


def attach(app: Flask, origin: str) -> None:
    """Give all responses of `app` X-Origin, Server-Timing (processing, in ms) and a Cache-Control if they have none."""

    def start() -> None:
        g.started_ns = time.perf_counter_ns()

    def finish(response: Response) -> Response:
        response.headers["X-Origin"] = origin
        duration = (time.perf_counter_ns() - g.started_ns) / 1e6
        response.headers["Server-Timing"] = f"app;dur={duration:.3f}"
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.before_request(start)
    app.after_request(finish)
