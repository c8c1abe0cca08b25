"""Chromium's arguments for a visit."""

from __future__ import annotations

from typing import Any

from client.chromium_command import chromium_command
from client.destinations import Origin
from client.visit import HttpVersion, Program, TlsVersion, Visit

SITE = Origin("https", "parseltongue.co.in", 443)
OTHER = Origin("https", "www.example.in", 8443)


def arguments(*origins: Origin, **parts: Any) -> list[str]:
    visit = Visit("v1", ("https://parseltongue.co.in/",), Program.BROWSER, **parts)
    return chromium_command("/chromium", visit, origins or (SITE,), profile="/tmp/p", keylog="/tmp/k")


def value(option: str, command: list[str]) -> str:
    (found,) = [argument.removeprefix(f"{option}=") for argument in command if argument.startswith(f"{option}=")]
    return found


def test_no_name_resolves_but_the_visited_ones() -> None:
    rules = value("--host-resolver-rules", arguments(SITE, OTHER, SITE))

    assert rules == (
        "MAP * ~NOTFOUND, EXCLUDE parseltongue.co.in, EXCLUDE *.parseltongue.co.in, "
        "EXCLUDE www.example.in, EXCLUDE *.www.example.in"
    )


def test_features_are_switched_off_in_one_list_because_the_last_one_counts() -> None:
    assert "HttpsUpgrades" in value("--disable-features", arguments()).split(",")


def test_keys_and_profile_are_the_visits_own() -> None:
    assert value("--ssl-key-log-file", arguments()) == "/tmp/k"
    assert value("--user-data-dir", arguments()) == "/tmp/p"


def test_the_http_version_is_chosen_by_leaving_the_newer_ones_out() -> None:
    assert {"--disable-http2", "--disable-quic"} <= set(arguments(http=HttpVersion.HTTP_1_1))
    assert "--disable-http2" not in arguments(http=HttpVersion.HTTP_2)
    assert "--disable-quic" in arguments(http=HttpVersion.HTTP_2)
    assert "--enable-quic" in arguments(http=HttpVersion.HTTP_3)


def test_http_3_is_forced_on_the_visited_origins_only() -> None:
    command = arguments(SITE, OTHER, http=HttpVersion.HTTP_3)

    assert value("--origin-to-force-quic-on", command) == "parseltongue.co.in:443,www.example.in:8443"
    assert not any(argument.startswith("--origin-to-force-quic-on") for argument in arguments())


def test_certificate_errors_stay_errors() -> None:
    assert not any("ignore-certificate" in argument for argument in arguments(http=HttpVersion.HTTP_3))


def test_a_tls_version_bounds_the_range() -> None:
    assert value("--ssl-version-max", arguments(tls=TlsVersion.TLS_1_2)) == "tls1.2"
    assert value("--ssl-version-min", arguments(tls=TlsVersion.TLS_1_3)) == "tls1.3"


def test_where_alt_svc_counts_quic_is_allowed_for_the_host_and_not_forced() -> None:
    command = arguments(alt_svc=True)
    assert value("--origin-to-force-quic-on", command) == "parseltongue.co.in:1"
    assert "--disable-quic" not in command
