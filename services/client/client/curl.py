"""A visit made by curl."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from client.closing import HomeLink
from client.curl_command import curl_command
from client.curl_report import UnreadableReport, failures, read_report
from client.visit import Outcome, Visit

_GRACE_S = 1.0
"""curl keeps the time limit itself, per transfer; past the visit's limit and this it is killed."""


@dataclass(frozen=True, slots=True)
class Curl:
    """How to run curl on this host."""

    version: str
    ca_file: Path
    """The lab's root certificate, PEM."""
    crl_file: Path
    """The lab's revocation lists, PEM."""
    public_ca_file: Path
    """The store as Debian ships it, without the lab's root."""
    home: HomeLink

    def visit(self, visit: Visit) -> Outcome:
        """Carry out `visit`. Raises UnreadableReport, OSError."""
        with tempfile.TemporaryDirectory(prefix="curl-") as directory:
            report, keylog = Path(directory, "report"), Path(directory, "keys")
            ca_file = self.ca_file if visit.trust else self.public_ca_file
            command = curl_command(
                visit,
                report=str(report),
                ca_file=str(ca_file),
                crl_file=str(self.crl_file),
                alt_svc_file=str(Path(directory, "alt-svc")),
            )
            environment = {
                "PATH": "/usr/bin:/bin",
                "HOME": directory,
                "LC_ALL": "C.UTF-8",
                "SSLKEYLOGFILE": str(keylog),
            }
            closings = self.home.closings()
            started_ns = time.time_ns()
            exit_code, said = _run(command, environment, visit)
            ended_ns = time.time_ns()
            still_closing = closings.wait()
            responses = read_report(_text(report))
            if exit_code == 0 and len(responses) < len(visit.urls):
                raise UnreadableReport(f"curl reported {len(responses)} of {len(visit.urls)} transfers, yet no error")
            return Outcome(
                program=self.version,
                started_ns=started_ns,
                ended_ns=ended_ns,
                exit_code=exit_code,
                error=(failures(responses) or said or f"curl: exit code {exit_code}") if exit_code else "",
                keylog=_text(keylog),
                responses=responses,
                still_closing=still_closing,
            )


def curl_version() -> str:
    """ "curl" and its number. Raises OSError, CalledProcessError."""
    said = subprocess.run(["curl", "--disable", "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split(maxsplit=2)[:2])


def _run(command: list[str], environment: dict[str, str], visit: Visit) -> tuple[int, str]:
    """curl's exit code and what it said on standard error."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE if visit.body is not None else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _, said = process.communicate(visit.body, timeout=visit.timeout_s + _GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return process.returncode, f"curl: not done within {visit.timeout_s:g} s, killed"
    return process.returncode, said.decode(errors="replace").strip()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
