"""Serve the zones named in ZONES on port 53.

ZONES=root.zone python3 -m nameserver
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hostkit.dns_query import Name, Query, judge
from hostkit.dns_reply import LARGEST_MESSAGE, pack
from hostkit.dns_sockets import Transport, serve
from nameserver.authority import reply_to
from nameserver.zonefile import Zone, ZoneError, zone_from_text

ZONE_FOLDER = Path(__file__).resolve().parent.parent / "zones"


def load(file_names: list[str], variables: Mapping[str, str], folder: Path = ZONE_FOLDER) -> dict[Name, Zone]:
    """The zones in these files, by apex. Raises ZoneError, its text beginning with the file's name."""
    zones: dict[Name, Zone] = {}
    for file_name in file_names:
        try:
            zone = zone_from_text((folder / file_name).read_text("ascii"), variables)
        except (OSError, UnicodeDecodeError, ZoneError) as fault:
            raise ZoneError(f"{file_name}: {fault}") from fault
        if zone.apex in zones:
            raise ZoneError(f"{file_name}: another of ZONES holds the same zone")
        zones[zone.apex] = zone
    if not zones:
        raise ZoneError(f"ZONES is empty: name at least one of {', '.join(sorted(p.name for p in folder.iterdir()))}")
    return zones


def main() -> int:
    try:
        zones = load(os.environ.get("ZONES", "").split(), os.environ)
    except ZoneError as fault:
        print(f"nameserver: {fault}", file=sys.stderr)
        return 1

    def answer(wire: bytes, _source: str, transport: Transport) -> bytes | None:
        query = judge(wire)
        if not isinstance(query, Query):
            return query
        return pack(query, reply_to(query, zones), query.udp_limit if transport is Transport.UDP else LARGEST_MESSAGE)

    serve(answer, "0.0.0.0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
