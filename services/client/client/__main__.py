"""The client's agent on the control network: POST /visits, /datagrams, /streams, /traceroute; GET /status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from client.browser import Browser, browser_version
from client.closing import HomeLink, connection_list
from client.curl import Curl, curl_version
from client.destinations import lab_network
from client.glass import GlassBox, glassbox_version
from client.probes import open_stream, send_datagram, trace_route
from client.python_tls import PythonTls, python_version
from client.quic import Quic, aioquic_version
from client.trust import TrustFault, make_trust_store
from client.visit import Outcome, Program, Visit, as_json
from client.visit_request import read_probe, read_traceroute, read_visit
from hostkit.agent import Handler, JsonObject, server

_ROOT = Path("/pki/public/root.pem")
_REVOCATION_LISTS = Path("/pki/public/crl.pem")
_PUBLIC_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")


def handlers(environment: Mapping[str, str], scratch: Path) -> dict[str, Handler]:
    """The agent's requests; `scratch` outlives them.

    Raises KeyError, ValueError, OSError, TrustFault, CalledProcessError.
    """
    lab = lab_network(environment["LAB_NET"])
    home = HomeLink(IPv4Address(environment["ADDR_CLIENT_HOME"]), connection_list())
    curl = Curl(curl_version(), _ROOT, _REVOCATION_LISTS, _PUBLIC_ROOTS, home)
    browser = Browser(browser_version(), make_trust_store(scratch / "nssdb", _ROOT), lab, home)
    python = PythonTls(python_version(), _ROOT, _REVOCATION_LISTS, _PUBLIC_ROOTS, home)
    second_home = IPv4Address(environment["ADDR_CLIENT_SECOND_HOME"])
    quic = Quic(aioquic_version(), _ROOT, _PUBLIC_ROOTS, home.address, second_home)
    glassbox = GlassBox(glassbox_version(), _ROOT, _PUBLIC_ROOTS, home)
    carry_out: dict[Program, Callable[[Visit], Outcome]] = {
        Program.CURL: curl.visit,
        Program.BROWSER: browser.visit,
        Program.PYTHON: python.visit,
        Program.AIOQUIC: quic.visit,
        Program.GLASSBOX: glassbox.visit,
    }
    programs = {
        "curl": curl.version,
        "browser": browser.version,
        "python": python.version,
        "aioquic": quic.version,
        "glassbox": glassbox.version,
    }

    def visits(request: JsonObject) -> JsonObject:
        visit = read_visit(request, lab)
        return as_json(carry_out[visit.program](visit))

    def datagrams(request: JsonObject) -> JsonObject:
        reply, error = send_datagram(read_probe(request, lab))
        return {"reply": None if reply is None else reply.hex(), "error": error}

    def streams(request: JsonObject) -> JsonObject:
        reply, closed, error = open_stream(read_probe(request, lab), home)
        return {"reply": reply.hex(), "closed": closed, "error": error}

    def traceroute(request: JsonObject) -> JsonObject:
        hops = trace_route(read_traceroute(request, lab))
        return {
            "hops": [
                {"ttl": hop.ttl, "address": str(hop.address) if hop.address else None, "rtt_ns": hop.rtt_ns}
                for hop in hops
            ]
        }

    return {
        "POST /visits": visits,
        "POST /datagrams": datagrams,
        "POST /streams": streams,
        "POST /traceroute": traceroute,
        "GET /status": lambda _: {"programs": programs},
    }


def main() -> int:
    """Serve until SIGTERM. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="agent-") as scratch:
            agent = server(handlers(os.environ, Path(scratch)), os.environ["ADDR_CLIENT_CONTROL"])
            agent.serve_forever()
    except KeyError as missing:
        print(f"client: {missing.args[0]} is not set; compose.yaml's x-addresses has it", file=sys.stderr)
    except (OSError, ValueError, TrustFault, subprocess.CalledProcessError) as fault:
        print(f"client: {fault}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
