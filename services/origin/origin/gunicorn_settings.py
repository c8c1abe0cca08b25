"""gunicorn's settings (`--config python:origin.gunicorn_settings`); names are gunicorn's own."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.workers import gthread

from origin import metrics
from origin.tls import RollingContext

HOST = os.uname().nodename
CERTIFICATE = Path(f"/pki/own/{HOST}.pem")
KEY_LOGS = Path("/keys")

wsgi_app = "origin.wsgi:application"
bind = [f"{os.environ['BIND']}:8443"]

# Threads keep connections open between requests; sync workers would close each, and TLS cost a handshake per request.
worker_class = "gthread"
http_protocols = "h2,h1"  # by ALPN; the balancer chooses http/1.1 (README.md says why)
workers = 1
threads = 16
worker_connections = 512
backlog = 512
keepalive = 65  # seconds: far longer than the balancer keeps what it does not need, so it seldom meets a closed one

certfile = str(CERTIFICATE)  # switches TLS on; the context comes from the hook below
worker_tmp_dir = "/tmp"  # a tmpfs: the heartbeat file must not wait for a disk
control_socket_disable = True
accesslog = None  # requests are seen on the links and in the balancer's log
errorlog = "-"
loglevel = "warning"

# Stop within a second: idle connections are closed after 0.2 s instead of 2 (so long, a request already on its way is
# answered, with "Connection: close"); running requests get one second.
graceful_timeout = 1
gthread.STOP_KEEPALIVE_LINGER = 0.2

os.umask(0o027)  # key logs: the observer reads them by its group, nobody else does

contexts: RollingContext | None = None


def post_worker_init(worker: Any) -> None:
    """Make the first context in the worker, before it accepts: without a certificate it must not start."""
    global contexts
    metrics.serve(os.environ["METRICS"])
    contexts = RollingContext(CERTIFICATE, KEY_LOGS, HOST, time.time)


def ssl_context(config: Any, default_ssl_context_factory: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """gunicorn calls this for every connection, from any thread."""
    assert contexts is not None
    return contexts.current()
