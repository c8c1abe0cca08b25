"""The isp's agent on the control network: POST, GET and DELETE /faults."""

from __future__ import annotations

import os
import signal
import sys
import threading

from hostkit.agent import JsonObject, server
from middlebox.interception import Interception, RulesRefused
from middlebox.notation import read_faults
from middlebox.report import as_json


def main() -> int:
    """Serve until SIGTERM, then remove every rule. Returns the exit code."""
    try:
        address = os.environ["ADDR_ISP_CONTROL"]
        interception = Interception()
    except KeyError as missing:
        print(f"middlebox: {missing.args[0]} is not set: it is the address to listen on", file=sys.stderr)
        return 1
    except (RulesRefused, OSError) as fault:
        print(f"middlebox: {fault}; it needs NET_ADMIN and NET_RAW, and masquerade before it", file=sys.stderr)
        return 1

    def post(request: JsonObject) -> JsonObject:
        interception.install(read_faults(request))
        return as_json(interception.report())

    def get(_: JsonObject) -> JsonObject:
        return as_json(interception.report())

    def delete(_: JsonObject) -> JsonObject:
        interception.clear()
        return as_json(interception.report())

    agent = server({"POST /faults": post, "GET /faults": get, "DELETE /faults": delete}, address)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: interception.stop())
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    try:
        interception.serve()
    finally:
        interception.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
