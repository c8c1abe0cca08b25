"""The key schedule against every value that RFC 8448 prints (sections 3 to 7)."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from glassbox.groups import Group, from_private
from glassbox.keyschedule import tls13
from rfc8448 import HASH, KEY_LENGTH, Step, Trace

SECTIONS = (3, 4, 5, 6, 7)
TRACES = {section: Trace(section) for section in SECTIONS}


def steps(what: str) -> list[ParameterSet]:
    found = []
    for section, trace in TRACES.items():
        for number, step in enumerate(trace.steps):
            if step.what.startswith(what):
                found.append(pytest.param(step, id=f"{section}-{number}-{step.who}"))
    assert found
    return found


@pytest.mark.parametrize("step", steps("derive secret"))
def test_derive_secret(step: Step) -> None:
    label = step.what.split('"')[1].removeprefix("tls13 ")
    made = tls13.derive_secret(HASH, step.values["PRK"], label, step.values["hash"])
    assert made == step.values["expanded"]


@pytest.mark.parametrize("step", steps("extract secret"))
def test_extract(step: Step) -> None:
    salt = step.values.get("salt", bytes(HASH.length))
    assert HASH.hkdf_extract(salt, step.values["IKM"]) == step.values["secret"]


@pytest.mark.parametrize("step", [*steps("derive write traffic keys"), *steps("derive read traffic keys")])
def test_traffic_keys(step: Step) -> None:
    keys = tls13.traffic_keys(HASH, step.values["PRK"], KEY_LENGTH)
    assert (keys.key, keys.iv) == (step.values["key expanded"], step.values["iv expanded"])


@pytest.mark.parametrize("step", steps("calculate finished"))
def test_finished_key(step: Step) -> None:
    assert tls13.finished_key(HASH, step.values["PRK"]) == step.values["expanded"]


@pytest.mark.parametrize("step", steps("generate resumption secret"))
def test_resumption_psk(step: Step) -> None:
    assert tls13.resumption_psk(HASH, step.values["PRK"], step.values["hash"]) == step.values["expanded"]


@pytest.mark.parametrize("section", SECTIONS)
def test_both_private_values_give_the_shared_secret_of_the_trace(section: int) -> None:
    trace = TRACES[section]
    group = Group.SECP256R1 if section == 5 else Group.X25519
    client, server = (
        from_private(group, trace.value("create an ephemeral", "private key", who)) for who in ("client", "server")
    )
    assert client.public_value == trace.value("create an ephemeral", "public key", "client")
    assert client.shared_secret(server.public_value) == trace.shared_secret
    assert server.shared_secret(client.public_value) == trace.shared_secret


def psk_of(section: int) -> bytes | None:
    """Section 4 resumes the session of section 3."""
    return TRACES[3].value("generate resumption secret", "expanded") if section == 4 else None


@pytest.mark.parametrize("section", SECTIONS)
def test_the_whole_schedule_from_shared_secret_and_transcript(section: int) -> None:
    trace = TRACES[section]
    early = tls13.early_stage(HASH, psk_of(section))
    to_server_hello = trace.value('derive secret "tls13 c hs traffic"', "hash")
    handshake = tls13.handshake_stage(HASH, early, trace.shared_secret, to_server_hello)
    to_server_finished = trace.value('derive secret "tls13 c ap traffic"', "hash")
    application = tls13.application_stage(HASH, handshake.master_secret, to_server_finished)
    to_client_finished = trace.value('derive secret "tls13 res master"', "hash")

    def printed(label: str) -> bytes:
        return trace.value(f'derive secret "tls13 {label}"', "expanded")

    assert early.early_secret == trace.value('extract secret "early"', "secret")
    assert handshake.handshake_secret == trace.value('extract secret "handshake"', "secret")
    assert handshake.client_handshake_traffic_secret == printed("c hs traffic")
    assert handshake.server_handshake_traffic_secret == printed("s hs traffic")
    assert handshake.server_finished_key == trace.value("calculate finished", "expanded", "server")
    assert handshake.client_finished_key == trace.value("calculate finished", "expanded", "client")
    assert handshake.master_secret == trace.value('extract secret "master"', "secret")
    assert application.client_application_traffic_secret_0 == printed("c ap traffic")
    assert application.server_application_traffic_secret_0 == printed("s ap traffic")
    assert application.exporter_master_secret == printed("exp master")
    resumption = tls13.resumption_master_secret(HASH, handshake.master_secret, to_client_finished)
    assert resumption == printed("res master")


def test_early_data_of_the_resumed_handshake() -> None:
    trace = TRACES[4]
    early = tls13.early_stage(HASH, psk_of(4))
    client_hello_hash = trace.value('derive secret "tls13 c e traffic"', "hash")
    stage = tls13.early_data_stage(HASH, early, client_hello_hash)
    assert stage.client_early_traffic_secret == trace.value('derive secret "tls13 c e traffic"', "expanded")
    assert stage.early_exporter_master_secret == trace.value('derive secret "tls13 e exp master"', "expanded")


def test_psk_binder_of_the_resumed_handshake() -> None:
    binder = TRACES[4].all("calculate PSK binder")[0].values
    key = tls13.binder_key(HASH, tls13.early_stage(HASH, psk_of(4)))
    assert key == binder["PRK"]
    assert HASH.digest(binder["ClientHello prefix"]) == binder["binder hash"]
    made = tls13.verify_data(HASH, tls13.finished_key(HASH, key), binder["binder hash"])
    assert made == binder["finished"]
