"""The TLS side of an origin: one context at a time, followed by a new one with a new key log file.

gunicorn asks for a context for every connection. Contexts hold the session tickets' keys: a new one each time would end
resumption and read the certificate from disk per connection.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from origin.key_log_files import KeyLogFile, file_name, is_due, outdated, started_of

ALPN = ["h2", "http/1.1"]
RETRY_AFTER_S = 10

log = logging.getLogger("gunicorn.error")


def server_context(certificate: Path, key_log: Path) -> ssl.SSLContext:
    """A context for `certificate` (key and chain in one file) that logs its secrets. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(ALPN)
    context.set_ecdh_curve("X25519")  # the lab explains this exchange; OpenSSL 3.5 would take a hybrid one
    context.keylog_filename = str(key_log)
    return context


class RollingContext:
    """The context to use now. Thread-safe. A new one also takes up a renewed certificate."""

    def __init__(self, certificate: Path, directory: Path, host: str, clock: Callable[[], float]) -> None:
        """Raises OSError or ssl.SSLError if there is no usable certificate, or no place for the key log."""
        self._certificate = certificate
        self._directory = directory
        self._host = host
        self._clock = clock
        self._lock = threading.Lock()
        self._started = int(clock())
        self._not_before = self._started
        self._context = server_context(certificate, self._path(self._started))
        self._sweep(self._started)

    def current(self) -> ssl.SSLContext:
        with self._lock:
            now = int(self._clock())
            if self._is_due(now):
                self._roll(now)
            return self._context

    def _is_due(self, now: int) -> bool:
        if 0 <= self._not_before - now <= RETRY_AFTER_S:
            return False
        try:
            size = self._path(self._started).stat().st_size
        except FileNotFoundError:
            return True  # somebody emptied the folder: what is logged from here on would be lost
        return is_due(KeyLogFile(self._started, size), now)

    def _roll(self, now: int) -> None:
        try:
            self._context = server_context(self._certificate, self._path(now))
        except (OSError, ssl.SSLError) as fault:
            # The certificate in use still works, and the file may be being replaced just now.
            log.error("%s: no new TLS context, the old one stays in use: %s", self._certificate, fault)
            self._not_before = now + RETRY_AFTER_S
            return
        self._started = now
        self._sweep(now)

    def _sweep(self, now: int) -> None:
        found = (
            KeyLogFile(started, path.stat().st_size)
            for path in self._directory.iterdir()
            if (started := started_of(self._host, path.name)) is not None
        )
        for file in outdated(found, now):
            self._path(file.started).unlink()

    def _path(self, started: int) -> Path:
        return self._directory / file_name(self._host, started)
