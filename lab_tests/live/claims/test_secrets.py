"""H: the secret that nobody sends - where it comes from, who can know it, and that it opens what was captured."""

from __future__ import annotations

import math
import secrets
import time
from itertools import chain
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from by_hand import Conversation, conversation, conversations, logged, told
from eavesdropper import Eavesdropper
from experiment import Experiment
from glass_host import HOST as GLASS_HOST
from glass_host import URL as GLASS_URL
from glass_host import glass_host
from glassbox.extensions import read_key_share, read_key_shares, read_pre_shared_key
from glassbox.groups import Group, from_private
from glassbox.intermediate import Ledger
from glassbox.keyschedule import tls12, tls13
from glassbox.messages import Extension, find
from live_lab import SITE, Lab, Recording
from observer.connections import Resumption
from observer.topology import LINKS
from rfc8448 import HASH, Trace
from thief import candidates, steal_private_key
from toy_groups import (
    Broken,
    Search,
    ToyGroup,
    by_giant_steps,
    by_trial,
    growth,
    plot,
    table,
    timed,
    toy_group,
    years,
)
from victims import WEAK, WEAK_HOST, curl

FRONT = ("home", "internet", "edge")
NEEDLE = "/echo?word=needle-of-glass"
NEVER_SENT = ("client_private_value", "server_private_value", "shared_secret", "pre_master_secret", "master_secret")

