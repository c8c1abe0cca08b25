"""Recorded connections read with a secret: those of RFC 8448; a wrong secret reads nothing."""

from __future__ import annotations

import pytest

from glassbox.intermediate import Ledger
from glassbox.recorded import Recorded, opens
from rfc8448 import Trace


def recorded(trace: Trace) -> Recorded:
    return Recorded(b"".join(trace.records("client")), b"".join(trace.records("server")))


@pytest.mark.parametrize("section", [3, 5, 6, 7])
def test_the_shared_secret_opens_every_record_of_the_trace(section: int) -> None:
    trace, ledger = Trace(section), Ledger()
    opened = recorded(trace).open_13(trace.shared_secret, ledger)
    for who, found in (("client", opened.client), ("server", opened.server)):
        protected = [plain for sender, record, plain in trace.wire() if sender == who and record[0] == 23]
        assert [content for _, content in found] == protected
    assert ledger.value("resumption_master_secret") == trace.value('derive secret "tls13 res master"', "expanded")


@pytest.mark.parametrize("section", [3, 5, 6, 7])
def test_the_four_traffic_secrets_of_a_key_log_do_as_well(section: int) -> None:
    trace = Trace(section)
    labels = {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "c hs traffic",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": "s hs traffic",
        "CLIENT_TRAFFIC_SECRET_0": "c ap traffic",
        "SERVER_TRAFFIC_SECRET_0": "s ap traffic",
    }
    opened = recorded(trace).open_13_with(
        lambda label: trace.value(f'derive secret "tls13 {labels[label]}"', "expanded")
    )
    assert opened == recorded(trace).open_13(trace.shared_secret, Ledger())


def test_any_other_secret_opens_nothing() -> None:
    trace = Trace(3)
    wrong = bytes([trace.shared_secret[0] ^ 1]) + trace.shared_secret[1:]
    assert opens(lambda: recorded(trace).open_13(wrong, Ledger())) is None
    assert opens(lambda: recorded(trace).open_13(trace.shared_secret, Ledger())) is not None
