"""I: what a server's key, stolen after the visit, opens of the visit; and what a stolen ticket key does."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from by_hand import Conversation, conversation, conversations, logged, told
from experiment import Experiment
from glass_host import HOST as GLASS_HOST
from glass_host import URL as GLASS_URL
from glass_host import glass_host, openssl_host
from glassbox.extensions import read_pre_shared_key
from glassbox.groups import Group, from_private
from glassbox.intermediate import Ledger
from glassbox.messages import Extension, find
from glassbox.recorded import opens
from glassbox.session_ticket import open_ticket
from glassbox.suites import KeyExchange
from live_lab import SITE, Lab, Recording
from thief import candidates, reads, steal_private_key, steal_ticket_keys, tshark_reads
from victims import WEAK, WEAK_HOST, curl

PATH = "/echo?word=the-needle-of-the-past"
URL = f"{WEAK}{PATH}"
RSA = ("--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256")
EPHEMERAL = {
    "ECDHE, TLS 1.2": ("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"),
    "DHE, TLS 1.2": ("--tls-max", "1.2", "--ciphers", "DHE-RSA-AES128-GCM-SHA256"),
    "x25519, TLS 1.3": ("--tlsv1.3",),
}


def asked_for(path: str, data: bytes) -> bool:
    return data.startswith(f"GET {path} HTTP/1.1\r\n".encode())


def visit(lab: Lab, about: str, *options: str) -> tuple[Recording, Conversation, str]:
    """curl's visit of the weak listener, recorded; curl's key log is in the capture, and kept from the thief."""
    with lab.recording(about) as recording:
        _, keylog = curl(lab, recording, URL, "--http1.1", *options)
    return recording, conversation(recording, WEAK_HOST), keylog


@pytest.mark.claim("I1")
def test_a_key_stolen_afterwards_opens_what_was_exchanged_with_rsa(lab: Lab, experiment: Experiment) -> None:
    """Does the server's private key, stolen after the visit, give the plain text, whatever the randoms?"""
    recording, victim, keylog = visit(lab, "RSA key exchange, TLS 1.2", *RSA)
    experiment.asked(
        f"curl: GET {PATH} of the weak listener with TLS_RSA_WITH_AES_128_GCM_SHA256; then its key is stolen"
    )
    assert victim.recorded.suite.name == "TLS_RSA_WITH_AES_128_GCM_SHA256"
    assert tshark_reads(recording, "edge", None) == [], "without the key there is nothing to read"
    key = steal_private_key(lab, "weak")
    assert isinstance(key, rsa.RSAPrivateKey)

    opened = reads(victim, key)
    assert opened is not None and asked_for(PATH, opened.client_data)
    assert b"the-needle-of-the-past" in opened.server_data
    experiment.saw(
        "by hand: the stolen key deciphers ClientKeyExchange, and that opens the request", recording, victim.frames
    )
    assert tshark_reads(recording, "edge", key) == [PATH]
    experiment.saw("tshark reads the same with the stolen key and no key log", recording, victim.frames)

    (pre_master_secret,) = candidates(victim.recorded, key)
    master = victim.recorded.master_secret(pre_master_secret, Ledger())
    assert master == logged(keylog, "CLIENT_RANDOM", victim.client_random)
    experiment.saw(
        f"both randoms are there for everybody: {victim.client_random.hex()[:16]}..., "
        f"{victim.recorded.server_hello.random.hex()[:16]}...; deciphered secret and randoms give curl's master secret",
        recording,
        victim.hellos,
    )


@pytest.mark.claim("I2")
@pytest.mark.parametrize("kind", EPHEMERAL)
def test_the_same_theft_opens_nothing_after_an_ephemeral_exchange(lab: Lab, experiment: Experiment, kind: str) -> None:
    """Does the same stolen key open a visit whose secret came from Diffie-Hellman with keys made for it alone?"""
    recording, victim, keylog = visit(lab, kind, *EPHEMERAL[kind])
    control, easy, _ = visit(lab, "the control: RSA key exchange", *RSA)
    experiment.asked(f"curl: GET {PATH} of the weak listener with {kind}; then its key is stolen")
    key = steal_private_key(lab, "weak")

    assert reads(victim, key) is None
    assert tshark_reads(recording, "edge", key) == []
    experiment.saw(f"{kind}: neither by hand nor in tshark does the key open a record", recording, victim.hellos)

    opened = reads(easy, key)
    assert opened is not None and asked_for(PATH, opened.client_data)
    assert tshark_reads(control, "edge", key) == [PATH]
    experiment.control("the same thief with the same key reads a visit with RSA key exchange", control, easy.frames)
    with_log = _opened_with_log(victim, keylog)
    assert asked_for(PATH, with_log)
    experiment.control("the request was in those records: curl's own secrets open them", recording, victim.frames)


