"""The client's half and the server's half in one process, and all that they say to each other."""

from __future__ import annotations

from certified import NAME, certified
from glassbox.client import connect
from glassbox.connection import Connection
from glassbox.events import Event
from glassbox.offer import Offer
from glassbox.server import accept
from glassbox.suites import TLS_1_3


def pair(offer: Offer | None = None) -> tuple[Connection, Connection]:
    client = connect(offer or Offer(NAME, versions=(TLS_1_3,)), lambda chain: None)
    return client, accept(certified("ecdsa").identity)


def converse(client: Connection, server: Connection) -> tuple[list[Event], list[Event]]:
    """Until both have nothing more to say."""
    at_client: list[Event] = []
    at_server: list[Event] = []
    while sent := client.bytes_to_send():
        at_server += server.receive(sent)
        answer = server.bytes_to_send()
        at_client += client.receive(answer) if answer else []
    return at_client, at_server
