"""Serve recursive DNS on port 53 to the lab; SIGHUP empties the cache.

LAB_NET=10.77 ADDR_NS_ROOT_INTERNET=10.77.2.4 python3 -m resolver
"""

from __future__ import annotations

import os
import sys
import time
from ipaddress import IPv4Address, IPv4Network

from hostkit.dns_sockets import serve
from resolver.service import Resolver, Settings
from resolver.upstream import ask_server


def main() -> int:
    try:
        root = IPv4Address(os.environ["ADDR_NS_ROOT_INTERNET"])
        settings = Settings((str(root),), IPv4Network(f"{os.environ['LAB_NET']}.0.0/16"))
    except KeyError as missing:
        print(f"resolver: {missing.args[0]} is not in the environment", file=sys.stderr)
        return 1
    except ValueError as fault:
        print(f"resolver: ADDR_NS_ROOT_INTERNET or LAB_NET: {fault}", file=sys.stderr)
        return 1
    resolver = Resolver(settings, ask_server, time.monotonic)
    serve(resolver.answer, "0.0.0.0", on_hangup=resolver.forget)
    return 0


if __name__ == "__main__":
    sys.exit(main())
