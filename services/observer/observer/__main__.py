"""The observer on the command line: `explain` (any capture file), `live` (all links), `schema` (of their JSON)."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
from pathlib import Path

from observer.dissect import DissectionError
from observer.document import capture_schema, schema
from observer.explain import Form, explain
from observer.style import Style
from observer.topology import NO_LAB, Topology, TopologyError, from_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="observer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    told = commands.add_parser("explain", help="tell the journeys in a capture file made anywhere")
    told.add_argument("pcap", type=Path)
    told.add_argument("--keys", type=Path, help="a TLS key log (SSLKEYLOGFILE)")
    form = told.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const=Form.JSON, help="JSON instead of a ladder")
    form.add_argument("--html", dest="form", action="store_const", const=Form.HTML, help="one page instead of a ladder")
    form.add_argument("--frames", dest="form", action="store_const", const=Form.FRAMES, help="every frame")
    told.set_defaults(form=Form.LADDER)
    told.add_argument("--ascii", action="store_true", help="draw without Unicode")
    live = commands.add_parser("live", help="all links as pcapng on standard output, until standard input ends")
    live.add_argument("--hold", type=float, default=0.0, help="seconds to hold frames back, for keys to come first")
    shown = commands.add_parser("schema", help="the JSON Schema of journey.json, or of what explain --json prints")
    shown.add_argument("of", nargs="?", choices=("journey", "capture"), default="journey")
    arguments = parser.parse_args()
    if arguments.command == "schema":
        print(json.dumps(schema() if arguments.of == "journey" else capture_schema(), indent=1))
        return 0
    return _live(arguments.hold) if arguments.command == "live" else _explain(arguments)


def _live(hold_s: float) -> int:
    from observer.live import LiveStream, Sources  # only here: it takes longer to load than a short capture to tell

    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: ended.append(number))

    def goes_on(wait_s: float) -> bool:
        """Until a signal, or the end of standard input: `docker exec` passes no signals on, but its end ends that."""
        readable, _, _ = select.select([sys.stdin.buffer], [], [], wait_s)
        return not ended and not (readable and not os.read(sys.stdin.fileno(), 4096))

    try:
        topology = from_environment(os.environ)
        LiveStream(Sources(), topology, sys.stdout.buffer, _say, int(hold_s * 1e9)).run(goes_on)
    except BrokenPipeError:
        # Whoever looked has closed the window. Nobody is left to flush to at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError) as fault:
        print(f"live: {fault}", file=sys.stderr)
        return 1
    return 0


def _say(text: str) -> None:
    print(f"live: {text}", file=sys.stderr, flush=True)


def _explain(arguments: argparse.Namespace) -> int:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = os.get_terminal_size().columns if sys.stdout.isatty() else 110
    try:
        style = Style(width, colour, arguments.ascii)
        for text in explain(arguments.pcap, arguments.keys, _topology(), style, arguments.form):
            sys.stdout.write(text)
    except (DissectionError, OSError) as fault:
        print(f"explain: {arguments.pcap.name}: {fault}", file=sys.stderr)
        return 1
    return 0


def _topology() -> Topology:
    """The lab's, so that its own captures are told with names; addresses elsewhere stand for themselves."""
    try:
        return from_environment(os.environ)
    except TopologyError:
        return NO_LAB


if __name__ == "__main__":
    sys.exit(main())
