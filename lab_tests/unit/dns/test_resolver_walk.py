"""Conversations of the walk with scripted servers (RFC 1034 5.3.3, 2308, 5452, 6891).

A script is what each server tells; `Walked` plays one resolution against it and notes what was asked of whom, as
"server name type [tcp] [no edns]".
"""

from __future__ import annotations

from collections.abc import Mapping

from dnslib import RR, DNSRecord

from hostkit.dns_query import QR, TC, Rcode, name_from_text, name_to_text
from hostkit.dns_sockets import Transport
from resolver.bailiwick import Delegation
from resolver.cache import Cache
from resolver.iterate import MAX_QUERIES, PATIENCE_S, Ask, Outcome, Resolution
from resolver.messages import Question, Response, pack_query, read_response

ROOT = Delegation((), ("root",), (), ttl=0)
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "TXT": 16, "AAAA": 28}
Script = Mapping[str, object]
"""Server, or note of what is asked -> what it tells: text, a list of texts for one question after the other, a
function of the question, None for silence."""


def response(asked: Ask, text: str) -> Response:
    """The response that `text` describes, taken through the wire format.

    Words of its first line: aa, tc, nxdomain, refused, servfail, formerr; then records in zone format, each under
    its section: "answer:", "authority:", "additional:".
    """
    first, *lines = (line.strip() for line in text.strip().splitlines())
    words = first.split()
    record = DNSRecord.parse(pack_query(asked.question, 7, edns=False)).reply(ra=0, aa=int("aa" in words))
    record.header.rcode = next((Rcode[word.upper()] for word in words if word.upper() in Rcode.__members__), 0)
    section = record.rr
    for line in lines:
        if line.endswith(":"):
            section = {"answer:": record.rr, "authority:": record.auth, "additional:": record.ar}[line]
        else:
            section.extend(RR.fromZone(line))
    wire = bytearray(record.pack())
    wire[2] |= (QR | TC if "tc" in words else QR) >> 8
    return read_response(bytes(wire), asked.question, 7)


class Walked:
    """One resolution against scripted servers."""

    def __init__(self, script: Script, name: str, rtype: str = "A", cache: Cache | None = None) -> None:
        self.asked: list[str] = []
        self.patience: list[float] = []
        self.cache = cache or Cache(lambda: 0.0)
        self.outcome = self._play(dict(script), Question(name_from_text(name), TYPES[rtype]))

    def _play(self, script: dict[str, object], question: Question) -> Outcome:
        walk = Resolution(self.cache, ROOT).resolve(question)
        try:
            ask = next(walk)
            while True:
                ask = walk.send(self._reply(script, ask))
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome

    def _reply(self, script: dict[str, object], ask: Ask) -> Response | None:
        types = {number: text for text, number in TYPES.items()}
        note = f"{ask.server} {name_to_text(ask.question.name)} {types[ask.question.rtype]}"
        note += " tcp" if ask.transport is Transport.TCP else ""
        note += "" if ask.edns else " no edns"
        self.asked.append(note)
        self.patience.append(ask.patience_s)
        assert len(self.asked) <= MAX_QUERIES, self.asked
        told = script[note] if note in script else script[ask.server]
        if isinstance(told, list):
            told = told.pop(0)
        if callable(told):
            told = told(ask)
        return None if told is None else response(ask, str(told))

    @property
    def answer(self) -> list[str]:
        return [f"{name_to_text(s.name)} {s.ttl} {d}" for s in self.outcome.answer for d in s.data]


REFER_TO_IN = """
    authority:
    in. 86400 IN NS ns.in.
    additional:
    ns.in. 86400 IN A 192.0.2.5
"""
REFER_TO_SITE = """
    authority:
    site.in. 3600 IN NS ns.site.in.
    additional:
    ns.site.in. 3600 IN A 192.0.2.6
"""


def referring(text: str) -> str:
    return "noerror\n" + text.strip()


