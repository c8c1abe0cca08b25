"""What the resolver tells its clients: whom it answers, what it refuses, and how often it asks (no sockets)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from ipaddress import IPv4Network

import pytest
from dnslib import EDNS0, RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from hostkit.dns_query import QR, Rcode, Type
from hostkit.dns_sockets import Transport
from resolver.iterate import Ask
from resolver.messages import Response, pack_query, read_response
from resolver.service import Resolver, Settings

CLIENT = "10.77.1.10"
SETTINGS = Settings(("10.77.2.4",), IPv4Network("10.77.0.0/16"))


class OneServer:
    """A root server with an address for any name, but "no..." does not exist, "big..." is long, "dead..." silent."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    async def __call__(self, ask: Ask) -> Response | None:
        self.asked.append(ask)
        await asyncio.sleep(0)
        record = DNSRecord.parse(pack_query(ask.question, 7, edns=False)).reply(ra=0)
        first = ask.question.name[0]
        if first.startswith(b"dead"):
            return None
        if first.startswith(b"no"):
            record.header.rcode = Rcode.NXDOMAIN
            record.add_auth(*RR.fromZone("in. 60 IN SOA ns.in. h.in. 1 2 3 4 60"))
        elif first.startswith(b"big"):
            for n in range(60):
                record.add_answer(*RR.fromZone(f"{record.q.qname} 300 IN TXT {'x' * 100}-{n}"))
        else:
            record.add_answer(*RR.fromZone(f"{record.q.qname} 300 IN A 192.0.2.1"))
        wire = bytes(record.pack())
        return read_response(wire[:2] + bytes((wire[2] | QR >> 8,)) + wire[3:], ask.question, 7)


class Asked:
    """A resolver with its one server and its clock."""

    def __init__(self) -> None:
        self.server = OneServer()
        self.now = 1000.0
        self.resolver = Resolver(SETTINGS, self.server, lambda: self.now)

    def at_once(self, wire: bytes, source: str = CLIENT, transport: Transport = Transport.UDP) -> DNSRecord | None:
        answer = self.resolver.answer(wire, source, transport)
        assert answer is None or isinstance(answer, bytes), "expected an answer at once"
        return None if answer is None else DNSRecord.parse(answer)

    async def later(self, wire: bytes, transport: Transport = Transport.UDP) -> DNSRecord:
        answer = self.resolver.answer(wire, CLIENT, transport)
        assert isinstance(answer, Awaitable), "expected to have to wait"
        octets = await answer
        assert octets is not None
        return DNSRecord.parse(octets)


def question(
    name: str = "a.in", rtype: str = "A", *, rd: int = 1, rclass: str = "IN", edns: int | None = None
) -> bytes:
    record = DNSRecord.question(name, rtype, rclass)
    record.header.rd = rd
    if edns is not None:
        record.add_ar(EDNS0(udp_len=edns, flags="do"))
    return bytes(record.pack())


def test_the_first_answer_takes_a_walk_and_the_second_comes_at_once_with_a_lower_ttl() -> None:
    async def conversation() -> None:
        asked = Asked()
        first = await asked.later(question())
        assert (first.header.ra, first.header.aa, first.header.ad, first.rr[0].ttl) == (1, 0, 0, 300)
        asked.now += 0.5
        second = asked.at_once(question())
        assert second is not None
        assert (second.header.ra, second.rr[0].ttl, second.rr[0].rdata) == (1, 299, first.rr[0].rdata)
        assert len(asked.server.asked) == 1

    asyncio.run(conversation())


def test_questions_asked_at_the_same_time_are_one_walk() -> None:
    async def conversation() -> None:
        asked = Asked()
        wires = [question("a.in"), question("A.iN"), question("a.in", edns=1232), question("b.in")]
        answers = await asyncio.gather(*(asked.later(wire) for wire in wires))
        assert [str(answer.q.qname) for answer in answers] == ["a.in.", "A.iN.", "a.in.", "b.in."]
        assert [len(answer.ar) for answer in answers] == [0, 0, 1, 0]
        assert [ask.question.name for ask in asked.server.asked] == [(b"a", b"in"), (b"b", b"in")]

    asyncio.run(conversation())


def test_a_walk_goes_on_when_one_of_those_who_wait_for_it_goes_away() -> None:
    async def conversation() -> None:
        asked = Asked()
        gone, staying = (asyncio.ensure_future(asked.later(question())) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await staying).rr[0].ttl == 300

    asyncio.run(conversation())


def test_after_forgetting_the_walk_is_taken_again() -> None:
    async def conversation() -> None:
        asked = Asked()
        await asked.later(question())
        asked.resolver.forget()
        await asked.later(question())
        assert len(asked.server.asked) == 2

    asyncio.run(conversation())


