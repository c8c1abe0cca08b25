"""The tap's environment: read whole, or refused with the variable's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap.settings import SettingsError, settings_from

GOOD = {"LINKS": "home=h2-home internet=h2-inet", "SPOOL_MIB": "64"}


def test_links_and_limit_are_read() -> None:
    settings = settings_from(GOOD)
    assert settings.links == {"home": "h2-home", "internet": "h2-inet"}
    assert settings.spool_limit == 64 * 1024 * 1024


def test_spool_and_socket_stand_where_the_container_mounts_them_unless_told() -> None:
    assert settings_from(GOOD).spool == Path("/spool")
    assert settings_from(GOOD | {"SPOOL": "/x", "CONTROL": "/y"}).control == Path("/y")


@pytest.mark.parametrize(
    ("links", "named"),
    [
        ("", "LINKS is empty"),
        ("   ", "LINKS is empty"),
        ("home", "'home'"),
        ("home=", "'home='"),
        ("=h2-home", "'=h2-home'"),
        ("../home=h2-home", "'../home=h2-home'"),
        ("home=an-interface-that-is-too-long", "15 characters"),
        ("home=a home=b", "'home=b' names a link"),
        ("home=a edge=a", "'edge=a' names a link"),
    ],
)
def test_links_that_make_no_sense_are_refused_by_name(links: str, named: str) -> None:
    with pytest.raises(SettingsError, match="LINKS") as refusal:
        settings_from(GOOD | {"LINKS": links})
    assert named in str(refusal.value)


@pytest.mark.parametrize("size", ["", "1g", "-5", "15", "1.5", "²"])
def test_a_limit_that_makes_no_sense_is_refused_with_what_was_found(size: str) -> None:
    with pytest.raises(SettingsError, match="SPOOL_MIB") as refusal:
        settings_from(GOOD | {"SPOOL_MIB": size})
    assert repr(size) in str(refusal.value)
