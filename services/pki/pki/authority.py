"""One run of the authority: look, decide, make, say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from pki.catalogue import CRL_LIFE, LEAF_MARGIN, Row
from pki.files import Store
from pki.plan import Unusable, plan, revocation_fault
from pki.profile import Identity, issue, revocation_list


def run(store: Store, rows: Sequence[Row], now: datetime) -> Iterator[str]:
    """Bring the store to what `rows` describe; yields one line per certificate, and one for the revocation lists."""
    store.sweep(rows)
    found = {row.name: store.read(row) for row in rows}
    current: dict[str, Identity] = {}
    for decision in plan(rows, found, now):
        row = decision.row
        kept = found[row.name]
        if decision.why is None and isinstance(kept, Identity):
            current[row.name] = kept
        else:
            current[row.name] = issue(row, current, now)
            store.write(row, current[row.name])
        until = current[row.name].certificate.not_valid_after_utc
        yield _line(row.name, row.role.value, decision.why, until)
    yield _renew_revocation_lists(store, rows, current, now)


def _renew_revocation_lists(store: Store, rows: Sequence[Row], current: dict[str, Identity], now: datetime) -> str:
    revoked: dict[str, list[x509.Certificate]] = {row.name: [] for row in rows if row.role.is_ca}
    for row in rows:
        if row.revoked:
            revoked[row.issuer].append(current[row.name].certificate)
    expected = {
        name: (current[name], frozenset(certificate.serial_number for certificate in certificates))
        for name, certificates in revoked.items()
    }
    lists = store.read_revocation_lists()
    why = lists.why if isinstance(lists, Unusable) else revocation_fault(lists, expected, now, LEAF_MARGIN)
    if isinstance(lists, Unusable) or why is not None:
        lists = [revocation_list(current[name], certificates, now, CRL_LIFE) for name, certificates in revoked.items()]
        store.write_revocation_lists(lists)
    until = min(each.next_update_utc or now for each in lists)
    return _line("crl", f"{sum(map(len, revoked.values()))} revoked", why, until)


def _line(name: str, what: str, why: str | None, until: datetime) -> str:
    done = "kept" if why is None else "made"
    return f"{done}  {name:<13} {what:<16} until {until:%Y-%m-%d %H:%M}Z{f'  ({why})' if why else ''}"
