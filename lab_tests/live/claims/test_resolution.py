"""L: how a name becomes an address, what is remembered of it, and what the client sees when that fails."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from dnslib import DNSRecord

from conversation import Conversation, conversation
from experiment import Experiment
from live_lab import Captured, Lab
from observer.messages import DnsMessage, Frame
from waiting import wait_until

SITE_NAME = "parseltongue.co.in"
TWIN = f"twin.{SITE_NAME}"
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
COULD_NOT_RESOLVE = 6  # curl's exit code


@pytest.fixture
def cold_resolver(lab: Lab) -> None:
    """A resolver with nothing in its cache: a new process."""
    lab.container("resolver").restart(timeout=2)
    lab.wait_until_healthy("resolver")


def unheard_of() -> str:
    """A label that nobody has asked for, and that no cache holds."""
    return f"x{uuid.uuid4().hex[:12]}"


def ask(lab: Lab, name: str, kind: str = "A", timeout_s: float = 8.0) -> None:
    """Have the client ask the resolver one question over UDP. What it is answered is read from frames."""
    lab.datagram("resolver", 53, DNSRecord.question(name, kind).pack(), timeout_s)


def ask_until_fresh(lab: Lab, name: str) -> None:
    """Ask twice a second, so that the capture stays short, until the copy's time to live rises: it is a new one."""
    ttls: list[int] = []

    def fresh() -> bool:
        reply = lab.datagram("resolver", 53, DNSRecord.question(name).pack())
        assert reply is not None
        answer = DNSRecord.parse(reply)
        ttls.append(int((answer.rr or answer.auth)[0].ttl))
        return len(ttls) > 1 and ttls[-1] > ttls[-2]

    wait_until(fresh, 15, f"a fresh copy of {name}", pause_s=0.5)


def spoken(captured: Captured, lab: Lab, link: str) -> Conversation:
    """The DNS messages on a link."""
    return conversation([f for f in captured.on(link) if f.dns], lab.topology)


def walk(captured: Captured, lab: Lab) -> Conversation:
    """What the resolver and the name servers say to each other; nothing, maybe."""
    frames = [f for f in captured.since_begun("internet") if f.dns]
    told = conversation(frames, lab.topology).utterances
    return Conversation(tuple(u for u in told if "router" not in (u.sender, u.receiver)))


def answers(captured: Captured, name: str) -> list[tuple[Frame, DnsMessage]]:
    """What the client was answered, as home shows it."""
    return [(f, f.dns) for f in captured.on("home") if f.dns and f.dns.is_response and f.dns.name == name]


def frames_of(told: Conversation) -> list[Frame]:
    return [utterance.frame for utterance in told.utterances]


@contextmanager
def stopped(lab: Lab, *hosts: str) -> Iterator[None]:
    """These hosts are really down meanwhile."""
    try:
        for host in hosts:
            lab.container(host).stop(timeout=1)
        yield
    finally:
        for host in hosts:
            lab.container(host).start()
        for host in hosts:
            lab.wait_until_healthy(host)


@pytest.mark.claim("L1")
@pytest.mark.usefixtures("cold_resolver")
def test_a_resolver_that_knows_nothing_walks_from_the_root(lab: Lab, experiment: Experiment) -> None:
    """Whom does a resolver ask for a name that it has never heard of?"""
    site = lab.topology.address("balancer", "edge")
    with lab.recording("a question to an empty cache") as recording:
        ask(lab, SITE_NAME)

    experiment.asked(f"start the resolver anew; ask it for the address of {SITE_NAME}")
    # ns-in serves in. and co.in.: it refers from the deeper one (RFC 1034, section 4.3.2).
    told = spoken(recording, lab, "internet").reads(f"""
        router   -> resolver  DNS? A {SITE_NAME}
        resolver -> ns-root   DNS? A {SITE_NAME}
        ns-root  -> resolver  DNS: referral to in
        resolver -> ns-in     DNS? A {SITE_NAME}
        ns-in    -> resolver  DNS: referral to {SITE_NAME}
        resolver -> ns-site   DNS? A {SITE_NAME}
        ns-site  -> resolver  DNS: {site}
        resolver -> router    DNS: {site}
    """)
    experiment.saw("root, in., and the site's own server, one after the other", recording, [u.frame for u in told])
    referrals = [told[2].frame, told[4].frame]
    assert all(f.dns and f.dns.additionals and not f.dns.authoritative for f in referrals)
    experiment.saw("each referral names the next server and its address (glue)", recording, referrals)
    assert told[6].frame.dns and told[6].frame.dns.authoritative
    assert told[7].frame.dns and not told[7].frame.dns.authoritative
    experiment.saw("only the site's own server answers with authority", recording, [told[6].frame, told[7].frame])
    experiment.myth("the root servers know every name", "the root knew one thing: who serves in.")


