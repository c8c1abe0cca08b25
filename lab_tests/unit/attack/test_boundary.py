"""Attacks stay in the lab: everything else is refused, in one sentence."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from attack.boundary import OutsideTheLab, check_no_way_out, place
from attack.orders import Claim, Forge, Impostor, Order, Strip, read_orders, write_order
from hostkit.agent import BadRequest

LAB = {
    "LAB_NET": "10.77",
    "ADDR_ISP_INTERNET": "10.77.2.1",
    "ADDR_ROUTER_INTERNET": "10.77.2.2",
    "ADDR_RESOLVER_INTERNET": "10.77.2.53",
    "ADDR_BALANCER_EDGE": "10.77.3.10",
}
HERE = place(LAB)
HEADINGS = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
LINK = "eth1\t00024D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
WAY_OUT = "eth0\t00000000\t01024D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


def test_the_lab_is_a_place_for_it() -> None:
    check_no_way_out(HEADINGS + LINK, [IPv4Address("10.77.2.1")], HERE)
    assert HERE.resolver == IPv4Address("10.77.2.53")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"LAB_NET": "8.8"}, "8.8.0.0/16 is no private network"),
        ({"LAB_NET": "10.78"}, "10.77.2.1 lies outside the lab, 10.78.0.0/16"),
        ({"ADDR_BALANCER_EDGE": "93.184.216.34"}, "93.184.216.34 lies outside the lab"),
        ({"ADDR_RESOLVER_INTERNET": "resolver"}, "this is not the lab's isp"),
        ({"LAB_NET": ""}, "this is not the lab's isp"),
    ],
)
def test_other_networks_are_none(change: dict[str, str], because: str) -> None:
    with pytest.raises(OutsideTheLab, match=because):
        place({**LAB, **change})


@pytest.mark.parametrize("missing", sorted(LAB))
def test_without_the_labs_variables_there_is_no_lab(missing: str) -> None:
    with pytest.raises(OutsideTheLab, match=f"{missing} is not set: this is not the lab's isp"):
        place({name: value for name, value in LAB.items() if name != missing})


@pytest.mark.parametrize(
    ("route", "to"),
    [
        (WAY_OUT, "0.0.0.0/0 (eth0)"),
        (WAY_OUT.replace("\t00000000\t0\t", "\t00000080\t0\t"), "0.0.0.0/1 (eth0)"),
        (LINK.replace("00024D0A", "00024E0A"), "10.78.2.0/24 (eth1)"),
        (LINK.replace("00FFFFFF", "000000FF").replace("00024D0A", "0000000A"), "10.0.0.0/8 (eth1)"),
    ],
    ids=["default", "half-of-all", "another-network", "wider-than-the-lab"],
)
def test_a_host_with_a_way_out_is_refused(route: str, to: str) -> None:
    with pytest.raises(OutsideTheLab, match=re.escape(f"has a route to {to}")):
        check_no_way_out(HEADINGS + LINK + route, [IPv4Address("10.77.2.1")], HERE)


def test_a_host_that_is_not_the_isp_is_refused() -> None:
    with pytest.raises(OutsideTheLab, match=r"this host is not 10.77.2.1"):
        check_no_way_out(HEADINGS + LINK, [IPv4Address("192.168.1.5")], HERE)


@pytest.mark.parametrize(
    "order",
    [Impostor("https"), Impostor("http"), Strip(), Claim(), Forge((("parseltongue.co.in", IPv4Address("10.77.2.1")),))],
)
def test_what_is_ordered_is_written_the_same(order: Order) -> None:
    assert read_orders({"attacks": [write_order(order)]}, HERE.lab) == (order,)


@pytest.mark.parametrize(
    ("request_", "because"),
    [
        ({}, "expected"),
        ({"attacks": "strip"}, "expected"),
        ({"attacks": ["strip"]}, r"attacks\[0\]: expected impostor"),
        ({"attacks": [{"kind": "impostor", "scheme": "ftp"}]}, r"attacks\[0\]: expected impostor"),
        ({"attacks": [{"kind": "strip", "more": 1}]}, r"attacks\[0\]"),
        ({"attacks": [{"kind": "forge", "names": {}}]}, r"attacks\[0\]"),
        ({"attacks": [{"kind": "forge", "names": {"a.in": "8.8.8.8"}}]}, "8.8.8.8 lies outside the lab"),
        ({"attacks": [{"kind": "forge", "names": {"a.in": "10.77.2.254"}}]}, "this machine's own address"),
        ({"attacks": [{"kind": "forge", "names": {"a.in": 7}}]}, "expected an IPv4 address"),
        ({"attacks": [{"kind": "strip"}, {"kind": "impostor", "scheme": "http"}]}, "same traffic"),
        ({"attacks": [{"kind": "strip"}, {"kind": "strip"}]}, "same traffic"),
        ({"attacks": [{"kind": "claim"}, {"kind": "forge", "names": {"a.in": "10.77.2.1"}}]}, "claimed once"),
    ],
)
def test_bad_orders_are_refused(request_: dict[str, object], because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        read_orders(request_, HERE.lab)
