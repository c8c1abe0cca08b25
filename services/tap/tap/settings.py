"""What the tap is told by its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
LEAST_SPOOL_MIB = 16
_LINK_NAME = re.compile(r"[a-z][a-z0-9-]*")
_LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ - 1


class SettingsError(ValueError):
    """An environment variable is missing or wrong; the text names it and what it should hold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`links` maps each link's name to the interface that carries it; `spool_limit` is in bytes, for all of them."""

    links: Mapping[str, str]
    spool_limit: int
    spool: Path
    control: Path


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings in LINKS, SPOOL_MIB and, for a tap outside its container, SPOOL and CONTROL.

    Raises SettingsError.
    """
    return Settings(
        links=_links(environment.get("LINKS", "")),
        spool_limit=_spool_mib(environment.get("SPOOL_MIB", "")) * MIB,
        spool=Path(environment.get("SPOOL", "/spool")),
        control=Path(environment.get("CONTROL", "/run/tap/tap.sock")),
    )


def _links(text: str) -> dict[str, str]:
    links: dict[str, str] = {}
    for word in text.split():
        name, equals, interface = word.partition("=")
        if not equals or not _LINK_NAME.fullmatch(name) or not 0 < len(interface) <= _LONGEST_INTERFACE_NAME:
            raise SettingsError(f"LINKS: {word!r} is not <link>=<interface> (an interface has up to 15 characters)")
        if name in links or interface in links.values():
            raise SettingsError(f"LINKS: {word!r} names a link or an interface a second time")
        links[name] = interface
    if not links:
        raise SettingsError("LINKS is empty: expected one or more <link>=<interface>")
    return links


def _spool_mib(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < LEAST_SPOOL_MIB:
        raise SettingsError(f"SPOOL_MIB is {text!r}: expected a whole number of MiB, {LEAST_SPOOL_MIB} or more")
    return int(text)
