"""A visit made by the glass box (package `glassbox`): TLS written out, its key schedule's values in the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cryptography
from cryptography import x509

from client.closing import HomeLink
from client.glass_request import Glass, offer_of
from client.visit import Intermediate, Outcome, Response, Timings, Visit
from glassbox.errand import Errand, Fetched, Opened, fetch
from glassbox.offer import Offer


def glassbox_version() -> str:
    """ "glassbox" and what its primitives come from."""
    return f"glassbox on cryptography {cryptography.__version__}"


@dataclass(frozen=True)
class GlassBox:
    """How to run the glass box on this host: in this process, since a Python of its own would take longer than curl."""

    version: str
    ca_file: Path
    """The lab's root certificate, PEM."""
    public_ca_file: Path
    home: HomeLink

    def visit(self, visit: Visit) -> Outcome:
        """Carry out `visit`. What goes wrong is in the outcome. Raises OSError."""
        glass = visit.glassbox or Glass()
        closings = self.home.closings()
        started_ns = time.time_ns()
        fetched, opened = fetch(self._errand(visit, glass, offer_of(glass, visit.tls)))
        ended_ns = time.time_ns()
        errors = [f"glassbox: {each.url}: {each.error}" for each in fetched if each.error]
        return Outcome(
            program=self.version,
            started_ns=started_ns,
            ended_ns=ended_ns,
            exit_code=1 if errors else 0,
            error="; ".join(errors),
            keylog="".join(each.keylog for each in opened),
            responses=tuple(_response(each) for each in fetched),
            still_closing=closings.wait(),
            intermediates=tuple(_intermediates(opened)),
        )

    def _errand(self, visit: Visit, glass: Glass, offer: Offer) -> Errand:
        return Errand(
            urls=visit.urls,
            offer=offer,
            # Another lab's start may have made a new root since: it is read each time, the public list once.
            roots=_certificates(self.ca_file) if visit.trust else self._public_roots,
            method=visit.method,
            headers=(("User-Agent", "glassbox"), ("Accept", "*/*"), *visit.headers),
            body=visit.body,
            timeout_s=visit.timeout_s,
            connections=glass.connections,
        )

    @cached_property
    def _public_roots(self) -> Sequence[x509.Certificate]:
        return _certificates(self.public_ca_file)


def _certificates(path: Path) -> Sequence[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def _response(fetched: Fetched) -> Response:
    head = fetched.head
    return Response(
        url=fetched.url,
        status=head.status if head else 0,
        http_version=head.version if head else "",
        verify_result=0 if fetched.secured_ns or (head and not fetched.is_new_connection) else None,
        local_port=fetched.local_port,
        remote_address=fetched.remote_address,
        remote_port=fetched.remote_port,
        timings_ns=Timings(
            namelookup=fetched.looked_up_ns,
            connect=fetched.connected_ns,
            appconnect=fetched.secured_ns,
            pretransfer=fetched.requested_ns,
            starttransfer=fetched.first_byte_ns,
            total=fetched.total_ns,
        ),
        size_download=len(fetched.body),
        num_connects=int(fetched.is_new_connection),
        headers=head.headers if head else (),
        error=fetched.error,
    )


def _intermediates(opened: Sequence[Opened]) -> list[Intermediate]:
    return [
        Intermediate(number, each.name, each.section, each.value.hex())
        for number, connection in enumerate(opened, start=1)
        for each in connection.intermediates
    ]
