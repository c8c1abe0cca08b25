"""Any fault there can be, for properties."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import strategies as st

from middlebox.faults import (
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Endpoint,
    Fault,
    Flip,
    Hold,
    Lose,
    Match,
    Positions,
    Replace,
)
from middlebox.units import Unit

ADDRESSES = [IPv4Address(address) for address in ("10.77.2.2", "10.77.3.10", "10.77.3.20", "192.0.2.1")]

_NUMBERS = st.integers(min_value=1, max_value=1000)


def endpoints() -> st.SearchStrategy[Endpoint]:
    return st.builds(
        Endpoint, st.none() | st.sampled_from(ADDRESSES), st.none() | st.integers(min_value=1, max_value=65_535)
    )


def matches() -> st.SearchStrategy[Match]:
    return st.builds(Match, st.sampled_from(Unit), endpoints(), endpoints(), st.booleans())


def texts() -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Two of the same length."""
    return st.text(min_size=1).flatmap(
        lambda old: st.tuples(
            st.just(old.encode()),
            st.text(st.characters(max_codepoint=127), min_size=len(old.encode()), max_size=len(old.encode())).map(
                str.encode
            ),
        )
    )


def positions() -> st.SearchStrategy[Positions]:
    return st.builds(Positions, _NUMBERS, st.none() | _NUMBERS)


def faults() -> st.SearchStrategy[Fault]:
    return st.one_of(
        st.builds(Drop, matches(), positions()),
        st.builds(Corrupt, matches(), positions()),
        st.builds(Duplicate, matches(), positions()),
        st.builds(Lose, matches(), st.floats(min_value=0, max_value=100), st.integers(min_value=0, max_value=2**31)),
        st.builds(Delay, matches(), st.integers(min_value=0, max_value=10**10), positions()),
        st.builds(
            Flip,
            matches(),
            positions(),
            st.integers(min_value=-1000, max_value=1000),
            st.integers(min_value=1, max_value=255),
        ),
        st.builds(Hold, matches(), _NUMBERS, _NUMBERS),
        st.builds(lambda match, pair, where: Replace(match, pair[0], pair[1], where), matches(), texts(), positions()),
    )
