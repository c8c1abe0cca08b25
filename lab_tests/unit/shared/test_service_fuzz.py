"""The parsers of router, client, name servers and resolver under a coverage-guided fuzzer: a second each, more on
request.

FUZZ_SECONDS=600 make test ARGS='-k service_fuzz' gives each parser ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import service_inputs as inputs
from fuzzing import Run, check_only_refused, fuzzed_for_seconds
from glassbox.messages import split_handshakes
from glassbox.presentation import vector
from glassbox.suites import TLS_1_3, KeyExchange
from programs_here import needs_atheris

pytestmark = needs_atheris

PROGRAM = Path(__file__).with_name("fuzz_services.py")


def messages() -> list[bytes]:
    """Bodies of every kind, behind the number of each reader."""
    bodies = [message.body for message in split_handshakes(inputs.flight_13())[0]]
    bodies += [message.raw[4:] for message in split_handshakes(inputs.client(TLS_1_3).bytes_to_send()[5:])[0]]
    bodies += [
        inputs.conversation_13()[9:100],
        bytes(8) + b"\4abcd\0\3abc\0\0",
        b"\3\0\x1d\x20" + bytes(32) + b"\4\3\0\2ab",
    ]
    return [bytes([number]) + body for number in range(9) for body in bodies]


def seeds(parser: str) -> list[bytes]:
    flights = [inputs.conversation_12(exchange) for exchange in (KeyExchange.ECDHE, KeyExchange.RSA)]
    found: dict[str, Callable[[], list[bytes]]] = {
        "middlebox_packet": inputs.packets,
        "quic_packets": inputs.datagrams,
        "tls_records": inputs.segments,
        "tls_client_13": lambda: [inputs.conversation_13(), inputs.retry_13()],
        "tls_client_12": lambda: flights,
        "tls_flight_13": lambda: [inputs.flight_13()],
        "tls_server_13": lambda: [inputs.client(TLS_1_3).bytes_to_send()],
        "tls_messages": messages,
        "certificates": lambda: [m.body for m in split_handshakes(inputs.flight_13())[0] if m.type == 11],
        "http1_response": lambda: [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ],
        "nameserver": inputs.queries,
        "resolver_walk": inputs.told_on_a_walk,
        "resolver": lambda: [vector(2, query) + told for query in inputs.queries() for told in inputs.told_on_a_walk()],
    }
    return found[parser]()


TARGETS = [
    "middlebox_packet",
    "quic_packets",
    "tls_records",
    "tls_client_13",
    "tls_client_12",
    "tls_flight_13",
    "tls_server_13",
    "tls_messages",
    "certificates",
    "http1_response",
    "nameserver",
    "resolver_walk",
    "resolver",
]


@pytest.fixture(scope="session")  # not once more for each test between which others come
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    return fuzzed_for_seconds(request, Path(__file__), PROGRAM, seeds, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("parser", TARGETS)
def test_nothing_but_a_refusal_comes_out_of_a_services_parser(parser: str, runs: Mapping[str, Run]) -> None:
    check_only_refused(runs[parser])
