"""`python3 -m quicsite`: serve HTTP/3 until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from quicsite.server import serve_until

_CHAIN, _KEY = Path("/pki/public/quic.pem"), Path("/pki/own/quic.pem")


async def _serve(address: str, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await serve_until(stopped, address, port, _CHAIN, _KEY)


def main() -> int:
    try:
        asyncio.run(_serve(os.environ["BIND"], int(os.environ.get("PORT", "443"))))
    except KeyError as missing:
        print(f"quic: {missing.args[0]} is not set: it is the address to serve on", file=sys.stderr)
        return 1
    except (OSError, ValueError) as fault:
        print(f"quic: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
