"""The order of things: DNS, TCP, TLS, request, processing, response - on each link, over each version of HTTP."""

from __future__ import annotations

from live_lab import Lab, Visited
from observer.connections import Connection, Transport, connections
from observer.exchanges import Exchange, all_exchanges
from observer.messages import Frame

FRONT = ("home", "internet", "edge")


def client_connection(visited: Visited, link: str, lab: Lab) -> Connection:
    """The visit's connection to the balancer as `link` saw it."""
    balancer = lab.topology.address("balancer", "edge")
    found = [c for c in connections(visited.on(link)) if c.server.address == balancer and c.server.port == 443]
    assert len(found) == 1, f"{link}: expected one connection to the balancer, found {len(found)}"
    return found[0]


def exchange_on(visited: Visited, link: str) -> Exchange:
    request_id = visited.step("request")["facts"]["request_id"]
    assert request_id, "the balancer gave the request no id"
    found = [e for e in all_exchanges(connections(visited.on(link))) if e.request_id == request_id]
    assert len(found) == 1, f"{link}: expected one exchange with request id {request_id}, found {len(found)}"
    return found[0]


def in_order(*frames: Frame | None) -> bool:
    times = [frame.time_ns for frame in frames if frame is not None]
    return len(times) == len(frames) and times == sorted(times)


def test_all_eight_steps_are_told_and_cite_frames_that_exist(ordinary_visit: Visited) -> None:
    quic = ordinary_visit.journey["visit"]["http"] == "3"
    expected = dict.fromkeys(["DNS", "TCP", "TLS", "request", "processing", "response", "connection kept open"], "seen")
    expected |= {"rendering": "absent"} | ({"TCP": "absent"} if quic else {})
    assert {step["name"]: step["status"] for step in ordinary_visit.journey["steps"]} == expected
    for step in ordinary_visit.journey["steps"]:
        assert step["evidence"] or step["status"] != "seen", f"step {step['number']} without evidence"
        for evidence in step["evidence"]:
            ordinary_visit.frame(evidence)


def test_steps_begin_in_their_order(ordinary_visit: Visited) -> None:
    starts = [step["start_ns"] for step in ordinary_visit.journey["steps"] if step["status"] == "seen"]
    assert starts == sorted(starts)
    assert starts[0] > 0, "the first frame comes after Enter"


def test_dns_comes_first_and_tells_the_address_that_is_then_opened(ordinary_visit: Visited, lab: Lab) -> None:
    connection = client_connection(ordinary_visit, "home", lab)
    client = lab.topology.address("client", "home")
    answers = [f for f in ordinary_visit.on("home") if f.dns and f.dns.is_response and f.destination == client]
    told = {record.data for frame in answers if frame.dns for record in frame.dns.answers}
    assert connection.server.address in told
    assert in_order(answers[0], connection.frames[0])


def test_the_connection_opens_before_its_first_byte_on_every_front_link(ordinary_visit: Visited, lab: Lab) -> None:
    for link in FRONT:
        connection = client_connection(ordinary_visit, link, lab)
        hello, answer = connection.client_hello, connection.server_hello
        assert hello and answer, f"{link}: no handshake"
        if connection.transport is Transport.TCP:
            assert len(connection.opening) == 3, f"{link}: three packets open a TCP connection"
            assert in_order(*connection.opening, hello[0]), link
        else:
            assert connection.opening == (), "UDP opens with none"
            assert ordinary_visit.step("TCP")["status"] == "absent"
        assert in_order(hello[0], answer[0]), link


def test_the_handshake_ends_before_the_request_and_the_request_before_the_response(
    ordinary_visit: Visited, lab: Lab
) -> None:
    for link in FRONT:
        connection = client_connection(ordinary_visit, link, lab)
        finished = [frame for frame in connection.finished if connection.from_client(frame)]
        exchange = exchange_on(ordinary_visit, link)
        assert finished, f"{link}: the client's Finished was not seen"
        assert in_order(finished[0], exchange.request_frame, exchange.response_start, exchange.response_end), link
        assert exchange.request.version.value == ordinary_visit.journey["visit"]["http"]


def test_the_balancer_asks_an_origin_inside_the_request(ordinary_visit: Visited) -> None:
    edge, backend = exchange_on(ordinary_visit, "edge"), exchange_on(ordinary_visit, "backend")
    assert in_order(edge.request_frame, backend.request_frame, backend.response_start, edge.response_start)
    assert ordinary_visit.step("processing")["facts"]["joined_by"] == "request id"


def test_the_request_id_on_edge_is_the_one_on_backend(ordinary_visit: Visited) -> None:
    edge, backend = exchange_on(ordinary_visit, "edge"), exchange_on(ordinary_visit, "backend")
    assert edge.response and edge.response.header("x-request-id") == backend.request.header("x-request-id")


def test_both_legs_are_encrypted_and_were_decrypted_with_the_keys_in_the_file(
    ordinary_visit: Visited, lab: Lab
) -> None:
    for link in ("edge", "backend"):
        exchange = exchange_on(ordinary_visit, link)
        assert exchange.response and exchange.response.status == 200
        assert exchange.connection.client_hello, f"{link}: plain HTTP"
        assert "tls" in exchange.request_frame.protocols or "quic" in exchange.request_frame.protocols
    backend = exchange_on(ordinary_visit, "backend").connection
    assert backend.client.address == lab.topology.address("balancer", "backend")


def test_plain_http_is_answered_with_a_redirect_and_reaches_no_origin(lab: Lab) -> None:
    visited = lab.visit("http://parseltongue.co.in/", http="1.1")
    response = visited.step("response")["facts"]
    assert response["status"] == 301
    assert ["location", "https://parseltongue.co.in/"] in [[n.lower(), v] for n, v in response["headers"]]
    assert visited.step("TLS")["status"] == "absent"
    assert visited.step("processing")["status"] == "absent"
    assert visited.journey["capture"], "absent rests on a complete capture"
    assert all(link["complete"] for link in visited.journey["capture"])
