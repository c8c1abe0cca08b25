"""The kernel's packet filter, through the rule engine that `masquerade` found this kernel to take."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_IPTABLES = "/run/iptables"
_WAIT = ("--wait", "5")  # seconds, for the lock


class RulesRefused(RuntimeError):
    """iptables did not take the rules; the text is its own."""


def load(ruleset: str) -> None:
    """Put a whole chain's lines in force, in one step. Raises RulesRefused; then nothing has changed."""
    _checked([f"{_IPTABLES}-restore", "--noflush", *_WAIT], ruleset)


def add_once(rule: Sequence[str]) -> None:
    """Append `rule` (table, chain, specification) unless it is there. Raises RulesRefused."""
    table, chain, *rest = rule
    command = [_IPTABLES, *_WAIT, "-t", table]
    if _run([*command, "-C", chain, *rest]).returncode:
        _checked([*command, "-A", chain, *rest])


def _checked(command: Sequence[str], text: str = "") -> None:
    done = _run(command, text)
    if done.returncode:
        raise RulesRefused(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _run(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
