"""The ledger's secrets as an NSS key log (RFC 9850): what Wireshark needs to open the same records."""

from __future__ import annotations

from glassbox.intermediate import Ledger

_LABELS = {
    "client_early_traffic_secret": "CLIENT_EARLY_TRAFFIC_SECRET",
    "client_handshake_traffic_secret": "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "server_handshake_traffic_secret": "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "client_application_traffic_secret_0": "CLIENT_TRAFFIC_SECRET_0",
    "server_application_traffic_secret_0": "SERVER_TRAFFIC_SECRET_0",
    "exporter_master_secret": "EXPORTER_SECRET",
}


def key_log(ledger: Ledger) -> str:
    """One line per secret that a dissector reads."""
    if "client_random" not in ledger:
        return ""
    random = ledger.value("client_random").hex()
    # TLS 1.3 has a master_secret too, but the label CLIENT_RANDOM means TLS 1.2's, from which the key block comes.
    is_1_2 = "client_write_key" in ledger
    labels = {"master_secret": "CLIENT_RANDOM"} if is_1_2 else _LABELS
    return "".join(f"{labels[e.name]} {random} {e.value.hex()}\n" for e in ledger.entries if e.name in labels)
