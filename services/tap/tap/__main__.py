"""Run the tap: wait for the links, record until told to stop, write down what is still in the rings."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

import scapy.sendrecv  # not scapy.all, see tap.ring
from scapy.config import conf

from tap.control import ControlServer
from tap.recorder import Recorder
from tap.ring import RingSocket, Stop, remaining_blocks, state_of
from tap.settings import Settings, SettingsError, settings_from
from tap.spool import Spool

LINKS_TIMEOUT_S = 30.0
_LOOK_AGAIN_S = 0.2


class LinkSender:
    """Puts frames on a link. It is no ring's socket: a packet socket does not see what it sent itself."""

    def __init__(self, interface: str) -> None:
        """Open the interface for sending only: protocol 0 receives nothing."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((interface, 0))

    def send(self, frame: bytes) -> None:
        """Put one frame on the link. Raises OSError."""
        self._socket.send(frame)


def main() -> int:
    """The exit status: 0 after SIGTERM or SIGINT, 1 when the links or the settings do not allow recording."""
    try:
        settings = settings_from(os.environ)
        absent = wait_for_links(settings.links, LINKS_TIMEOUT_S)
        if absent:
            raise SettingsError(f"no link to listen on after {LINKS_TIMEOUT_S:.0f} s: {', '.join(absent)}")
        record(settings)
    except SettingsError as error:
        print(f"tap: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            print(f"tap: a link went away while it was recorded: {error}", file=sys.stderr)
        else:
            print(f"tap: {error}", file=sys.stderr)
        return 1
    return 0


def wait_for_links(links: Mapping[str, str], timeout_s: float) -> list[str]:
    """Wait until every link's interface is up; those that are not after `timeout_s`: "home (h2-home is missing)"."""
    deadline = time.monotonic() + timeout_s
    while True:
        states = [(link, interface, state_of(interface)) for link, interface in links.items()]
        absent = [f"{link} ({interface} is {state})" for link, interface, state in states if state != "up"]
        if not absent or time.monotonic() >= deadline:
            return absent
        time.sleep(_LOOK_AGAIN_S)


def record(settings: Settings) -> None:
    """Record until a signal says stop. Raises OSError when a link goes away or the spool cannot be opened."""
    # scapy warns of a socket that fails and goes on without it; from 2 on it passes the failure on, too.
    conf.debug_dissector = 2  # type: ignore[assignment]
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
    with ExitStack() as stack:
        spool = Spool(settings.spool, settings.links, settings.spool_limit)
        stack.callback(spool.close)
        senders = {link: LinkSender(interface) for link, interface in settings.links.items()}
        rings = {link: stack.enter_context(RingSocket(link, interface)) for link, interface in settings.links.items()}
        stop = stack.enter_context(Stop())
        signal.set_wakeup_fd(stop.wakeup)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # its number goes to the wakeup descriptor, which ends the loop
        recorder = Recorder(rings, senders, spool)
        stack.enter_context(ControlServer(settings.control, recorder))
        print(f"tap: listening on {', '.join(settings.links.values())}", file=sys.stderr)
        watched = {ring: link for link, ring in rings.items()} | {stop: "stop"}
        scapy.sendrecv.sniff(opened_socket=watched, store=False, prn=recorder.take)
        for block in remaining_blocks(rings.values()):
            recorder.take(block)


if __name__ == "__main__":
    sys.exit(main())
