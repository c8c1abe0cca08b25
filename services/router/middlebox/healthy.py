"""Exit 0 when the agent answers GET /faults, else say why not."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

from hostkit.agent import PORT

if __name__ == "__main__":
    address = os.environ["ADDR_ISP_CONTROL"]
    try:
        connection = HTTPConnection(address, PORT, timeout=2)
        connection.request("GET", "/faults")
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException) as fault:
        sys.exit(f"the middlebox does not answer on {address}:{PORT}: {fault}")
    if answer.status != 200:
        sys.exit(f"the middlebox answered GET /faults with status {answer.status}")