# TLS version and group; the weak listener alone has finite fields.
EXCHANGES = {
    "x25519, TLS 1.3": ("1.3", {"groups": ["x25519"]}),
    "P-256, TLS 1.3": ("1.3", {"groups": ["secp256r1"]}),
    "ffdhe2048, TLS 1.3": ("1.3", {"groups": ["ffdhe2048"]}),
    "x25519, TLS 1.2": ("1.2", {"groups": ["x25519"], "suites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]}),
    "finite field, TLS 1.2": ("1.2", {"suites": ["TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"]}),
}


def is_request(data: bytes) -> bool:
    return data.startswith(f"GET {NEEDLE} HTTP/1.1\r\n".encode())


@pytest.mark.claim("H1")
@pytest.mark.parametrize("kind", EXCHANGES)
def test_public_values_are_in_the_capture_and_nothing_secret_is(lab: Lab, experiment: Experiment, kind: str) -> None:
    """What of the key exchange does somebody on the path get to see?"""
    tls, glass = EXCHANGES[kind]
    with lab.recording(f"a key exchange: {kind}") as recording:
        answer = recording.visit(f"{WEAK}{NEEDLE}", with_="glassbox", tls=tls, glassbox=glass)
    values = told(answer)
    experiment.asked(f"glass box: GET {NEEDLE} with {kind}; its private value and all secrets are known to the test")
    eavesdropper = Eavesdropper(recording)
    for who in ("client", "server"):
        for link in FRONT:
            found = eavesdropper.finds(values[f"{who}_public_value"], link)
            assert found, f"{link}: the {who}'s public value is not there"
            experiment.control(f"the {who}'s public value crossed {link}", recording, found)
    _nothing_secret(eavesdropper, values, LINKS)
    experiment.saw(f"private value, shared secret and what follows from it ({kind}): on no link", recording, [])


def _nothing_secret(eavesdropper: Eavesdropper, values: dict[str, bytes], links: tuple[str, ...]) -> None:
    looked_for = [name for name in values if name in NEVER_SENT or name.endswith(("_traffic_secret", "_key"))]
    assert len(looked_for) >= 4
    for name in looked_for:
        for link in links:
            for needle in (values[name], values[name][::-1]):  # in either order of bytes
                assert not needle or eavesdropper.finds(needle, link) == [], f"{name} crossed {link}"


@pytest.mark.claim("H1", "H2")
@pytest.mark.parametrize("group", Group, ids=lambda group: group.name.lower())
def test_both_sides_compute_the_same_secret_from_what_each_alone_knows(
    lab: Lab, experiment: Experiment, group: Group
) -> None:
    """Does each side's private value with the other's captured public value give one and the same secret?"""
    name = group.name.lower()
    with glass_host(lab) as server, lab.recording(f"both sides tell: {name}") as recording:
        answer = recording.visit(GLASS_URL, with_="glassbox", tls="1.3", glassbox={"groups": [name]})
        end = server.end()
    assert answer["exit_code"] == 0, answer["error"]
    client, server_values = told(answer), end["intermediates"]
    experiment.asked(
        f"glass box to glass box over the lab's links with {name}, both telling their private values "
        "(HAProxy reveals none: that it knows the secret shows in H4 and H5, where it opened and sealed records)"
    )
    found = conversation(recording, GLASS_HOST)
    public = _public_values(found)
    from_client = from_private(group, client["client_private_value"]).shared_secret(public["server"])
    from_server = from_private(group, server_values["server_private_value"]).shared_secret(public["client"])
    assert from_client == from_server == client["shared_secret"] == server_values["shared_secret"]
    experiment.saw(
        f"client's private, server's public; server's private, client's public: {from_client.hex()[:16]}... twice",
        recording,
        found.hellos,
    )
    eavesdropper = Eavesdropper(recording)
    _nothing_secret(eavesdropper, client | server_values, FRONT)  # this server asks no origin
    for who, value in public.items():
        experiment.control(f"the {who}'s public value crossed edge", recording, eavesdropper.finds(value, "edge"))
    experiment.saw("neither of the two private values, nor the secret, on any link", recording, [])


def _public_values(found: Conversation) -> dict[str, bytes]:
    """Both sides' key shares as they were captured."""
    content = find(found.recorded.server_hello.extensions, Extension.KEY_SHARE)
    shares = find(found.recorded.client_hello.extensions, Extension.KEY_SHARE)
    assert content is not None and shares is not None
    group, server = read_key_share(content)
    return {"client": dict(read_key_shares(shares))[group], "server": server}


@pytest.mark.claim("H3")
def test_toy_groups_fall_to_search_and_real_ones_lie_past_all_reach(lab: Lab, experiment: Experiment) -> None:
    """How long does an eavesdropper search for a private value, and how does that grow with the group?"""
    sizes = range(16, 41, 2)
    privates = {bits: [secrets.randbelow(toy_group(bits).q - 2) + 2 for _ in "ab"] for bits in sizes}
    with lab.recording("toy Diffie-Hellman in the clear") as recording:
        for bits, (a, b) in privates.items():
            group = toy_group(bits)
            said = [str(value) for value in (group.p, group.g, pow(group.g, a, group.p), pow(group.g, b, group.p))]
            recording.visit(f"http://plain.parseltongue.co.in/echo?toy={'-'.join(said)}", http="1.1")
    experiment.asked(f"p, g and both public values sent in the clear for primes of {sizes[0]} to {sizes[-1]} bits")

    trials, giants = [], []
    for exchange in recording.exchanges("edge"):
        path = exchange.request.path or ""
        p, g, client_public, server_public = (int(word) for word in path.partition("toy=")[2].split("-"))
        group = toy_group(p.bit_length())
        assert (p, g) == (group.p, group.g)
        found = by_giant_steps(group, client_public)
        a, b = privates[group.bits]
        assert found == a
        assert pow(server_public, found, p) == pow(client_public, b, p), "the eavesdropper has the shared secret"
        giants.append(Broken(group.bits, _time_of_the_last(by_giant_steps, group)))
        if group.bits <= 22:
            trials.append(Broken(group.bits, _time_of_the_last(by_trial, group)))
        if group.bits in (sizes[0], sizes[-1]):
            text = f"from these numbers alone the secret of {group.bits} bits came out in {giants[-1].seconds:.3g} s"
            experiment.saw(text, recording, exchange.request_frame)
    assert [each.bits for each in giants] == list(sizes)
    search, meet = growth(trials), growth([each for each in giants if each.bits >= 24])
    # No upper bounds: how much more a table costs that no longer fits the cache is the machine's business.
    assert 2**search.slope > 1.6, "trial: twice the time per bit"
    assert 2**meet.slope > 1.25, "giant steps: the square root of that, and more where memory gets slow"
    assert meet.slope < search.slope
    told_text = table(trials, giants) + _extrapolated(giants[-1])
    recording.attach("toy-groups.txt", told_text)
    recording.attach("toy-groups.svg", plot(trials, giants))
    experiment.exhibit(told_text)


def _time_of_the_last(search: Search, group: ToyGroup) -> float:
    """CPU seconds until the element that the search comes to last is found."""
    last, seconds = timed(time.process_time, search, group, pow(group.g, group.q - 1, group.p))
    assert last == group.q - 1
    return max(seconds, 1e-6)


def _extrapolated(largest: Broken) -> str:
    """What the largest search leads to at the same time per step, and what is known to be better than search."""
    log2_step = math.log2(largest.seconds) - (largest.bits + 1) / 2  # 2 sqrt(q) steps, and q is half of p
    rows = (
        ("ffdhe2048: 2 sqrt(q) = 2^1024.5 steps", 1024.5),
        # The number field sieve is faster than search modulo primes.
        ("ffdhe2048: 2^112 steps by the best known way (NIST SP 800-57)", 112),
        # Nothing better than a search of square root length is known for x25519; its order has 253 bits.
        ("x25519: 2 sqrt(q) = 2^127 steps", 127),
    )
    lines = [f"  {name:<62} {years(steps + log2_step)}" for name, steps in rows]
    return "  at the time per step of the largest, in this Python on this machine:\n" + "\n".join(lines) + "\n"


SUITES_1_2: dict[str, dict[str, Any]] = {
    "ECDHE, randoms": {"suites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], "extended_master_secret": False},
    "ECDHE, session hash": {"suites": ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]},
    "DHE, randoms": {"suites": ["TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"], "extended_master_secret": False},
    "RSA, CBC, MAC then encrypt": {
        "suites": ["TLS_RSA_WITH_AES_128_CBC_SHA256"],
        "extended_master_secret": False,
        "encrypt_then_mac": False,
    },
    "RSA, CBC, encrypt then MAC": {"suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]},
}


@pytest.mark.claim("H4")
@pytest.mark.parametrize("kind", SUITES_1_2)
def test_in_tls_1_2_pre_master_secret_and_randoms_give_the_keys(lab: Lab, experiment: Experiment, kind: str) -> None:
    """Do the secret of the exchange and the two captured randoms give the key log's secret, and open the records?"""
    with lab.recording(f"TLS 1.2: {kind}") as recording:
        answer = recording.visit(f"{WEAK}{NEEDLE}", with_="glassbox", tls="1.2", glassbox=SUITES_1_2[kind])
    found, values, ledger = conversation(recording, WEAK_HOST), told(answer), Ledger()
    recorded = found.recorded
    experiment.asked(f"glass box: GET {NEEDLE}, TLS 1.2, {recorded.suite.name}; only its pre-master secret is taken")
    master = recorded.master_secret(values["pre_master_secret"], ledger)
    assert master == logged(answer["keylog"], "CLIENT_RANDOM", found.client_random)
    plain = tls12.master_secret(
        recorded.suite.hash, values["pre_master_secret"], recorded.client_hello.random, recorded.server_hello.random
    )
    is_extended = find(recorded.server_hello.extensions, Extension.EXTENDED_MASTER_SECRET) is not None
    assert (plain == master) is not is_extended
    experiment.saw(f"master secret by hand = key log: {master.hex()[:16]}...", recording, found.hellos)
    opened = recorded.open_12(master, ledger)
    assert is_request(opened.client_data) and b"needle-of-glass" in opened.server_data
    for name in ("client_write_key", "server_write_key"):
        assert ledger.value(name) == values[name]
    experiment.saw("the keys made of it open every record, both ways", recording, found.frames)
    if is_extended:
        experiment.myth(
            "the master secret is made of the pre-master secret and the two randoms",
            "not any more: both sides know extended_master_secret (RFC 7627), and with the pre-master secret goes the "
            "hash of all handshake messages so far, in which the randoms are two fields of many",
        )


@pytest.mark.claim("H4")
def test_in_tls_1_2_the_same_comes_out_as_in_openssl(lab: Lab, experiment: Experiment) -> None:
    """Does the schedule by hand give what an independent implementation logged?"""
    with lab.recording("TLS 1.2 by curl, RSA key exchange") as recording:
        _, keylog = curl(lab, recording, f"{WEAK}{NEEDLE}", "--http1.1", "--tls-max", "1.2", "--ciphers", "AES128-SHA")
    found, ledger = conversation(recording, WEAK_HOST), Ledger()
    key = steal_private_key(lab, "weak")
    assert isinstance(key, rsa.RSAPrivateKey)
    (pre_master_secret,) = candidates(found.recorded, key)
    experiment.asked(
        f"curl: GET {NEEDLE} with RSA key exchange; its pre-master secret deciphered with the server's key"
    )
    master = found.recorded.master_secret(pre_master_secret, ledger)
    assert master == logged(keylog, "CLIENT_RANDOM", found.client_random)
    experiment.saw("master secret by hand = OpenSSL's key log", recording, found.hellos)
    assert is_request(found.recorded.open_12(master, ledger).client_data)
    experiment.saw("and it opens the records", recording, found.frames)


SHARES_1_3: dict[str, dict[str, Any]] = {
    "x25519": {"groups": ["x25519"]},
    "P-256 after a HelloRetryRequest": {"groups": ["secp256r1"], "shares": []},
    "P-256, ChaCha20": {"groups": ["secp256r1"], "suites": ["TLS_CHACHA20_POLY1305_SHA256"]},
    "ffdhe2048, SHA-384": {"groups": ["ffdhe2048"], "suites": ["TLS_AES_256_GCM_SHA384"]},
}
LABELS_1_3 = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "client_handshake_traffic_secret",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": "server_handshake_traffic_secret",
    "CLIENT_TRAFFIC_SECRET_0": "client_application_traffic_secret_0",
    "SERVER_TRAFFIC_SECRET_0": "server_application_traffic_secret_0",
    "EXPORTER_SECRET": "exporter_master_secret",
}


@pytest.mark.claim("H5")
@pytest.mark.parametrize("kind", SHARES_1_3)
def test_in_tls_1_3_the_key_schedule_by_hand_opens_the_records(lab: Lab, experiment: Experiment, kind: str) -> None:
    """Does one private value, with what was captured, give the key log's secrets and open every record?"""
    with lab.recording(f"TLS 1.3: {kind}") as recording:
        answer = recording.visit(f"{WEAK}{NEEDLE}", with_="glassbox", tls="1.3", glassbox=SHARES_1_3[kind])
    found, values, ledger = conversation(recording, WEAK_HOST), told(answer), Ledger()
    experiment.asked(f"glass box: GET {NEEDLE}, TLS 1.3, {kind}; only its private value is taken, the rest from frames")
    content = find(found.recorded.server_hello.extensions, Extension.KEY_SHARE)
    assert content is not None
    group, public = read_key_share(content)
    secret = from_private(Group(group), values["client_private_value"]).shared_secret(public)
    opened = found.recorded.open_13(secret, ledger)
    for label, name in LABELS_1_3.items():
        assert ledger.value(name) == logged(answer["keylog"], label, found.client_random), label
    experiment.saw("all five secrets by hand = key log", recording, found.hellos)
    assert is_request(opened.client_data) and b"needle-of-glass" in opened.server_data
    experiment.saw("they open every record, both ways, the handshake's too", recording, found.frames)
    experiment.exhibit("\n".join(f"  {e.name:<40} {e.section:<18} {e.value.hex()}" for e in ledger.entries) + "\n")


@pytest.mark.claim("H5")
def test_in_tls_1_3_openssls_key_log_opens_the_records_by_hand_and_rfc_8448_agrees(
    lab: Lab, experiment: Experiment
) -> None:
    """Do an independent client's secrets open its records by the same code, and does the RFC's own trace agree?"""
    with lab.recording("TLS 1.3 by curl") as recording:
        answer = recording.visit(f"{SITE.rstrip('/')}{NEEDLE}", http="1.1", tls="1.3")
    found = conversation(recording, "parseltongue.co.in")
    experiment.asked(
        f"curl: GET {NEEDLE} of the site, TLS 1.3; its four traffic secrets; then RFC 8448, sections 3 to 7"
    )
    opened = found.recorded.open_13_with(lambda label: logged(answer["keylog"], label, found.client_random))
    assert is_request(opened.client_data)
    experiment.saw("curl's (OpenSSL's) secrets open every record by hand", recording, found.frames)
    checked = 0
    for step in chain.from_iterable(Trace(section).all("derive secret") for section in (3, 4, 5, 6, 7)):
        label = step.what.split('"')[1].removeprefix("tls13 ")
        made = tls13.derive_secret(HASH, step.values["PRK"], label, step.values["hash"])
        assert made == step.values["expanded"]
        checked += 1
    assert checked >= 40
    experiment.saw(f"the same functions give all {checked} secrets that RFC 8448 derives", recording, found.hellos)
    experiment.myth(
        "pre-master secret and two randoms give the session's keys",
        "in TLS 1.3 there is neither: the shared secret goes through HKDF with the hash of the whole handshake",
    )


# Resumed sessions of a batch follow one that makes a full handshake.
BATCHES = (("1.3", "fresh", 60), ("1.2", "fresh", 40), ("1.3", "resumed", 60), ("1.2", "resumed", 40))
RESUMED_BY = {"1.3": Resumption.PSK, "1.2": Resumption.TICKET}
OF_THE_PSK = ("early_secret", "derived_for_handshake")
"""What TLS 1.3 makes of the PSK alone; without one, of zeros (RFC 8446, section 7.1): a constant, no secret."""


@pytest.mark.claim("H6")
def test_no_random_and_no_secret_repeats_over_two_hundred_visits(lab: Lab, experiment: Experiment) -> None:
    """Has every session keys of its own, resumed ones included?"""
    url = f"{SITE}bytes/1"
    answers: list[dict[str, Any]] = []
    with lab.recording("two hundred sessions") as recording:
        for tls, kind, number in BATCHES:
            answers.append(recording.visit([url] * number, with_="glassbox", tls=tls, glassbox={"connections": kind}))
            assert answers[-1]["exit_code"] == 0, answers[-1]["error"]
    experiment.asked(
        "200 sessions with the site: TLS 1.3 and 1.2, half of them resumed; every random, share and secret"
    )
    found = sorted(conversations(recording, "parseltongue.co.in"), key=lambda each: each.hellos[0].time_ns)
    _resumed_as_asked(experiment, recording, found)
    randoms = [hello for each in found for hello in (each.client_random, each.recorded.server_hello.random)]
    assert len(set(randoms)) == 400
    experiment.saw("400 randoms of both sides, no two the same", recording, [f for each in found for f in each.hellos])
    public = [value for each in found if each.recorded.is_1_3 for value in _public_values(each).values()]
    assert len(public) == len(set(public)) == 240
    experiment.saw("240 key shares of TLS 1.3, resumed sessions' too, no two the same", recording, found[0].hellos)
    sessions = [told(answer, at) for answer, (*_, n) in zip(answers, BATCHES, strict=True) for at in range(1, n + 1)]
    values = _values_that_open(found, sessions)
    experiment.saw(
        "what is counted are these sessions' secrets: each one's open all its records, and the request is in them",
        recording,
        [frame for each in found for frame in each.frames],
    )
    masters = values.pop("master_secret of TLS 1.2")
    # The first of a resumed batch makes a full handshake, too.
    assert [(len(seen), len(set(seen))) for seen in (values.pop(f"{name} of zeros") for name in OF_THE_PSK)] == [
        (61, 1),
        (61, 1),
    ]
    for name, seen in values.items():
        assert len(set(seen)) == len(seen), f"{name} repeats"
    # Of each session of TLS 1.3 and of 1.2, and of the resumed ones of TLS 1.3 the PSK and what is made of it alone.
    assert sum(len(seen) for seen in values.values()) == 120 * 24 + 80 * 4 + 59 * 3
    resumed = [each for each in found if each.connection.resumption is Resumption.PSK]
    tickets = [_ticket(each) for each in resumed]
    assert len(tickets) == len(set(tickets)) == 59
    experiment.saw(
        "each resumed session of TLS 1.3 offers a ticket of its own, new since the session before: 59 tickets, 59 PSKs",
        recording,
        [each.hellos[0] for each in resumed],
    )
    assert (len(masters), len(set(masters))) == (80, 41)
    experiment.myth(
        "every session has a master secret of its own",
        "not in TLS 1.2: a resumed session has its first one's (RFC 5246, F.1.4). Its keys are its own all the same, "
        "since the fresh randoms go into them",
    )


def _resumed_as_asked(experiment: Experiment, recording: Recording, found: list[Conversation]) -> None:
    """By the hellos, all sessions that should be were resumed, and no other."""
    expected = [
        RESUMED_BY[tls] if kind == "resumed" and at else None for tls, kind, number in BATCHES for at in range(number)
    ]
    assert [each.connection.resumption for each in found] == expected
    for version, by in RESUMED_BY.items():
        resumed = [each for each in found if each.connection.resumption is by]
        how = "ServerHello takes the PSK" if by is Resumption.PSK else "the session id is echoed, no certificate sent"
        text = f"{len(resumed)} sessions of TLS {version} were resumed: {how}"
        experiment.saw(text, recording, [frame for each in resumed for frame in each.hellos])


def _values_that_open(found: list[Conversation], sessions: list[dict[str, bytes]]) -> dict[str, list[bytes]]:
    """Every value on the way to the keys that open each session's records, by name: made here of the frames and one
    told secret. Fails where a session tells another value than comes out."""
    values: dict[str, list[bytes]] = {}
    for each, session in zip(found, sessions, strict=True):
        ledger, recorded = Ledger(), each.recorded
        if recorded.is_1_3:
            private, public = session["client_private_value"], _public_values(each)["server"]
            secret = from_private(Group(_group_of(each)), private).shared_secret(public)
            opened = recorded.open_13(secret, ledger, psk=session.get("psk"))
            values.setdefault("client_private_value", []).append(private)
        else:
            opened = recorded.open_12(session["master_secret"], ledger)
            values.setdefault("master_secret of TLS 1.2", []).append(session["master_secret"])
        assert opened.client_data.startswith(b"GET /bytes/1 HTTP/1.1\r\n")
        made = {entry.name: entry.value for entry in ledger.entries}
        assert made.items() <= session.items()
        for name, value in made.items():
            is_of_zeros = name in OF_THE_PSK and "psk" not in made
            values.setdefault(f"{name} of zeros" if is_of_zeros else name, []).append(value)
    return values


def _ticket(each: Conversation) -> bytes:
    """By which ticket ClientHello offers to resume a session of TLS 1.3."""
    content = find(each.recorded.client_hello.extensions, Extension.PRE_SHARED_KEY)
    assert content is not None
    return read_pre_shared_key(content).identity


def _group_of(each: Conversation) -> int:
    """The group of TLS 1.3's exchange, by ServerHello."""
    content = find(each.recorded.server_hello.extensions, Extension.KEY_SHARE)
    assert content is not None
    return read_key_share(content)[0]
