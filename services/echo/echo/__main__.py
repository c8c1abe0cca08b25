"""`python3 -m echo`: serve on ADDR_ECHO_EDGE until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from echo.service import PORT, EchoDatagrams, echo_stream


async def _serve(address: str) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    transport, _ = await loop.create_datagram_endpoint(EchoDatagrams, local_addr=(address, PORT))
    server = await asyncio.start_server(echo_stream, address, PORT)
    await stopped.wait()
    server.close()
    transport.close()


def main() -> int:
    """Returns the exit code."""
    try:
        asyncio.run(_serve(os.environ["ADDR_ECHO_EDGE"]))
    except KeyError as missing:
        print(f"echo: {missing.args[0]} is not set; compose.yaml's x-addresses has it", file=sys.stderr)
        return 1
    except OSError as fault:
        print(f"echo: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
