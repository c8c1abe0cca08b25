"""Chromium's command line and preferences for a visit. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from client.destinations import Origin
from client.visit import HttpVersion, TlsVersion, Visit

# Each of these would send packets of its own, or change what the visited site sees.
_FEATURES_OFF = (
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "DnsOverHttps",
    "HttpsFirstBalancedMode",  # http:// stays http://
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NavigationPredictor",
    "NetworkTimeServiceQuerying",
    "OptimizationGuideModelDownloading",
    "OptimizationHints",
    "PreconnectToSearch",
    "Translate",
)
_QUIET = (
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--password-store=basic",
)
_VERSION = {
    HttpVersion.HTTP_1_1: ["--disable-http2", "--disable-quic"],
    HttpVersion.HTTP_2: ["--disable-quic"],
    HttpVersion.HTTP_3: ["--enable-quic"],
}
_TLS = {
    None: [],
    TlsVersion.TLS_1_2: ["--ssl-version-max=tls1.2"],
    TlsVersion.TLS_1_3: ["--ssl-version-min=tls1.3"],
}

PREFERENCES = {
    "alternate_error_pages": {"enabled": False},  # no probe for google.com when a name does not exist
    "net": {"network_prediction_options": 2},  # no connections in advance
    "signin": {"allowed": False},
}
"""The profile's Preferences file."""


def chromium_command(program: str, visit: Visit, origins: Iterable[Origin], *, profile: str, keylog: str) -> list[str]:
    """The arguments, program first. DevTools are spoken on file descriptors 3 (to Chromium) and 4 (from it).

    --no-sandbox: Chromium's sandbox needs user namespaces or a setuid helper; the container has neither, by intent, and
    is itself what confines the browser. Host names other than the visited sites' resolve to nothing, so whatever else
    Chromium would like to talk to, no packet leaves for it.
    """
    origins = list(dict.fromkeys(origins))
    return [
        *(
            program,
            "--headless",
            "--no-sandbox",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--hide-scrollbars",
            "--log-level=3",
        ),
        *(f"--user-data-dir={profile}", f"--ssl-key-log-file={keylog}"),
        *_QUIET,
        f"--disable-features={','.join(_FEATURES_OFF)}",
        f"--host-resolver-rules={_resolver_rules(origins)}",
        *([] if visit.alt_svc else _VERSION[visit.http]),
        *_force_quic(visit, origins),
        *_TLS[visit.tls],
        "about:blank",
    ]


def _resolver_rules(origins: Iterable[Origin]) -> str:
    hosts = dict.fromkeys(origin.host for origin in origins)
    exceptions = [f"EXCLUDE {pattern}" for host in hosts for pattern in (host, f"*.{host}")]
    return ", ".join(["MAP * ~NOTFOUND", *exceptions])


def _force_quic(visit: Visit, origins: Iterable[Origin]) -> list[str]:
    if visit.alt_svc:
        # Hosts named here may do QUIC with a private CA; at this port nobody is, so nothing is forced.
        return [f"--origin-to-force-quic-on={','.join(f'{origin.host}:1' for origin in origins)}"]
    if visit.http is not HttpVersion.HTTP_3:
        return []
    # Otherwise HTTP/3 comes only after an Alt-Svc (RFC 7838), and never from a private CA.
    return [f"--origin-to-force-quic-on={','.join(f'{origin.host}:{origin.port}' for origin in origins)}"]
