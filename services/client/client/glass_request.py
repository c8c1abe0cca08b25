"""What a visit may ask of the glass box's handshake: the object "glassbox" in POST /visits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from glassbox.errand import Connections
from glassbox.groups import Group
from glassbox.offer import PSK_DHE_KE, PSK_KE, Offer
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3
from hostkit.agent import BadRequest

_SUITES = {suite.name: suite.number for suite in SUITES.values()}
_GROUPS = {group.name.lower(): group for group in Group}
_PSK_MODES = {"psk_ke": PSK_KE, "psk_dhe_ke": PSK_DHE_KE}
_VERSIONS = {"1.2": (TLS_1_2,), "1.3": (TLS_1_3,), None: (TLS_1_3, TLS_1_2)}


@dataclass(frozen=True, slots=True)
class Glass:
    """Names as registered. Empty lists stand for everything that the glass box speaks."""

    suites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    shares: tuple[str, ...] = ("x25519",)
    """Groups for which a key share goes along; one that is in `groups` alone costs a HelloRetryRequest."""
    psk_modes: tuple[str, ...] = ("psk_dhe_ke",)
    extended_master_secret: bool = True
    encrypt_then_mac: bool = True
    connections: Connections = Connections.SHARED


def read_glass(value: Any) -> Glass:
    """The object. Raises BadRequest."""
    if not isinstance(value, Mapping):
        raise BadRequest("glassbox: expected an object")
    known = [each.name for each in fields(Glass)]
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise BadRequest(f"glassbox: unknown {unknown[0]!r}; known: {', '.join(known)}")
    groups = _names(value, "groups", _GROUPS, ())
    return Glass(
        suites=_names(value, "suites", _SUITES, ()),
        groups=groups,
        shares=_names(value, "shares", _GROUPS, groups[:1] or ("x25519",)),
        psk_modes=_names(value, "psk_modes", _PSK_MODES, ("psk_dhe_ke",)),
        extended_master_secret=_flag(value, "extended_master_secret"),
        encrypt_then_mac=_flag(value, "encrypt_then_mac"),
        connections=_connections(value),
    )


def offer_of(glass: Glass, tls: str | None) -> Offer:
    """The offer; the server's name is filled in per connection."""
    return Offer(
        server_name="",
        versions=_VERSIONS[tls],
        suites=tuple(_SUITES[name] for name in glass.suites) or tuple(SUITES),
        groups=tuple(_GROUPS[name] for name in glass.groups) or tuple(Group),
        shares=tuple(_GROUPS[name] for name in glass.shares),
        psk_modes=tuple(_PSK_MODES[name] for name in glass.psk_modes),
        extended_master_secret=glass.extended_master_secret,
        encrypt_then_mac=glass.encrypt_then_mac,
    )


def _names(value: Mapping[str, Any], field: str, known: Mapping[str, int], default: tuple[str, ...]) -> tuple[str, ...]:
    names = value.get(field, list(default))
    if not isinstance(names, list) or not all(isinstance(name, str) and name in known for name in names):
        raise BadRequest(f"glassbox: {field}: expected a list of {', '.join(known)}; found {names!r:.80}")
    return tuple(names)


def _flag(value: Mapping[str, Any], field: str) -> bool:
    flag = value.get(field, True)
    if not isinstance(flag, bool):
        raise BadRequest(f"glassbox: {field}: expected true or false, found {flag!r:.40}")
    return flag


def _connections(value: Mapping[str, Any]) -> Connections:
    chosen = value.get("connections", Connections.SHARED)
    if chosen not in [*Connections]:
        raise BadRequest(f"glassbox: connections: expected {' or '.join(Connections)}, found {chosen!r:.40}")
    return Connections(chosen)
