"""Master files (RFC 1035 5): what is served, and what is refused at start with its reason."""

from __future__ import annotations

import pytest
from dnslib import QTYPE

from hostkit.dns_query import Name, Type, name_from_text
from nameserver.__main__ import ZONE_FOLDER, load
from nameserver.zonefile import Zone, ZoneError, delegation_above, glue, zone_from_text

HEAD = """
$ORIGIN example.
$TTL 300
@    IN SOA ns hostmaster 1 2 3 4 60
@    IN NS  ns
ns   IN A   192.0.2.53
"""
ADDRESSES = {
    "ADDR_NS_ROOT_INTERNET": "10.0.2.4",
    "ADDR_NS_IN_INTERNET": "10.0.2.5",
    "ADDR_NS_SITE_INTERNET": "10.0.2.6",
    "ADDR_BALANCER_EDGE": "10.0.3.10",
    "ADDR_QUIC_EDGE": "10.0.3.20",
    "ADDR_GLASS_EDGE": "10.0.3.30",
}


def zone(records: str, **variables: str) -> Zone:
    return zone_from_text(HEAD + records, variables)


def name(text: str) -> Name:
    return name_from_text(text)


def test_origin_and_ttl_apply_and_a_record_may_have_its_own_ttl() -> None:
    nodes = zone("a IN A 192.0.2.1\nb 5 IN A 192.0.2.2\n").nodes
    assert nodes[name("a.example.")][Type.A].ttl == 300
    assert nodes[name("b.example.")][Type.A].ttl == 5


def test_records_of_one_name_and_type_are_one_rrset() -> None:
    rrset = zone("a IN A 192.0.2.1\na IN A 192.0.2.2\n").nodes[name("a.example.")][Type.A]
    assert [str(address) for address in rrset.data] == ["192.0.2.1", "192.0.2.2"]


def test_names_are_kept_in_lower_case() -> None:
    assert name("www.example.") in zone("WwW IN A 192.0.2.1\n").nodes


def test_a_name_that_only_has_names_below_it_has_an_empty_node() -> None:
    nodes = zone("leaf.branch.trunk IN A 192.0.2.1\n").nodes
    assert nodes[name("branch.trunk.example.")] == {}
    assert nodes[name("trunk.example.")] == {}


def test_comments_empty_lines_and_parentheses_are_read() -> None:
    text = '; a comment\n   ; an indented one\n   \nlong IN TXT (\n  "one" ; and more\n  "two" )\n'
    assert zone(text).nodes[name("long.example.")][QTYPE.TXT].data[0].data == [b"one", b"two"]


def test_variables_are_filled_in() -> None:
    assert str(zone("a IN A ${HERE}\n", HERE="192.0.2.9").nodes[name("a.example.")][Type.A].data[0]) == "192.0.2.9"


def test_a_delegation_is_found_from_the_cut_down_with_its_glue() -> None:
    served = zone("sub IN NS ns.sub\nns.sub IN A 192.0.2.7\n")
    for below in ("sub.example.", "a.sub.example.", "ns.sub.example."):
        cut = delegation_above(served, name(below))
        assert cut is not None
        assert cut.name == name("sub.example.")
        assert [rrset.name for rrset in glue(served, cut)] == [name("ns.sub.example.")]
    assert delegation_above(served, name("example.")) is None
    assert delegation_above(served, name("other.example.")) is None


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ("a IN A ${NOWHERE}\n", r"line 7: \$\{NOWHERE\} is not in the environment"),
        ("a IN A ${NOWHERE\n", r"line 7: \$\{NOWHERE is not in the environment"),
        ("a IN A ${}\n", r"line 7: \$\{\} is not in the environment"),
        ("@ IN SOA ns hostmaster 1 2 3 4 60\n", "exactly one SOA record, found 2"),
        ("other. IN A 192.0.2.1\n", "not in zone example."),
        ("a CH A 192.0.2.1\n", "only class IN"),
        ("a 5 IN A 192.0.2.1\na 6 IN A 192.0.2.2\n", "has TTL 5 already"),
        ("a IN CNAME b\na IN A 192.0.2.1\n", "a.example. has a CNAME and other data"),
        ("a IN CNAME b\na IN CNAME c\n", "a.example. has a CNAME and other data"),
        ("a IN CNAME @\n", "write example."),
        ("sub IN NS ns.sub\n", r"sub.example. NS ns.sub.example.: its A record is missing"),
        ("a IN\n", "cannot read the record after ns.example."),
        ("a IN A 192.0.2\n", "cannot read the record after ns.example."),
        ("a IN A 192.0.2.256\n", "cannot read the record after ns.example."),
        ("a IN NOSUCHTYPE x\n", "cannot read the record after ns.example."),
    ],
)
def test_a_zone_that_cannot_be_served_is_refused_with_its_reason(records: str, why: str) -> None:
    with pytest.raises(ZoneError, match=why):
        zone(records)


def test_a_zone_needs_soa_and_name_servers() -> None:
    with pytest.raises(ZoneError, match="exactly one SOA record, found 0"):
        zone_from_text("$ORIGIN example.\na 300 IN A 192.0.2.1\n", {})
    with pytest.raises(ZoneError, match=r"example\. has no NS record"):
        zone_from_text("$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 2 3 4 60\n", {})


@pytest.mark.parametrize(
    "zones", ["root.zone", "in.zone co.in.zone", "parseltongue.co.in.zone", "twin.parseltongue.co.in.zone"]
)
def test_the_lab_s_own_zones_are_good(zones: str) -> None:
    assert len(load(zones.split(), ADDRESSES)) == len(zones.split())


def test_every_zone_file_of_the_lab_can_be_served_together() -> None:
    zones = load([path.name for path in ZONE_FOLDER.iterdir()], ADDRESSES)
    assert set(zones) == {(), *map(name, ("in.", "co.in.", "parseltongue.co.in.", "twin.parseltongue.co.in."))}


def test_parent_and_child_agree_on_the_name_servers() -> None:
    zones = load([path.name for path in ZONE_FOLDER.iterdir()], ADDRESSES)
    lines = (
        ("in.", "."),
        ("co.in.", "in."),
        ("parseltongue.co.in.", "co.in."),
        ("twin.parseltongue.co.in.", "parseltongue.co.in."),
    )
    for child, parent in lines:
        above = zones[name(parent)].nodes[name(child)][Type.NS]
        below = zones[name(child)].nodes[name(child)][Type.NS]
        assert above.data == below.data


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "ZONES is empty: name at least one of co.in.zone, in.zone"),
        (["nosuch.zone"], "nosuch.zone: .*No such file"),
        (["in.zone", "in.zone"], "in.zone: another of ZONES holds the same zone"),
    ],
)
def test_zones_that_cannot_be_loaded_are_named(names: list[str], why: str) -> None:
    with pytest.raises(ZoneError, match=why):
        load(names, ADDRESSES)


def test_a_missing_address_names_file_line_and_variable() -> None:
    with pytest.raises(ZoneError, match=r"root.zone: line 6: \$\{ADDR_NS_ROOT_INTERNET\} is not in the environment"):
        load(["root.zone"], {})
