"""What the authority decides to make, given what exists and now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pki.catalogue import CATALOGUE, CRL_LIFE, DAY, LEAF_MARGIN, MISISSUED, TRUSTED, Row, server
from pki.plan import Found, Unusable, plan, revocation_fault, validity_fault
from pki.profile import Identity, issue, revocation_list

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def everything(now: datetime = NOW, rows: tuple[Row, ...] = TRUSTED) -> dict[str, Identity]:
    made: dict[str, Identity] = {}
    for row in rows:
        made[row.name] = issue(row, made, now)
    return made


@pytest.fixture(scope="module")
def good() -> dict[str, Identity]:
    return everything()


def reasons(found: dict[str, Found], now: datetime = NOW, rows: tuple[Row, ...] = TRUSTED) -> dict[str, str]:
    """What is made, and why."""
    return {decision.row.name: decision.why for decision in plan(rows, found, now) if decision.why is not None}


def test_valid_material_is_kept(good: dict[str, Identity]) -> None:
    assert reasons({**good}) == {}


def test_with_nothing_there_everything_is_made() -> None:
    nothing: dict[str, Found] = {row.name: Unusable("there is no file") for row in TRUSTED}
    assert list(reasons(nothing)) == ["root", "intermediate", "site", "origin-1", "origin-2", "quic"]


def test_a_missing_leaf_is_made_alone(good: dict[str, Identity]) -> None:
    assert reasons({**good, "site": Unusable("there is no balancer/site.pem")}) == {
        "site": "there is no balancer/site.pem"
    }


def test_a_new_intermediate_renews_every_leaf_and_not_the_root(good: dict[str, Identity]) -> None:
    assert reasons({**good, "intermediate": Unusable("unreadable")}) == {
        "intermediate": "unreadable",
        "site": "intermediate is new",
        "origin-1": "intermediate is new",
        "origin-2": "intermediate is new",
        "quic": "intermediate is new",
    }


def test_a_new_root_renews_everything(good: dict[str, Identity]) -> None:
    assert list(reasons({**good, "root": Unusable("gone")})) == [row.name for row in TRUSTED]


def test_a_key_that_is_not_the_certificates_is_replaced(good: dict[str, Identity]) -> None:
    swapped = replace(good["site"], key=good["origin-1"].key)
    assert reasons({**good, "site": swapped}) == {"site": "the key is not the certificate's"}


def test_a_certificate_of_another_authority_is_replaced(good: dict[str, Identity]) -> None:
    stranger = replace(everything()["site"], sent=good["site"].sent)
    assert reasons({**good, "site": stranger}) == {"site": "not signed by this intermediate"}


def test_a_chain_that_sends_an_old_intermediate_is_replaced(good: dict[str, Identity]) -> None:
    old = replace(good["site"], sent=everything()["site"].sent)
    assert reasons({**good, "site": old}) == {"site": "the chain in its file is another"}


def test_a_name_added_to_the_catalogue_renews_that_certificate(good: dict[str, Identity]) -> None:
    rows = tuple(
        replace(row, dns_names=(*row.dns_names, "shop.parseltongue.co.in")) if row.name == "site" else row
        for row in TRUSTED
    )
    assert reasons({**good}, rows=rows) == {"site": "not what the catalogue describes"}


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (30 * DAY - LEAF_MARGIN, None),
        (30 * DAY - LEAF_MARGIN + SECOND, "expires soon, 2030-05-31 12:00"),
        (30 * DAY - SECOND, "expires soon, 2030-05-31 12:00"),
        (30 * DAY, "expired 2030-05-31 12:00"),
        (-300 * SECOND, None),
        (-301 * SECOND, "not valid before 2030-05-01 11:55"),
    ],
)
def test_a_leaf_is_renewed_within_three_days_of_its_end(
    good: dict[str, Identity], later: timedelta, why: str | None
) -> None:
    certificate = good["site"].certificate
    row = next(row for row in TRUSTED if row.name == "site")
    assert validity_fault(row, certificate.not_valid_before_utc, certificate.not_valid_after_utc, NOW + later) == why


def test_an_authority_is_renewed_while_a_new_leaf_still_fits_into_its_life() -> None:
    intermediate = next(row for row in TRUSTED if row.name == "intermediate")
    last_moment = NOW + intermediate.ends - intermediate.renew_before
    found: dict[str, Found] = {**everything()}
    assert "intermediate" not in reasons(found, last_moment)
    assert reasons(found, last_moment + SECOND)["intermediate"].startswith("expires soon")
    assert intermediate.renew_before > server("x", "x", "x").ends


@pytest.mark.parametrize("row", MISISSUED, ids=lambda row: row.name)
def test_a_certificate_misissued_on_purpose_is_one_row_and_is_kept(row: Row) -> None:
    found: dict[str, Found] = {**everything(rows=CATALOGUE)}
    assert reasons(found, rows=CATALOGUE) == {}
    assert reasons({**found, row.name: Unusable("gone")}, rows=CATALOGUE)[row.name] == "gone"


def test_an_expired_certificate_that_is_still_valid_is_made_anew() -> None:
    row = next(row for row in MISISSUED if row.name == "expired")
    assert validity_fault(row, NOW - DAY, NOW + DAY, NOW) == "not expired, as it should be"


def test_a_future_certificate_whose_day_has_come_is_made_anew() -> None:
    row = next(row for row in MISISSUED if row.name == "not-yet-valid")
    assert validity_fault(row, NOW + DAY, NOW + 30 * DAY, NOW) == "valid, or soon, as it should not be"


class TestRevocationLists:
    def test_lists_that_say_the_right_thing_are_kept(self, good: dict[str, Identity]) -> None:
        assert self.fault(good, revoked="site", listed="site") is None

    def test_a_newly_revoked_certificate_needs_a_new_list(self, good: dict[str, Identity]) -> None:
        assert self.fault(good, revoked="site", listed=None) == "the list of intermediate revokes other certificates"

    def test_a_list_signed_by_another_key_is_replaced(self, good: dict[str, Identity]) -> None:
        stranger = everything()
        expected = {"intermediate": (good["intermediate"], frozenset[int]())}
        lists = [revocation_list(stranger["intermediate"], [], NOW, CRL_LIFE)]
        why = "the list of intermediate is not signed by this intermediate"
        assert revocation_fault(lists, expected, NOW, LEAF_MARGIN) == why

    def test_a_list_that_runs_out_is_replaced(self, good: dict[str, Identity]) -> None:
        late = NOW + CRL_LIFE - LEAF_MARGIN + SECOND
        assert self.fault(good, revoked=None, listed=None, now=late) == "the list of intermediate runs out"

    def test_a_missing_list_is_noticed(self, good: dict[str, Identity]) -> None:
        expected = {"intermediate": (good["intermediate"], frozenset[int]())}
        assert revocation_fault([], expected, NOW, LEAF_MARGIN) == "holds 0 lists instead of 1"

    def fault(
        self, good: dict[str, Identity], *, revoked: str | None, listed: str | None, now: datetime = NOW
    ) -> str | None:
        serials = frozenset({good[revoked].certificate.serial_number} if revoked else set())
        certificates = [good[listed].certificate] if listed else []
        lists = [revocation_list(good["intermediate"], certificates, NOW, CRL_LIFE)]
        return revocation_fault(lists, {"intermediate": (good["intermediate"], serials)}, now, LEAF_MARGIN)