@pytest.mark.claim("L2")
@pytest.mark.usefixtures("cold_resolver")
def test_a_second_question_is_answered_from_the_cache(lab: Lab, experiment: Experiment) -> None:
    """Does the resolver ask anybody for a name that it was asked for a moment ago?"""
    with lab.recording("the first question") as first:
        ask(lab, SITE_NAME)
    with lab.recording("the second question") as second:
        ask(lab, SITE_NAME)

    experiment.asked(f"start the resolver anew; ask it twice for the address of {SITE_NAME}")
    assert len(walk(first, lab).utterances) == 6
    experiment.control("the first time it asked three servers", first, frames_of(walk(first, lab)))
    assert walk(second, lab).utterances == ()
    ((frame_1, before),), ((frame_2, after),) = answers(first, SITE_NAME), answers(second, SITE_NAME)
    assert [r.data for r in before.answers] == [r.data for r in after.answers]
    experiment.saw("the second time it asked nobody, and answered the same", second, frame_2)
    assert after.answers[0].ttl < before.answers[0].ttl
    lives = f"{before.answers[0].ttl} s, then {after.answers[0].ttl} s"
    experiment.saw(f"the record's time to live: {lives}", first, frame_1)


@pytest.mark.claim("L2")
@pytest.mark.usefixtures("cold_resolver")  # its copy of before could be about to expire: nothing would be seen to age
def test_a_record_ages_and_is_asked_for_again(lab: Lab, experiment: Experiment) -> None:
    """What becomes of a cached record while its time to live runs out?"""
    name = f"brief.{SITE_NAME}"
    with lab.recording("a record that lives for five seconds") as recording:
        ask_until_fresh(lab, name)

    experiment.asked(f"{name}, which lives for 5 s, twice a second until it is fresh again")
    told = [(frame, answer.answers[0].ttl) for frame, answer in answers(recording, name)]
    fresh_at = max(place for place, (_, ttl) in enumerate(told) if place and ttl > told[place - 1][1])
    aging, (fresh, fresh_ttl) = told[:fresh_at], told[fresh_at]
    for (one, ttl), (other, later) in pairwise(aging):
        assert 0 <= ttl - later <= (other.time_ns - one.time_ns) / 1e9 + 1
    assert aging[-1][1] < aging[0][1], "no copy was seen to age: this test looked at nothing"
    experiment.saw(f"the answer's TTL fell from {aging[0][1]} to {aging[-1][1]} s", recording, [f for f, _ in aging])
    asked = [f for f in frames_of(walk(recording, lab)) if f.dns and f.dns.name == name]
    again = [f for f in asked if aging[-1][0].time_ns < f.time_ns < fresh.time_ns]
    assert len(again) == 2, "the fresh answer did not come from the site's server"
    during = [f for f in asked if aging[0][0].time_ns < f.time_ns < aging[-1][0].time_ns]
    assert not during, "a live record was asked for again"
    experiment.control("then the site's server was asked again", recording, again)
    experiment.saw(f"and the TTL stood at {fresh_ttl} s", recording, fresh)


