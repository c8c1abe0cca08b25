"""The observer on the command line: `explain` (any capture file), `schema` (of journey.json)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from observer.dissect import DissectionError
from observer.document import schema
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
    commands.add_parser("schema", help="print the JSON Schema of journey.json")
    arguments = parser.parse_args()
    if arguments.command == "schema":
        print(json.dumps(schema(), indent=1))
        return 0
    return _explain(arguments)


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
