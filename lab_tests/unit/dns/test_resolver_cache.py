"""The resolver's memory on a clock that the test moves (RFC 1035 7.4, 2308 5)."""

from __future__ import annotations

from dnslib import CNAME, SOA, A

from hostkit.dns_query import Name, Rcode, Type, name_from_text
from hostkit.dns_reply import RRset
from resolver.bailiwick import Delegation, Negative
from resolver.cache import Cache, Expiring
from resolver.messages import Question


class Clock:
    """Seconds, as far as they have been let pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def name(text: str) -> Name:
    return name_from_text(text)


def address(owner: str, ttl: int = 300) -> RRset:
    return RRset(name(owner), Type.A, ttl, (A("192.0.2.1"),))


def soa(zone: str, ttl: int) -> RRset:
    return RRset(name(zone), Type.SOA, ttl, (SOA("ns.in.", "h.in.", (1, 2, 3, 4, ttl)),))


def ttl_of(cache: Cache, owner: str) -> int | None:
    found = cache.rrset(name(owner), Type.A)
    return None if found is None else found.ttl


def test_ttls_count_down_in_whole_seconds_and_never_up() -> None:
    clock = Clock()
    cache = Cache(clock)
    cache.put_rrset(address("a.in.", 300))
    seen = []
    for seconds in (0.0, 0.001, 0.999, 1.0, 298.9):
        clock.now = 1000.0 + seconds
        seen.append(ttl_of(cache, "a.in."))
    assert seen == [300, 299, 299, 299, 1]


def test_less_than_a_second_left_is_nothing() -> None:
    clock = Clock()
    cache = Cache(clock)
    cache.put_rrset(address("a.in.", 300))
    for now, ttl in ((1299.0, 1), (1299.01, None), (1300.0, None), (9999.0, None)):
        clock.now = now
        assert ttl_of(cache, "a.in.") == ttl


def test_a_ttl_of_zero_is_not_kept() -> None:
    cache = Cache(Clock())
    cache.put_rrset(address("a.in.", 0))
    assert ttl_of(cache, "a.in.") is None


def test_types_of_one_name_are_kept_apart() -> None:
    cache = Cache(Clock())
    cache.put_rrset(RRset(name("a.in."), Type.CNAME, 300, (CNAME("b.in."),)))
    assert cache.rrset(name("a.in."), Type.A) is None
    assert cache.rrset(name("a.in."), Type.CNAME) is not None


def test_a_missing_name_is_missing_for_all_types_and_its_soa_counts_down() -> None:
    clock = Clock()
    cache = Cache(clock)
    cache.put_negative(Negative(name("no.in."), Rcode.NXDOMAIN, soa("in.", 60)), Type.A)
    clock.now += 10
    for rtype in (Type.A, Type.NS):
        found = cache.negative(name("no.in."), rtype)
        assert found is not None
        assert found.soa is not None
        assert (found.rcode, found.soa.ttl) == (Rcode.NXDOMAIN, 50)
    clock.now += 50
    assert cache.negative(name("no.in."), Type.A) is None


def test_a_missing_type_is_missing_for_itself_only() -> None:
    cache = Cache(Clock())
    cache.put_negative(Negative(name("a.in."), Rcode.NOERROR, soa("in.", 60)), Type.NS)
    assert cache.negative(name("a.in."), Type.NS) is not None
    assert cache.negative(name("a.in."), Type.A) is None


def test_a_negative_answer_lasts_three_hours_at_most() -> None:
    clock = Clock()
    cache = Cache(clock)
    cache.put_negative(Negative(name("no.in."), Rcode.NXDOMAIN, soa("in.", 86400)), Type.A)
    clock.now += 3 * 3600 - 1
    assert cache.negative(name("no.in."), Type.A) is not None
    clock.now += 1
    assert cache.negative(name("no.in."), Type.A) is None


def test_records_that_come_to_be_replace_their_absence() -> None:
    cache = Cache(Clock())
    cache.put_negative(Negative(name("a.in."), Rcode.NXDOMAIN, soa("in.", 60)), Type.A)
    cache.put_negative(Negative(name("a.in."), Rcode.NOERROR, soa("in.", 60)), Type.A)
    cache.put_rrset(address("a.in."))
    assert cache.negative(name("a.in."), Type.A) is None


def test_the_closest_delegation_is_the_deepest_that_has_not_ended() -> None:
    clock = Clock()
    cache = Cache(clock)
    for zone, ttl in (("in.", 1000), ("co.in.", 100)):
        cache.put_delegation(Delegation(name(zone), ("192.0.2.1",), (), ttl))

    def closest(text: str) -> Name | None:
        found = cache.closest_delegation(name(text))
        return None if found is None else found.zone

    assert closest("a.co.in.") == name("co.in.")
    assert closest("co.in.") == name("co.in.")
    assert closest("in.") == name("in.")
    assert closest("uk.") is None
    clock.now += 100
    assert closest("a.co.in.") == name("in.")


def test_a_failure_is_remembered_for_a_second() -> None:
    clock = Clock()
    cache = Cache(clock)
    cache.put_failure(Question(name("a.in."), Type.A))
    assert cache.failed(Question(name("a.in."), Type.A))
    assert not cache.failed(Question(name("a.in."), Type.NS))
    clock.now += 1
    assert not cache.failed(Question(name("a.in."), Type.A))


def test_clearing_forgets_everything() -> None:
    cache = Cache(Clock())
    cache.put_rrset(address("a.in."))
    cache.put_negative(Negative(name("no.in."), Rcode.NXDOMAIN, soa("in.", 60)), Type.A)
    cache.put_delegation(Delegation(name("in."), ("192.0.2.1",), (), 60))
    cache.put_failure(Question(name("b.in."), Type.A))
    cache.clear()
    assert ttl_of(cache, "a.in.") is None
    assert cache.negative(name("no.in."), Type.A) is None
    assert cache.closest_delegation(name("a.in.")) is None
    assert not cache.failed(Question(name("b.in."), Type.A))


def test_the_least_recently_used_goes_first_and_the_bound_holds() -> None:
    memory: Expiring[str, int] = Expiring(Clock(), limit=3)
    for number, key in enumerate("abc"):
        memory.put(key, number, 10)
    assert memory.get("a") == (10, 0)
    memory.put("d", 3, 10)
    assert [memory.get(key) is not None for key in "abcd"] == [True, False, True, True]
    for number in range(1000):
        memory.put(f"more {number}", number, 10)
    assert len(memory) == 3


def test_putting_again_starts_the_time_anew() -> None:
    clock = Clock()
    memory: Expiring[str, int] = Expiring(clock, limit=3)
    memory.put("a", 1, 10)
    clock.now += 9
    memory.put("a", 2, 10)
    clock.now += 9
    assert memory.get("a") == (1, 2)