@pytest.mark.claim("L3")
def test_what_does_not_exist_is_remembered_too(lab: Lab, experiment: Experiment) -> None:
    """Is a name that does not exist asked for again each time, and for how long is it remembered?"""
    name = f"{unheard_of()}.{TWIN}"
    with lab.recording("a name that does not exist, until it is forgotten") as recording:
        ask(lab, name)
        ask(lab, name)
        ask_until_fresh(lab, name)

    experiment.asked(f"{name} twice, then twice a second until the resolver asks for it again")
    found = answers(recording, name)
    first_ns, second_ns = found[0][0].time_ns, found[1][0].time_ns
    assert {answer.response_code for _, answer in found} == {NXDOMAIN}
    experiment.saw("every answer is NXDOMAIN", recording, [frame for frame, _ in found])
    of_name = [f for f in frames_of(walk(recording, lab)) if f.dns and f.dns.name == name]
    asked, later = [f for f in of_name if f.time_ns < first_ns], [f for f in of_name if f.time_ns > second_ns]
    assert asked and len(asked) + len(later) == len(of_name)
    experiment.control("the name's servers were asked before the first answer, not for the second", recording, asked)
    soa = found[0][1].authorities[0]
    assert (soa.type, soa.ttl <= 3) == ("SOA", True)
    experiment.saw(f"the SOA in the answer bounds its memory: {soa.ttl} s (RFC 2308)", recording, found[0][0])
    assert 2 <= len(later) <= 3
    remembered_s = [(f.time_ns - first_ns) / 1e9 for f, _ in found if f.time_ns < later[0].time_ns]
    assert remembered_s[-1] < 3.5, "it was remembered for longer than the zone allows"
    waited_s = (later[0].time_ns - first_ns) / 1e9
    assert waited_s > 1.5  # less than a second left is no life left: 2 s at least, by the resolver's clock
    experiment.saw(f"{waited_s:.1f} s after the first answer the resolver asked again", recording, later)


@pytest.mark.claim("L3")
def test_the_client_that_is_told_nxdomain_opens_no_connection(lab: Lab, experiment: Experiment) -> None:
    """What does a visit to a name that does not exist look like?"""
    name = f"{unheard_of()}.{SITE_NAME}"
    with lab.recording("a visit to nowhere, and one to the site") as recording:
        nowhere = recording.visit(f"http://{name}/")
        site = recording.visit(f"http://{SITE_NAME}/")

    experiment.asked(f"http://{name}/, then http://{SITE_NAME}/")
    assert (nowhere["exit_code"], site["exit_code"]) == (COULD_NOT_RESOLVE, 0)
    told = answers(recording, name)
    assert {answer.response_code for _, answer in told} == {NXDOMAIN}
    experiment.saw("the client was told NXDOMAIN", recording, [frame for frame, _ in told])
    last = max(frame.time_ns for frame, _ in told)
    own = recording.since_begun("home")
    site_asked = next(f.time_ns for f in own if f.dns and f.dns.name == SITE_NAME)
    connections = [f for f in own if f.tcp]
    assert not [f for f in connections if f.time_ns < site_asked]
    assert last < site_asked
    experiment.control("to the site it opened one; to nowhere it sent nothing more", recording, connections[0])


