"""Which certificates the lab has: one row each, issuers before what they sign.

A certificate with a fault on purpose (for the claim that clients refuse it) is one more row of MISISSUED: another
`issuer` for a CA nobody trusts, its own name for self-signed, other `dns_names` for a wrong name, `starts` and `ends`
on one side of now for expired or not yet valid, an empty `sends` for a missing intermediate, `revoked=True` for the
list in crl.pem, an issuer with `permitted` names for one outside them, Role.CLIENT for a key that is no server's,
few `rsa_bits` for a weak key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Any


class Role(Enum):
    """What a certificate's key may be used for; decides the extensions of RFC 5280 section 4.2."""

    ROOT = "root CA"
    INTERMEDIATE = "intermediate CA"
    SERVER = "server"
    CLIENT = "client"

    @property
    def is_ca(self) -> bool:
        return self in (Role.ROOT, Role.INTERMEDIATE)


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate as it should be.

    name: of its files: <folder>/<name>.pem holds key and chain, public/<name>.pem the chain alone.
    issuer: name of the row that signs; the own name means self-signed.
    folder: of the private file: a volume that only its reader mounts.
    starts, ends: validity, counted from the moment of making.
    renew_before: made anew when less than this is left.
    sends: rows whose certificates follow the own one in the chain.
    permitted: of a CA: the only names it may sign for, and names below them (RFC 5280, section 4.2.1.10).
    rsa_bits: of an RSA key that may also decipher (RFC 5246, section 7.4.7.1); without them the key is EC P-256.
    """

    name: str
    role: Role
    issuer: str
    folder: str
    common_name: str
    starts: timedelta
    ends: timedelta
    renew_before: timedelta
    dns_names: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    revoked: bool = False
    permitted: tuple[str, ...] = ()
    rsa_bits: int | None = None

    @property
    def is_self_signed(self) -> bool:
        return self.issuer == self.name


SITE = "parseltongue.co.in"
SKEW = timedelta(minutes=-5)  # clocks of readers may run a little behind ours
DAY = timedelta(days=1)
LEAF_LIFE = 30 * DAY
LEAF_MARGIN = 3 * DAY
CA_MARGIN = LEAF_LIFE + LEAF_MARGIN  # so that whatever a CA signs ends before the CA does
CRL_LIFE = 30 * DAY


def server(name: str, folder: str, *dns_names: str) -> Row:
    """The row of an ordinary server certificate under the lab's intermediate."""
    return Row(
        name,
        Role.SERVER,
        "intermediate",
        folder,
        dns_names[0],
        SKEW,
        LEAF_LIFE,
        LEAF_MARGIN,
        dns_names,
        ("intermediate",),
    )


def misissued(name: str, **fault: Any) -> Row:
    """A server certificate for <name>.parseltongue.co.in with one thing wrong with it."""
    return replace(server(name, "balancer", f"{name}.{SITE}"), **fault)


TRUSTED: tuple[Row, ...] = (
    Row("root", Role.ROOT, "root", "ca", "eightsteps root CA", SKEW, 3650 * DAY, CA_MARGIN),
    Row("intermediate", Role.INTERMEDIATE, "root", "ca", "eightsteps intermediate CA", SKEW, 1825 * DAY, CA_MARGIN),
    server("site", "balancer", SITE, f"www.{SITE}", f"hsts.{SITE}"),
    server("origin-1", "origin-1", f"origin-1.{SITE}"),
    server("origin-2", "origin-2", f"origin-2.{SITE}"),
    server("quic", "quic", f"quic.{SITE}"),
)

# Valid, and each there for an experiment with keys: `weak` is the balancer's second listener, to whose RSA key a client
# may encrypt its secret; `glass` the server of the tests that tells its own ephemeral keys.
EXPERIMENTS: tuple[Row, ...] = (
    replace(server("weak", "balancer", f"weak.{SITE}"), rsa_bits=2048),
    server("glass", "balancer", f"glass.{SITE}"),
)

# The lab's root never signed for the stranger. The constrained CA it did sign for, but for other names than the site's.
MISISSUED: tuple[Row, ...] = (
    Row("stranger", Role.ROOT, "stranger", "ca", "a CA that nobody trusts", SKEW, 3650 * DAY, CA_MARGIN),
    Row(
        "constrained-ca",
        Role.INTERMEDIATE,
        "root",
        "ca",
        "eightsteps constrained CA",
        SKEW,
        1825 * DAY,
        CA_MARGIN,
        permitted=("elsewhere.example",),
    ),
    misissued("unknown-ca", issuer="stranger", sends=()),
    misissued("self-signed", issuer="self-signed", sends=()),
    misissued("wrong-name", dns_names=("somebody-else.example",), common_name="somebody-else.example"),
    misissued("expired", starts=-31 * DAY, ends=-DAY),
    misissued("not-yet-valid", starts=300 * DAY, ends=330 * DAY),
    misissued("incomplete", sends=()),
    misissued("revoked", revoked=True),
    misissued("constrained", issuer="constrained-ca", sends=("constrained-ca",)),
    misissued("wrong-usage", role=Role.CLIENT),
    misissued("weak-key", rsa_bits=1024),
)

CATALOGUE = TRUSTED + EXPERIMENTS + MISISSUED