LAB: Script = {"root": referring(REFER_TO_IN), "192.0.2.5": referring(REFER_TO_SITE)}
SOA = "site.in. 300 IN SOA ns.site.in. hostmaster.site.in. 1 2 3 4 60"


def test_from_the_root_by_referrals_to_the_site_s_own_server() -> None:
    walked = Walked({**LAB, "192.0.2.6": "aa\nanswer:\nwww.site.in. 300 IN A 192.0.2.80"}, "www.site.in.")
    assert walked.asked == ["root www.site.in. A", "192.0.2.5 www.site.in. A", "192.0.2.6 www.site.in. A"]
    assert walked.outcome.rcode == Rcode.NOERROR
    assert walked.answer == ["www.site.in. 300 192.0.2.80"]


def test_what_is_in_the_cache_is_not_asked_again() -> None:
    first = Walked({**LAB, "192.0.2.6": "aa\nanswer:\nwww.site.in. 300 IN A 192.0.2.80"}, "www.site.in.")
    assert Walked({}, "www.site.in.", cache=first.cache).answer == first.answer


def test_the_next_name_of_a_known_zone_is_asked_of_its_server_at_once() -> None:
    script = {
        **LAB,
        "192.0.2.6": ["aa\nanswer:\na.site.in. 5 IN A 192.0.2.80", "aa\nanswer:\nb.site.in. 5 IN A 192.0.2.81"],
    }
    first = Walked(script, "a.site.in.")
    assert Walked(script, "b.site.in.", cache=first.cache).asked == ["192.0.2.6 b.site.in. A"]


def test_a_name_that_does_not_exist_is_told_with_its_soa_and_remembered_for_every_type() -> None:
    first = Walked({**LAB, "192.0.2.6": f"aa nxdomain\nauthority:\n{SOA}"}, "no.site.in.")
    assert (first.outcome.rcode, first.answer) == (Rcode.NXDOMAIN, [])
    assert [(s.name, s.ttl) for s in first.outcome.authority] == [(name_from_text("site.in."), 60)]
    for rtype in ("A", "TXT"):
        again = Walked({}, "no.site.in.", rtype, cache=first.cache)
        assert (again.outcome.rcode, again.asked) == (Rcode.NXDOMAIN, [])


def test_a_type_that_does_not_exist_is_remembered_for_that_type_only() -> None:
    script = {**LAB, "192.0.2.6": [f"aa\nauthority:\n{SOA}", "aa\nanswer:\nwww.site.in. 300 IN A 192.0.2.80"]}
    first = Walked(script, "www.site.in.", "AAAA")
    assert (first.outcome.rcode, first.answer, len(first.outcome.authority)) == (Rcode.NOERROR, [], 1)
    assert Walked(script, "www.site.in.", "AAAA", cache=first.cache).asked == []
    assert Walked(script, "www.site.in.", "A", cache=first.cache).answer == ["www.site.in. 300 192.0.2.80"]


def test_a_negative_answer_without_soa_is_told_and_not_remembered() -> None:
    for words, rcode in (("aa nxdomain", Rcode.NXDOMAIN), ("aa", Rcode.NOERROR)):
        script = {**LAB, "192.0.2.6": words}
        first = Walked(script, "no.site.in.")
        assert (first.outcome.rcode, first.outcome.authority) == (rcode, ())
        assert Walked(script, "no.site.in.", cache=first.cache).asked == ["192.0.2.6 no.site.in. A"]


