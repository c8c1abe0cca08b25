"""A visit made by Python's own ssl and http.client: what a script sees that trusts the lab's root."""

from __future__ import annotations

import http.client
import platform
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from client.closing import HomeLink
from client.visit import Headers, Outcome, Response, Timings, TlsVersion, Visit

_VERSION = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class PythonTls:
    """How to visit with this host's Python."""

    version: str
    ca_file: Path
    """The lab's root certificate, PEM."""
    crl_file: Path
    """The lab's revocation lists, PEM."""
    public_ca_file: Path
    """The store as Debian ships it, without the lab's root."""
    home: HomeLink

    def visit(self, visit: Visit) -> Outcome:
        """Fetch the URLs one after the other, a connection each. What goes wrong is in the outcome. Raises OSError."""
        with tempfile.TemporaryDirectory(prefix="python-") as directory:
            keylog = Path(directory, "keys")
            closings = self.home.closings()
            started_ns = time.time_ns()
            responses = tuple(self._fetch(url, visit, keylog) for url in visit.urls)
            ended_ns = time.time_ns()
            errors = [f"{response.url}: {response.error}" for response in responses if response.error]
            return Outcome(
                program=self.version,
                started_ns=started_ns,
                ended_ns=ended_ns,
                exit_code=1 if errors else 0,
                error="; ".join(errors),
                keylog=keylog.read_text() if keylog.exists() else "",
                responses=responses,
                still_closing=closings.wait(),
            )

    def _fetch(self, url: str, visit: Visit, keylog: Path) -> Response:
        connection = self._connection(url, visit, keylog)
        parts = urlsplit(url)
        status, verified, received, error = 0, None, 0, ""
        headers: Headers = ()
        local_port, remote = None, ("", 0)
        try:
            connection.connect()
            verified = 0
            local_port, remote = connection.sock.getsockname()[1], connection.sock.getpeername()[:2]
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request(visit.method, target, visit.body, dict(visit.headers))
            answer = connection.getresponse()
            status, headers, received = answer.status, _headers(answer), len(answer.read())
        except ssl.SSLCertVerificationError as refusal:
            verified, error = refusal.verify_code, f"{refusal.reason}: {refusal.verify_message}"
        except (OSError, http.client.HTTPException) as fault:
            error = f"{type(fault).__name__}: {fault}"
        finally:
            connection.close()
        return Response(
            url=url,
            status=status,
            http_version="1.1" if status else "",
            verify_result=verified if parts.scheme == "https" else None,
            local_port=local_port,
            remote_address=remote[0],
            remote_port=remote[1],
            timings_ns=Timings(),
            size_download=received,
            num_connects=1,
            headers=headers,
            error=error,
        )

    def _connection(self, url: str, visit: Visit, keylog: Path) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=visit.timeout_s)
        context = ssl.create_default_context(cafile=str(self.ca_file if visit.trust else self.public_ca_file))
        context.keylog_filename = str(keylog)
        if visit.tls is not None:
            context.minimum_version = context.maximum_version = _VERSION[visit.tls]
        if visit.crl:
            context.load_verify_locations(str(self.crl_file))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        return http.client.HTTPSConnection(parts.netloc, timeout=visit.timeout_s, context=context)


def python_version() -> str:
    """Python's ssl and the library under it."""
    return f"Python {platform.python_version()} ({ssl.OPENSSL_VERSION.rsplit(' ', 3)[0]})"


def _headers(answer: http.client.HTTPResponse) -> Headers:
    return tuple((name, value) for name, value in answer.getheaders())