def _opened_with_log(victim: Conversation, keylog: str) -> bytes:
    recorded, random = victim.recorded, victim.client_random
    if recorded.is_1_3:
        return recorded.open_13_with(lambda label: logged(keylog, label, random)).client_data
    return recorded.open_12(logged(keylog, "CLIENT_RANDOM", random), Ledger()).client_data


@pytest.mark.claim("I2")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_the_sites_own_key_opens_none_of_its_visits(lab: Lab, experiment: Experiment, tls: str) -> None:
    """Does the site's elliptic key open a visit to the site, if it is taken for its half of the exchange?"""
    url = f"{SITE.rstrip('/')}{PATH}"
    with lab.recording(f"the site over P-256, TLS {tls}") as recording:
        answer = recording.visit(url, with_="glassbox", tls=tls, glassbox={"groups": ["secp256r1"]})
    victim = conversation(recording, "parseltongue.co.in")
    experiment.asked(f"glass box: GET {PATH} of the site over P-256, TLS {tls}; then the site's key is stolen")
    key = steal_private_key(lab, "site")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    clients_side = from_private(Group.SECP256R1, told(answer)["client_private_value"]).shared_secret(point)
    assert candidates(victim.recorded, key) == [clients_side], "what both would share if the key were the exchange's"
    assert reads(victim, key) is None
    experiment.saw("the certificate's key is not the exchange's: it opens no record", recording, victim.hellos)
    secret, ledger = told(answer)["shared_secret"], Ledger()
    recorded = victim.recorded
    opened = (
        recorded.open_13(secret, ledger)
        if recorded.is_1_3
        else recorded.open_12(recorded.master_secret(secret, ledger), ledger)
    )
    assert asked_for(PATH, opened.client_data)
    experiment.control("the ephemeral exchange's own secret opens all of them", recording, victim.frames)
    _ephemeral_key_opens(lab, experiment)


def _ephemeral_key_opens(lab: Lab, experiment: Experiment) -> None:
    """The same thief with the key that he would need. HAProxy tells its ephemeral keys to nobody, the glass host does;
    it speaks TLS 1.3 only."""
    with glass_host(lab) as server, lab.recording("a server that tells its ephemeral key") as recording:
        answer = recording.visit(GLASS_URL, with_="glassbox", tls="1.3", glassbox={"groups": ["secp256r1"]})
        end = server.end()
    assert answer["exit_code"] == 0, answer["error"]
    victim = conversation(recording, GLASS_HOST)
    ephemeral = ec.derive_private_key(int.from_bytes(end["intermediates"]["server_private_value"]), ec.SECP256R1())
    opened = reads(victim, ephemeral)
    assert opened is not None and asked_for("/", opened.client_data)
    experiment.control("the same thief, given a server's ephemeral key, reads its visit", recording, victim.frames)
    certificates = steal_private_key(lab, "glass")
    assert isinstance(certificates, ec.EllipticCurvePrivateKey)
    assert reads(victim, certificates) is None
    experiment.saw("and with that server's certificate's key he reads none of it", recording, victim.hellos)


@pytest.mark.claim("I3")
def test_it_is_the_ephemeral_exchange_that_protects_the_past_and_not_the_randoms(
    lab: Lab, experiment: Experiment
) -> None:
    """Two fresh randoms in both visits: which of the two does a stolen key open?"""
    experiment.asked("two visits by curl, RSA and ECDHE in TLS 1.2, same suite otherwise; then the key is stolen")
    visits = {
        "RSA": visit(lab, "RSA, and two randoms", *RSA),
        "ECDHE": visit(lab, "ECDHE, and two randoms", *EPHEMERAL["ECDHE, TLS 1.2"]),
    }
    key = steal_private_key(lab, "weak")
    randoms = set()
    for kind, (recording, victim, _) in visits.items():
        pair = (victim.client_random, victim.recorded.server_hello.random)
        randoms |= set(pair)
        experiment.saw(f"{kind}: both sides sent a fresh random, in the clear", recording, victim.hellos)
    assert len(randoms) == 4, "all four are fresh"
    rsa_recording, rsa_victim, _ = visits["RSA"]
    opened = reads(rsa_victim, key)
    assert opened is not None and asked_for(PATH, opened.client_data)
    experiment.control("RSA: the stolen key opens it, fresh randoms or not", rsa_recording, rsa_victim.frames)
    recording, victim, keylog = visits["ECDHE"]
    assert reads(victim, key) is None
    assert asked_for(PATH, _opened_with_log(victim, keylog))
    experiment.saw("ECDHE: the stolen key opens nothing; what differs is the exchange alone", recording, victim.frames)
    experiment.myth(
        "fresh randoms on both sides keep recorded visits safe when the server's key is stolen later",
        "they were there in both visits, readable; the one with RSA key exchange was opened all the same. Randoms make "
        "each session's keys its own; what protects the past is the ephemeral exchange, whose private values are gone",
    )