class TestAliases:
    CHAIN = """aa
        answer:
        a.site.in. 300 IN CNAME b.site.in.
        b.site.in. 200 IN CNAME c.site.in.
        c.site.in. 100 IN A 192.0.2.80
    """

    def test_a_chain_in_one_response_is_taken_as_it_is(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": self.CHAIN}, "a.site.in.")
        assert len(walked.asked) == 3
        assert walked.answer == ["a.site.in. 300 b.site.in.", "b.site.in. 200 c.site.in.", "c.site.in. 100 192.0.2.80"]

    def test_the_chain_s_links_are_remembered_each(self) -> None:
        first = Walked({**LAB, "192.0.2.6": self.CHAIN}, "a.site.in.")
        assert Walked({}, "b.site.in.", cache=first.cache).answer == first.answer[1:]

    def test_the_order_of_records_does_not_matter(self) -> None:
        backwards = "aa\nanswer:\n" + "\n".join(reversed(self.CHAIN.strip().splitlines()[2:]))
        assert len(Walked({**LAB, "192.0.2.6": backwards}, "a.site.in.").answer) == 3

    def test_a_question_for_the_alias_itself_is_not_followed(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": "aa\nanswer:\na.site.in. 300 IN CNAME b.site.in."}, "a.site.in.", "CNAME")
        assert walked.answer == ["a.site.in. 300 b.site.in."]

    def test_an_alias_into_another_zone_is_looked_up_there(self) -> None:
        script = {
            **LAB,
            "root ns.other. A": "aa\nanswer:\nns.other. 60 IN A 192.0.2.9",
            "192.0.2.6": "aa\nanswer:\na.site.in. 300 IN CNAME ns.other.",
        }
        walked = Walked(script, "a.site.in.")
        assert walked.asked[-2:] == ["192.0.2.6 a.site.in. A", "root ns.other. A"]
        assert walked.answer == ["a.site.in. 300 ns.other.", "ns.other. 60 192.0.2.9"]

    def test_the_records_sent_along_for_a_name_of_another_zone_are_not_believed(self) -> None:
        script = {
            **LAB,
            "root bank.other. A": "aa\nanswer:\nbank.other. 60 IN A 192.0.2.9",
            "192.0.2.6": "aa\nanswer:\na.site.in. 300 IN CNAME bank.other.\nbank.other. 300 IN A 192.0.2.66",
        }
        walked = Walked(script, "a.site.in.")
        assert walked.answer == ["a.site.in. 300 bank.other.", "bank.other. 60 192.0.2.9"]

    def test_nor_is_an_alias_sent_along_for_such_a_name(self) -> None:
        script = {
            **LAB,
            "root bank.other. A": "aa\nanswer:\nbank.other. 60 IN A 192.0.2.9",
            "192.0.2.6": "aa\nanswer:\na.site.in. 300 IN CNAME bank.other.\nbank.other. 300 IN CNAME b.site.in.",
        }
        assert Walked(script, "a.site.in.").answer == ["a.site.in. 300 bank.other.", "bank.other. 60 192.0.2.9"]

    def test_nor_is_it_believed_that_such_a_name_does_not_exist(self) -> None:
        script = {
            **LAB,
            "root bank.other. A": "aa\nanswer:\nbank.other. 60 IN A 192.0.2.9",
            "192.0.2.6": "aa nxdomain\nanswer:\na.site.in. 300 IN CNAME bank.other.",
        }
        assert Walked(script, "a.site.in.").answer == ["a.site.in. 300 bank.other.", "bank.other. 60 192.0.2.9"]

    def test_an_alias_to_nothing_is_nxdomain_with_the_alias(self) -> None:
        told = f"aa nxdomain\nanswer:\na.site.in. 300 IN CNAME no.site.in.\nauthority:\n{SOA}"
        walked = Walked({**LAB, "192.0.2.6": told}, "a.site.in.")
        assert (walked.outcome.rcode, walked.answer) == (Rcode.NXDOMAIN, ["a.site.in. 300 no.site.in."])
        assert Walked({}, "no.site.in.", cache=walked.cache).outcome.rcode == Rcode.NXDOMAIN

    def test_aliases_that_go_round_in_one_response_are_servfail(self) -> None:
        told = "aa\nanswer:\na.site.in. 300 IN CNAME b.site.in.\nb.site.in. 300 IN CNAME a.site.in."
        walked = Walked({**LAB, "192.0.2.6": told}, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL
        assert "aliases go round" in walked.outcome.reason

    def test_aliases_that_go_round_over_two_responses_are_servfail(self) -> None:
        told = ["aa\nanswer:\na.site.in. 300 IN CNAME b.site.in.", "aa\nanswer:\nb.site.in. 300 IN CNAME a.site.in."]
        assert Walked({**LAB, "192.0.2.6": told}, "a.site.in.").outcome.rcode == Rcode.SERVFAIL

    def test_an_alias_for_itself_is_servfail(self) -> None:
        told = "aa\nanswer:\na.site.in. 300 IN CNAME a.site.in."
        assert Walked({**LAB, "192.0.2.6": told}, "a.site.in.").outcome.rcode == Rcode.SERVFAIL

    def test_aliases_without_end_are_servfail(self) -> None:
        def one_more(ask: Ask) -> str:
            name = name_to_text(ask.question.name)
            return f"aa\nanswer:\n{name} 300 IN CNAME x{name}"

        walked = Walked({**LAB, "192.0.2.6": one_more}, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL
        assert "number over 12" in walked.outcome.reason


class TestServersThatFail:
    TWO = referring("""
        authority:
        site.in. 3600 IN NS ns1.site.in.
        site.in. 3600 IN NS ns2.site.in.
        additional:
        ns1.site.in. 3600 IN A 192.0.2.61
        ns2.site.in. 3600 IN A 192.0.2.62
    """)
    GOOD = "aa\nanswer:\na.site.in. 300 IN A 192.0.2.80"

    def test_a_silent_server_is_followed_by_the_next(self) -> None:
        walked = Walked({**LAB, "192.0.2.5": self.TWO, "192.0.2.61": None, "192.0.2.62": self.GOOD}, "a.site.in.")
        assert walked.asked[-2:] == ["192.0.2.61 a.site.in. A", "192.0.2.62 a.site.in. A"]
        assert walked.answer == ["a.site.in. 300 192.0.2.80"]

    def test_a_silent_server_gets_a_second_chance_with_more_patience(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": [None, self.GOOD]}, "a.site.in.")
        assert walked.asked[-2:] == ["192.0.2.6 a.site.in. A"] * 2
        assert walked.patience[-2:] == list(PATIENCE_S)
        assert walked.answer == ["a.site.in. 300 192.0.2.80"]

    def test_servers_that_stay_silent_are_servfail_and_that_is_remembered_for_a_moment(self) -> None:
        now = 0.0
        cache = Cache(lambda: now)
        first = Walked({**LAB, "192.0.2.6": None}, "a.site.in.", cache=cache)
        assert first.outcome.rcode == Rcode.SERVFAIL
        assert first.outcome.reason == "no server of site.in. answers; silent: 192.0.2.6"
        assert Walked({}, "a.site.in.", cache=cache).outcome.rcode == Rcode.SERVFAIL
        now = 1.1
        assert Walked({"192.0.2.6": self.GOOD}, "a.site.in.", cache=cache).answer == ["a.site.in. 300 192.0.2.80"]

    def test_a_lame_server_is_followed_by_the_next_and_not_asked_again(self) -> None:
        lame = {
            "does not know": "refused",
            "is broken": "servfail",
            "is not of the zone": "noerror",
            "points upwards": referring(REFER_TO_IN),
            "points to itself": referring(REFER_TO_SITE),
            "answers without authority": self.GOOD.replace("aa", "noerror", 1),
        }
        for told in lame.values():
            script = {**LAB, "192.0.2.5": self.TWO, "192.0.2.61": told, "192.0.2.62": self.GOOD}
            assert Walked(script, "a.site.in.").answer == ["a.site.in. 300 192.0.2.80"]
            alone = Walked({**LAB, "192.0.2.6": told}, "a.site.in.")
            assert (alone.outcome.rcode, len(alone.asked)) == (Rcode.SERVFAIL, 3)

    def test_a_truncated_response_is_asked_for_again_over_tcp(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": "aa tc", "192.0.2.6 a.site.in. A tcp": self.GOOD}, "a.site.in.")
        assert walked.asked[-2:] == ["192.0.2.6 a.site.in. A", "192.0.2.6 a.site.in. A tcp"]
        assert walked.answer == ["a.site.in. 300 192.0.2.80"]

    def test_a_server_whose_tcp_is_silent_too_is_servfail(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": "aa tc", "192.0.2.6 a.site.in. A tcp": None}, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL

    def test_a_server_that_cannot_do_edns_is_asked_without(self) -> None:
        walked = Walked({**LAB, "192.0.2.6": "formerr", "192.0.2.6 a.site.in. A no edns": self.GOOD}, "a.site.in.")
        assert walked.answer == ["a.site.in. 300 192.0.2.80"]


class TestBailiwick:
    def test_a_referral_to_a_zone_beside_the_one_that_was_asked_is_not_followed(self) -> None:
        poison = "noerror\nauthority:\norg. 3600 IN NS ns.evil.in.\nadditional:\nns.evil.in. 3600 IN A 192.0.2.66"
        walked = Walked({**LAB, "192.0.2.5": poison}, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL
        assert walked.cache.closest_delegation(name_from_text("a.org.")) is None

    def test_a_referral_that_does_not_lead_to_the_name_is_not_followed(self) -> None:
        poison = "noerror\nauthority:\nbank.in. 3600 IN NS ns.bank.in.\nadditional:\nns.bank.in. 3600 IN A 192.0.2.66"
        walked = Walked({**LAB, "192.0.2.5": poison}, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL

    def test_glue_from_outside_the_zone_is_not_believed_but_looked_up(self) -> None:
        script = {
            **LAB,
            "192.0.2.5": "noerror\nauthority:\nsite.in. 60 IN NS ns.org.\nadditional:\nns.org. 60 IN A 192.0.2.66",
            "root ns.org. A": "aa\nanswer:\nns.org. 60 IN A 192.0.2.7",
            "192.0.2.7": "aa\nanswer:\na.site.in. 300 IN A 192.0.2.80",
        }
        walked = Walked(script, "a.site.in.")
        assert walked.asked[-2:] == ["root ns.org. A", "192.0.2.7 a.site.in. A"]

    def test_records_that_nobody_asked_for_are_not_remembered(self) -> None:
        told = """aa
            answer:
            a.site.in. 300 IN A 192.0.2.80
            bank.in. 300 IN A 192.0.2.66
            b.site.in. 300 IN A 192.0.2.66
            authority:
            in. 300 IN NS ns.evil.
            additional:
            www.bank.in. 300 IN A 192.0.2.66
        """
        walked = Walked({**LAB, "192.0.2.6": told}, "a.site.in.")
        assert walked.answer == ["a.site.in. 300 192.0.2.80"]
        for name in ("bank.in.", "b.site.in.", "www.bank.in."):
            assert walked.cache.rrset(name_from_text(name), 1) is None
        known = walked.cache.closest_delegation(name_from_text("x.in."))
        assert known is not None
        assert known.addresses == ("192.0.2.5",)

    def test_glue_is_not_given_to_clients_as_an_answer(self) -> None:
        first = Walked({**LAB, "192.0.2.6": "aa\nanswer:\na.site.in. 300 IN A 192.0.2.80"}, "a.site.in.")
        script = {"192.0.2.6": "aa\nanswer:\nns.site.in. 300 IN A 192.0.2.6"}
        assert Walked(script, "ns.site.in.", cache=first.cache).asked == ["192.0.2.6 ns.site.in. A"]

    def test_the_soa_of_another_zone_makes_no_negative_answer_last(self) -> None:
        told = "aa nxdomain\nauthority:\nin. 86400 IN SOA ns.in. h.in. 1 2 3 4 86400"
        walked = Walked({**LAB, "192.0.2.6": told}, "no.site.in.")
        assert walked.outcome.rcode == Rcode.NXDOMAIN
        assert walked.cache.negative(name_from_text("no.site.in."), 1) is None


class TestNameServersWithoutGlue:
    def test_their_address_is_looked_up_first(self) -> None:
        script = {
            **LAB,
            "192.0.2.5 a.site.in. A": "noerror\nauthority:\nsite.in. 60 IN NS ns.other.in.",
            "192.0.2.5 ns.other.in. A": "aa\nanswer:\nns.other.in. 60 IN A 192.0.2.7",
            "192.0.2.7": "aa\nanswer:\na.site.in. 300 IN A 192.0.2.80",
        }
        assert Walked(script, "a.site.in.").asked == [
            "root a.site.in. A",
            "192.0.2.5 a.site.in. A",
            "192.0.2.5 ns.other.in. A",
            "192.0.2.7 a.site.in. A",
        ]

    def test_a_server_below_its_own_zone_without_glue_cannot_be_found(self) -> None:
        script = {**LAB, "192.0.2.5": "noerror\nauthority:\nsite.in. 60 IN NS ns.site.in."}
        walked = Walked(script, "a.site.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL
        assert len(walked.asked) == 2
        known = walked.cache.closest_delegation(name_from_text("a.site.in."))
        assert known is not None
        assert (known.addresses, known.unaddressed) == ((), ())

    def test_two_zones_that_need_each_other_end_in_servfail(self) -> None:
        def each_other(ask: Ask) -> str:
            ours, theirs = ("one", "two") if ask.question.name[-2:] == (b"one", b"in") else ("two", "one")
            return f"noerror\nauthority:\n{ours}.in. 60 IN NS ns.{theirs}.in."

        assert Walked({**LAB, "192.0.2.5": each_other}, "a.one.in.").outcome.rcode == Rcode.SERVFAIL

    def test_a_referral_to_many_such_servers_costs_a_bounded_number_of_queries(self) -> None:
        def fan_out(ask: Ask) -> str:
            name = name_to_text(ask.question.name)
            servers = "\n".join(f"{name} 60 IN NS ns.{n}{name[0]}.in." for n in range(20))
            return f"noerror\nauthority:\n{servers}"

        walked = Walked({**LAB, "192.0.2.5": fan_out}, "a.in.")
        assert walked.outcome.rcode == Rcode.SERVFAIL
        assert len(walked.asked) <= MAX_QUERIES


def test_referrals_ever_deeper_end_in_servfail() -> None:
    name = ".".join("abcdefghijklmnopqrstuvwxyz") + "."
    depth = 0

    def one_deeper(_ask: Ask) -> str:
        nonlocal depth
        depth += 1
        zone = ".".join(name.rstrip(".").split(".")[-depth:]) + "."
        return f"noerror\nauthority:\n{zone} 60 IN NS ns.{zone}\nadditional:\nns.{zone} 60 IN A 192.0.2.7"

    walked = Walked({"root": one_deeper, "192.0.2.7": one_deeper}, name)
    assert walked.outcome.rcode == Rcode.SERVFAIL
    assert "more than 16 referrals" in walked.outcome.reason


def test_a_ttl_of_zero_is_given_to_the_client_and_not_remembered() -> None:
    script = {**LAB, "192.0.2.6": "aa\nanswer:\na.site.in. 0 IN A 192.0.2.80"}
    first = Walked(script, "a.site.in.")
    assert first.answer == ["a.site.in. 0 192.0.2.80"]
    assert Walked(script, "a.site.in.", cache=first.cache).asked == ["192.0.2.6 a.site.in. A"]
