"""The TLS 1.3 key schedule of one connection, as its handshake goes on. Both sides run the same; all is noted."""

from __future__ import annotations

from glassbox.intermediate import Ledger
from glassbox.keyschedule import tls13
from glassbox.records import Tls13Protection
from glassbox.suites import CipherSuite

_TRANSCRIPT = "RFC 8446, 4.4.1"
_FINISHED = "RFC 8446, 4.4.4"
_KEYS = "RFC 8446, 7.3"


class HandshakeSecrets:
    """From ServerHello on."""

    def __init__(
        self,
        suite: CipherSuite,
        ledger: Ledger,
        *,
        psk: bytes | None,
        shared_secret: bytes | None,
        server_hello_hash: bytes,
    ) -> None:
        self.suite = suite
        self._hash = suite.hash
        self._ledger = ledger
        if psk is not None:
            ledger.note("psk", "RFC 8446, 4.6.1", psk)
        if shared_secret is not None:
            ledger.note("shared_secret", "RFC 8446, 7.4", shared_secret)
        early = tls13.early_stage(self._hash, psk)
        ledger.note_stage(early)
        ledger.note("transcript_hash_to_server_hello", _TRANSCRIPT, server_hello_hash)
        self._stage = tls13.handshake_stage(self._hash, early, shared_secret, server_hello_hash)
        ledger.note_stage(self._stage)

    def client_protection(self) -> Tls13Protection:
        return self._protection("client_handshake", self._stage.client_handshake_traffic_secret)

    def server_protection(self) -> Tls13Protection:
        return self._protection("server_handshake", self._stage.server_handshake_traffic_secret)

    def server_verify_data(self, transcript_hash: bytes) -> bytes:
        return self._verify_data("server", self._stage.server_finished_key, transcript_hash)

    def client_verify_data(self, transcript_hash: bytes) -> bytes:
        return self._verify_data("client", self._stage.client_finished_key, transcript_hash)

    def application(self, server_finished_hash: bytes) -> ApplicationSecrets:
        self._ledger.note("transcript_hash_to_server_finished", _TRANSCRIPT, server_finished_hash)
        stage = tls13.application_stage(self._hash, self._stage.master_secret, server_finished_hash)
        self._ledger.note_stage(stage)
        return ApplicationSecrets(self.suite, self._ledger, self._stage.master_secret, stage)

    def _verify_data(self, who: str, key: bytes, transcript_hash: bytes) -> bytes:
        value = tls13.verify_data(self._hash, key, transcript_hash)
        self._ledger.note(f"transcript_hash_before_{who}_finished", _TRANSCRIPT, transcript_hash)
        self._ledger.note(f"{who}_verify_data", _FINISHED, value)
        return value

    def _protection(self, name: str, secret: bytes) -> Tls13Protection:
        return noted_protection(self.suite, self._ledger, name, secret)


class ApplicationSecrets:
    """From the server's Finished on. Traffic secrets move with KeyUpdate (RFC 8446, 7.2)."""

    def __init__(self, suite: CipherSuite, ledger: Ledger, master_secret: bytes, stage: tls13.ApplicationStage) -> None:
        self._suite = suite
        self._ledger = ledger
        self._master_secret = master_secret
        self._traffic = {
            "client": stage.client_application_traffic_secret_0,
            "server": stage.server_application_traffic_secret_0,
        }
        self._updates = {"client": 0, "server": 0}

    def protection(self, who: str) -> Tls13Protection:
        """Of `who`, "client" or "server", as a sender."""
        return noted_protection(self._suite, self._ledger, f"{who}_application", self._traffic[who])

    def updated_protection(self, who: str) -> Tls13Protection:
        """The next one, after a KeyUpdate of `who`."""
        self._updates[who] += 1
        self._traffic[who] = tls13.next_traffic_secret(self._suite.hash, self._traffic[who])
        name = f"{who}_application_traffic_secret_{self._updates[who]}"
        self._ledger.note(name, "RFC 8446, 7.2", self._traffic[who])
        return self.protection(who)

    def resumption_master_secret(self, client_finished_hash: bytes) -> bytes:
        self._ledger.note("transcript_hash_to_client_finished", _TRANSCRIPT, client_finished_hash)
        secret = tls13.resumption_master_secret(self._suite.hash, self._master_secret, client_finished_hash)
        self._ledger.note("resumption_master_secret", "RFC 8446, 7.1", secret)
        return secret


def noted_protection(suite: CipherSuite, ledger: Ledger, name: str, traffic_secret: bytes) -> Tls13Protection:
    """The protection under a traffic secret, its key and IV noted."""
    keys = tls13.traffic_keys(suite.hash, traffic_secret, suite.cipher.key_length)
    ledger.note(f"{name}_key", _KEYS, keys.key)
    ledger.note(f"{name}_iv", _KEYS, keys.iv)
    return Tls13Protection(suite.cipher, keys.key, keys.iv)
