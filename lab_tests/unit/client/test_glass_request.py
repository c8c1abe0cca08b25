"""The object "glassbox" of a visit: what the handshake offers."""

from __future__ import annotations

from typing import Any

import pytest

from client.destinations import lab_network
from client.glass_request import Glass, offer_of, read_glass
from client.visit import HttpVersion, Program
from client.visit_request import read_visit
from glassbox.errand import Connections
from glassbox.groups import Group
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3
from hostkit.agent import BadRequest

SITE = "https://parseltongue.co.in/"


def visit(**request: Any) -> Any:
    return read_visit({"id": "v", "urls": [SITE], "with": "glassbox", **request}, lab_network("10.77"))


def test_a_visit_speaks_http_1_1_and_offers_everything() -> None:
    asked = visit()
    assert (asked.program, asked.http, asked.glassbox) == (Program.GLASSBOX, HttpVersion.HTTP_1_1, None)
    offer = offer_of(Glass(), None)
    assert (offer.versions, offer.suites, offer.groups) == ((TLS_1_3, TLS_1_2), tuple(SUITES), tuple(Group))


def test_names_become_numbers() -> None:
    asked = read_glass(
        {
            "suites": ["TLS_AES_256_GCM_SHA384"],
            "groups": ["secp256r1", "x25519"],
            "extended_master_secret": False,
            "connections": "resumed",
        }
    )
    assert asked.connections is Connections.RESUMED
    offer = offer_of(asked, "1.3")
    assert (offer.suites, offer.groups, offer.versions) == ((0x1302,), (Group.SECP256R1, Group.X25519), (TLS_1_3,))
    assert offer.shares == (Group.SECP256R1,), "the first group is the one shared"
    assert not offer.extended_master_secret and offer.encrypt_then_mac


@pytest.mark.parametrize(
    ("part", "because"),
    [
        ({"glassbox": []}, "^glassbox: expected an object"),
        ({"glassbox": {"colour": "red"}}, "^glassbox: unknown 'colour'"),
        ({"glassbox": {"suites": ["TLS_NULL"]}}, "^glassbox: suites: expected a list of TLS_AES"),
        ({"glassbox": {"groups": "x25519"}}, "^glassbox: groups: expected a list"),
        ({"glassbox": {"encrypt_then_mac": 1}}, "^glassbox: encrypt_then_mac: expected true or false"),
        ({"glassbox": {"connections": "many"}}, "^glassbox: connections: expected shared or fresh or resumed"),
        ({"glassbox": {}, "with": "curl"}, "^glassbox: only the glass box"),
        ({"http": "2"}, "^http: the glass box speaks version 1.1 only"),
        ({"urls": ["http://parseltongue.co.in/"]}, "^urls: "),
        ({"follow": True}, "^with: the glass box has no redirects"),
    ],
)
def test_what_cannot_be_asked_is_named(part: dict[str, Any], because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        visit(**part)