@pytest.mark.claim("L4")
@pytest.mark.usefixtures("cold_resolver")
def test_a_long_answer_is_cut_and_asked_for_again_over_tcp(lab: Lab, experiment: Experiment) -> None:
    """What if an answer does not fit a datagram?"""
    name = f"big.{SITE_NAME}"
    question = DNSRecord.question(name, "TXT").pack()
    framed = (len(question).to_bytes(2) + question).hex()
    with lab.recording("a long answer") as recording:
        ask(lab, name, "TXT")
        resolver = lab.topology.address("resolver", "internet")
        lab.ask_client("POST /streams", {"to": resolver, "port": 53, "payload": framed, "half_close": True})

    experiment.asked(f"{name} TXT, over UDP and then over TCP")
    told = [u.frame for u in walk(recording, lab).utterances if "ns-site" in (u.sender, u.receiver)]
    udp_question, cut, tcp_question, whole = told
    assert udp_question.udp and cut.udp and cut.dns and cut.dns.truncated and not cut.dns.answers
    experiment.saw("the site's server marked its datagram as truncated", recording, cut)
    opening = [f for f in recording.on("internet") if f.tcp and f.tcp.destination_port == 53 and f.source == resolver]
    assert tcp_question.tcp and whole.tcp and whole.dns and whole.dns.answers and not whole.dns.truncated
    assert opening[0].time_ns > cut.time_ns
    experiment.saw("the resolver opened a connection and asked again", recording, [opening[0], tcp_question])
    experiment.control("there the answer is whole", recording, whole)
    (short, told_short), (long, told_long) = answers(recording, name)
    assert short.udp and told_short.truncated
    assert long.tcp and told_long.answers
    experiment.saw("the client is treated alike: cut over UDP, whole over TCP", recording, [short, long])
    experiment.myth("DNS is UDP", "what does not fit a datagram goes over TCP, to the same port")


@pytest.mark.claim("L1")
@pytest.mark.usefixtures("cold_resolver")  # a record of before could be about to expire
def test_a_zone_with_one_server_dies_with_it_but_the_cache_lives_on(lab: Lab, experiment: Experiment) -> None:
    """What does the client see when the only name server of a zone is down?"""
    lost = f"{unheard_of()}.{SITE_NAME}"
    for kind in ("A", "AAAA"):  # so that the resolver knows where to ask, and has all that a visit asks for
        ask(lab, SITE_NAME, kind)
    with stopped(lab, "ns-site"), lab.recording("the site's only name server is down") as recording:
        unknown = recording.visit(f"http://{lost}/", timeout_s=20)
        known = recording.visit(f"http://{SITE_NAME}/")

    experiment.asked(f"stop ns-site; visit http://{lost}/, then http://{SITE_NAME}/")
    assert (unknown["exit_code"], known["exit_code"]) == (COULD_NOT_RESOLVE, 0)
    server = lab.topology.address("ns-site", "internet")
    assert not [f for f in recording.since_begun("internet") if f.source == server], "ns-site is not down"
    told = answers(recording, lost)
    assert {answer.response_code for _, answer in told} == {SERVFAIL}
    asked = next(f for f in recording.on("home") if f.dns and f.dns.name == lost)
    waited_s = (told[0][0].time_ns - asked.time_ns) / 1e9
    experiment.saw(f"after {waited_s:.1f} s the client was told SERVFAIL", recording, [asked, told[0][0]])
    frame, answer = next((frame, answer) for frame, answer in answers(recording, SITE_NAME) if answer.type == "A")
    assert answer.response_code == NOERROR
    experiment.control("a name in the cache was answered as ever, and the visit went on", recording, frame)


@pytest.mark.claim("L1")
def test_a_second_name_server_helps(lab: Lab, experiment: Experiment) -> None:
    """What does the client see when one of a zone's two name servers is down?"""
    before, during, after = (f"{unheard_of()}.fresh.{TWIN}" for _ in range(3))
    ask(lab, before)  # the resolver learns who serves the zone
    with stopped(lab, "ns-in"), lab.recording("one of two name servers is down") as recording:
        ask(lab, during)
        with stopped(lab, "ns-root"):
            ask(lab, after)

    experiment.asked(
        f"stop ns-in, one of the two servers of {TWIN}; ask for a new name there; stop ns-root too; ask again"
    )
    first, second = (lab.topology.address(host, "internet") for host in ("ns-in", "ns-root"))
    assert not [f for f in recording.since_begun("internet") if f.source == first], "ns-in is not down"
    ((frame, answer),) = answers(recording, during)
    assert [r.data for r in answer.answers] == [lab.topology.address("balancer", "edge")]
    by = [f for f in recording.since_begun("internet") if f.source == second and f.dns and f.dns.name == during]
    assert by, "the second server did not answer"
    experiment.saw("the other server gave the answer, the client noticed nothing but time", recording, [*by, frame])
    told = answers(recording, after)
    assert [answer.response_code for _, answer in told] == [SERVFAIL]
    experiment.control("with both down there is none: SERVFAIL", recording, told[0][0])