@pytest.mark.claim("I2")
def test_a_stolen_ticket_key_opens_an_ephemeral_exchange_of_tls_1_2(lab: Lab, experiment: Experiment) -> None:
    """What does the key of session tickets, stolen afterwards, open of a TLS 1.2 visit with ECDHE?"""
    with lab.recording("ECDHE with a ticket, TLS 1.2") as recording:  # curl's TLS 1.2 wants no tickets; Python's does
        keylog = recording.visit(URL, with_="python", http="1.1", tls="1.2")["keylog"]
    victim = conversation(recording, WEAK_HOST)
    assert victim.recorded.suite.key_exchange is KeyExchange.ECDHE
    experiment.asked(
        f"Python: GET {PATH} with ECDHE, TLS 1.2; the server hands out a ticket; then its ticket keys are stolen"
    )
    assert reads(victim, steal_private_key(lab, "weak")) is None, "the certificate's key opens nothing"
    session = open_ticket(victim.recorded.ticket_12, steal_ticket_keys(lab))
    assert session.secret == logged(keylog, "CLIENT_RANDOM", victim.client_random)
    opened = victim.recorded.open_12(session.secret, Ledger())
    assert asked_for(PATH, opened.client_data)
    experiment.saw(
        "the ticket went over the wire in the clear; in it, sealed under the ticket key, lies the master secret: "
        "whoever has that key reads the visit in spite of ECDHE",
        recording,
        victim.frames,
    )
    experiment.myth(
        "ECDHE alone gives forward secrecy",
        "in TLS 1.2 only as long as the ticket key is safe: it must be thrown away as often as keys of sessions are",
    )


@pytest.mark.claim("I2")
def test_in_tls_1_3_a_stolen_ticket_key_gives_the_psk_and_no_record(lab: Lab, experiment: Experiment) -> None:
    """What does the key of session tickets, stolen afterwards, open of TLS 1.3 visits?"""
    modes = {"connections": "resumed", "psk_modes": ["psk_dhe_ke"]}
    with lab.recording("two visits, the second resumed, TLS 1.3") as recording:
        answer = recording.visit([URL, URL], with_="glassbox", tls="1.3", glassbox=modes)
    first, second = conversations(recording, WEAK_HOST)
    experiment.asked(
        f"glass box: GET {PATH} twice over TLS 1.3, the second time resumed; then the ticket keys are stolen"
    )
    offer = find(second.recorded.client_hello.extensions, Extension.PRE_SHARED_KEY)
    assert offer is not None
    session = open_ticket(read_pre_shared_key(offer).identity, steal_ticket_keys(lab))
    psk, shared_secret = told(answer, 2)["psk"], told(answer, 2)["shared_secret"]
    assert session.secret == psk
    experiment.control("the ticket in the second ClientHello opens: it holds the PSK", recording, second.hellos)

    for recorded in (first.recorded, second.recorded):
        for secret in (None, psk, bytes(32)):
            assert opens(lambda r=recorded, s=secret: r.open_13(s, Ledger(), psk=session.secret)) is None  # type: ignore[misc]
    experiment.saw("with the PSK alone neither visit's records open", recording, [*first.hellos, *second.hellos])
    opened = second.recorded.open_13(shared_secret, Ledger(), psk=session.secret)
    assert asked_for(PATH, opened.client_data)
    experiment.control("PSK and the ephemeral secret together open the second visit", recording, second.frames)
    experiment.myth(
        "a ticket key is as bad to lose in TLS 1.3 as in 1.2",
        "resumption here means psk_dhe_ke: a fresh exchange beside the PSK. With psk_ke it is as bad (the next test), "
        "but HAProxy never chooses that; and for early data it would be, which the weak listener does not take",
    )


@pytest.mark.claim("I2")
def test_a_psk_that_stands_alone_has_no_forward_secrecy(lab: Lab, experiment: Experiment) -> None:
    """What does a ticket's PSK open where both sides resume without a fresh exchange?"""
    url, modes = f"{GLASS_URL}needle", ["psk_ke"]
    with openssl_host(lab, "-allow_no_dhe_kex"), lab.recording("a session resumed with its PSK alone") as recording:
        answer = recording.visit(
            [url, url], with_="glassbox", tls="1.3", glassbox={"connections": "resumed", "psk_modes": modes}
        )
    assert answer["exit_code"] == 0, answer["error"]
    first, second = conversations(recording, GLASS_HOST)
    psk = told(answer, 2)["psk"]
    experiment.asked(
        "glass box to openssl s_server, which allows psk_ke: GET twice, the second time resumed; the PSK is what a "
        "stolen ticket key would give (s_server keeps its own in memory, so the client tells it)"
    )
    assert find(second.recorded.server_hello.extensions, Extension.KEY_SHARE) is None
    opened = second.recorded.open_13(None, Ledger(), psk=psk)
    assert asked_for("/needle", opened.client_data)
    experiment.saw("ServerHello has no key share: the PSK alone opens every record", recording, second.frames)
    assert opens(lambda: first.recorded.open_13(None, Ledger(), psk=psk)) is None
    experiment.saw("the visit before it, made with a fresh exchange, stays closed", recording, first.hellos)
