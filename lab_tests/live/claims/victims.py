"""Ordinary programs whose TLS an experiment chooses beyond what a visit can ask for."""

from __future__ import annotations

import shlex

from live_lab import Lab, Recording

WEAK = "https://weak.parseltongue.co.in:4433"
WEAK_HOST = "weak.parseltongue.co.in"


def curl(lab: Lab, recording: Recording, url: str, *options: str) -> tuple[str, str]:
    """curl (OpenSSL) on the client with `options`; the page and curl's key log, which the recording gets, too."""
    command = shlex.join(["curl", "--silent", "--show-error", "--cacert", "/pki/public/root.pem", *options, url])
    script = f'keys=$(mktemp) && SSLKEYLOGFILE=$keys {command} && printf "\\n%s\\n" KEYS && cat "$keys" && rm "$keys"'
    code, output = lab.container("client").exec_run(["sh", "-c", script], user="lab")
    text = output.decode()
    assert code == 0, f"curl: {text}"
    page, _, keylog = text.partition("\nKEYS\n")
    recording.add_keys(keylog)
    return page, keylog
