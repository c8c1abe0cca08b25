"""The isp's agent on the control network: POST, GET and DELETE /faults, and /attacks."""

from __future__ import annotations

import os
import signal
import sys
import threading
from ipaddress import IPv4Network

from attack import redirection, requests
from attack.campaign import Campaign
from hostkit.agent import JsonObject, server
from middlebox.hosts import from_environment
from middlebox.interception import Interception
from middlebox.iptables import RulesRefused, add_once, load
from middlebox.notation import read_faults
from middlebox.report import as_json


def main() -> int:
    """Serve until SIGTERM, then remove every rule. Returns the exit code."""
    try:
        address = os.environ["ADDR_ISP_CONTROL"]
        hosts = from_environment(os.environ)
        interception = Interception(IPv4Network(f"{os.environ['ADDR_ISP_EDGE']}/24", strict=False))
        load(redirection.NOTHING)
        add_once(redirection.JUMP)
    except KeyError as missing:
        print(f"middlebox: {missing.args[0]} is not set; compose.yaml's x-addresses has it", file=sys.stderr)
        return 1
    except (RulesRefused, OSError, ValueError) as fault:
        print(f"middlebox: {fault}; it needs NET_ADMIN and NET_RAW, and masquerade before it", file=sys.stderr)
        return 1

    def post(request: JsonObject) -> JsonObject:
        interception.install(read_faults(request, hosts))
        return as_json(interception.report(), hosts)

    def get(_: JsonObject) -> JsonObject:
        return as_json(interception.report(), hosts)

    def delete(_: JsonObject) -> JsonObject:
        interception.clear()
        return as_json(interception.report(), hosts)

    campaign = Campaign(load)
    faults = {"POST /faults": post, "GET /faults": get, "DELETE /faults": delete}
    agent = server({**faults, **requests.handlers(campaign, os.environ)}, address)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: interception.stop())
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    try:
        interception.serve()
    finally:
        campaign.end()
        interception.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