@pytest.mark.claim("L1")
def test_a_lame_delegation_leads_nowhere(lab: Lab, experiment: Experiment) -> None:
    """What does the client see of a zone whose server does not know that it is?"""
    name = f"{unheard_of()}.lame.{SITE_NAME}"
    ask(lab, SITE_NAME)
    with lab.recording("a lame delegation") as recording:
        visit = recording.visit(f"http://{name}/")
        ask(lab, f"{unheard_of()}.fresh.{TWIN}")

    experiment.asked(f"http://{name}/; the zone lame.{SITE_NAME} is delegated to a server that does not have it")
    assert visit["exit_code"] == COULD_NOT_RESOLVE
    ns_in = lab.topology.address("ns-in", "internet")
    lame = [f for f in recording.on("internet") if f.source == ns_in and f.dns and f.dns.name == name]
    assert lame
    assert all(f.dns and not f.dns.authoritative for f in lame)
    experiment.saw("the server named in the delegation answers without authority", recording, lame)
    told = answers(recording, name)
    assert {answer.response_code for _, answer in told} == {SERVFAIL}
    experiment.saw("the client is told SERVFAIL", recording, [frame for frame, _ in told])
    good = [f for f in recording.on("home") if f.dns and f.dns.is_response and f.dns.name.endswith(f"fresh.{TWIN}")]
    assert good and good[0].dns and good[0].dns.response_code == NOERROR
    experiment.control("a delegation that is not lame works", recording, good[0])


@pytest.mark.claim("L1")
@pytest.mark.usefixtures("cold_resolver")
def test_aliases_are_followed_also_into_other_zones(lab: Lab, experiment: Experiment) -> None:
    """What does the client get for a name that is an alias of an alias?"""
    alias = f"{unheard_of()}.alias.{TWIN}"
    with lab.recording("aliases") as recording:
        ask(lab, alias)
        visit = recording.visit(f"http://chain.{SITE_NAME}/")
        ask(lab, f"loop.{SITE_NAME}")
        ask(lab, f"dangling.{SITE_NAME}")

    experiment.asked(f"{alias}; http://chain.{SITE_NAME}/; loop.{SITE_NAME} and dangling.{SITE_NAME}")
    site = lab.topology.address("balancer", "edge")
    frame, answer = next((f, a) for f, a in answers(recording, f"chain.{SITE_NAME}") if a.type == "A")
    assert [record.type for record in answer.answers] == ["CNAME"] * 4 + ["A"]
    assert answer.answers[-1].data == site
    experiment.saw("four aliases and the address, in one answer", recording, frame)
    opened = next(f for f in recording.on("home") if f.tcp and f.destination == site)
    assert visit["responses"], visit
    experiment.saw("the client connected to that address", recording, opened)
    ((frame, answer),) = answers(recording, alias)
    assert [record.type for record in answer.answers] == ["CNAME", "CNAME", "A"]
    asked = [u for u in walk(recording, lab).utterances if u.frame.dns and u.frame.dns.name == f"www.{SITE_NAME}"]
    assert asked[-1].sender == "ns-site"
    experiment.saw(
        "an alias that leaves its zone is looked up at the other zone's server", recording, [u.frame for u in asked]
    )
    (loop,), (dangling,) = (answers(recording, f"{name}.{SITE_NAME}") for name in ("loop", "dangling"))
    assert (loop[1].response_code, dangling[1].response_code) == (SERVFAIL, NXDOMAIN)
    experiment.saw("aliases in a circle end in SERVFAIL", recording, loop[0])
    experiment.saw("an alias of nothing ends in NXDOMAIN, and the alias is told", recording, dangling[0])
