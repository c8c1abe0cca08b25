"""`python3 -m pki`: make or renew everything under /pki (or the folder in PKI_ROOT), then stop."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from pki.authority import run
from pki.catalogue import CATALOGUE
from pki.files import Store
from pki.ticket_keys import keep_ticket_keys


def main() -> int:
    root = Path(os.environ.get("PKI_ROOT", "/pki"))
    try:
        for line in run(Store(root), CATALOGUE, datetime.now(UTC).replace(microsecond=0)):
            print(line, flush=True)
        print(keep_ticket_keys(root / "balancer/ticket-keys"), flush=True)
    except OSError as fault:
        print(f"pki: cannot write under {root}: {fault}; its folders must belong to uid {os.getuid()}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