def test_without_rd_the_cache_answers_or_nobody_does() -> None:
    async def conversation() -> None:
        asked = Asked()
        refused = asked.at_once(question(rd=0))
        assert refused is not None
        assert (refused.header.rcode, refused.header.ra, asked.server.asked) == (Rcode.REFUSED, 1, [])
        await asked.later(question())
        known = asked.at_once(question(rd=0))
        assert known is not None
        assert (known.header.rcode, known.header.rd, len(known.rr)) == (Rcode.NOERROR, 0, 1)

    asyncio.run(conversation())


def test_a_missing_name_is_told_with_its_soa_and_then_from_the_cache() -> None:
    async def conversation() -> None:
        asked = Asked()
        first = await asked.later(question("no.in"))
        assert (first.header.rcode, first.rr, len(first.auth)) == (Rcode.NXDOMAIN, [], 1)
        asked.now += 10
        again = asked.at_once(question("no.in", "TXT"))
        assert again is not None
        assert (again.header.rcode, again.auth[0].ttl) == (Rcode.NXDOMAIN, 50)

    asyncio.run(conversation())


def test_servers_that_stay_silent_are_servfail_and_the_log_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    async def conversation() -> None:
        asked = Asked()
        failed = await asked.later(question("dead.in"))
        assert (failed.header.rcode, failed.header.ra) == (Rcode.SERVFAIL, 1)
        again = asked.at_once(question("dead.in"))
        assert again is not None
        assert again.header.rcode == Rcode.SERVFAIL

    asyncio.run(conversation())
    assert capsys.readouterr().err == "dead.in.: no server of . answers; silent: 10.77.2.4\n"


def test_what_is_too_long_for_udp_is_cut_and_whole_over_tcp() -> None:
    async def conversation() -> None:
        asked = Asked()
        cut = await asked.later(question("big.in", "TXT"))
        assert (cut.header.tc, cut.rr) == (1, [])
        whole = asked.at_once(question("big.in", "TXT"), transport=Transport.TCP)
        assert whole is not None
        assert (whole.header.tc, len(whole.rr)) == (0, 60)
        cut_again = asked.at_once(question("big.in", "TXT"))
        assert cut_again is not None
        assert cut_again.header.tc == 1

    asyncio.run(conversation())


@pytest.mark.parametrize("source", ["10.78.1.10", "192.0.2.1", "127.0.0.1", "10.7.7.1", "110.77.1.1"])
def test_who_is_not_in_the_lab_is_refused_even_what_is_cached(source: str) -> None:
    async def conversation() -> None:
        asked = Asked()
        await asked.later(question())
        refused = asked.at_once(question(), source)
        assert refused is not None
        assert (refused.header.rcode, refused.rr) == (Rcode.REFUSED, [])

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "wire",
    [
        question(rtype="AXFR"),
        question(rtype="IXFR"),
        question(rtype="OPT"),
        question(rtype="TYPE0"),
        question(rclass="CH"),
    ],
)
def test_what_no_walk_can_find_is_refused(wire: bytes) -> None:
    asked = Asked()
    refused = asked.at_once(wire)
    assert refused is not None
    assert (refused.header.rcode, asked.server.asked) == (Rcode.REFUSED, [])


def test_any_is_answered_without_a_walk() -> None:
    asked = Asked()
    answer = asked.at_once(question(rtype="ANY"))
    assert answer is not None
    assert [record.rtype for record in answer.rr] == [Type.HINFO]
    assert asked.server.asked == []


def test_the_do_bit_comes_back_and_ad_does_not() -> None:
    async def conversation() -> None:
        answer = await Asked().later(question(edns=1232))
        assert (answer.ar[0].edns_do, answer.header.ad) == (1, 0)

    asyncio.run(conversation())


def test_malformed_queries_are_answered_by_the_book() -> None:
    asked = Asked()
    cut = asked.at_once(question()[:-1])
    assert cut is not None
    assert cut.header.rcode == Rcode.FORMERR
    assert asked.at_once(question()[:11]) is None
    assert asked.at_once(b"") is None


@given(st.binary(max_size=100), st.sampled_from(Transport), st.sampled_from([CLIENT, "192.0.2.1"]))
def test_no_octets_make_the_resolver_raise(wire: bytes, transport: Transport, source: str) -> None:
    answer = Asked().resolver.answer(wire, source, transport)
    assert answer is None or isinstance(answer, bytes)


def test_clients_must_be_a_network_that_ends_at_an_octet() -> None:
    assert SETTINGS.client_prefix == "10.77."
    with pytest.raises(ValueError, match="does not end at an octet"):
        Settings((), IPv4Network("10.64.0.0/12"))
