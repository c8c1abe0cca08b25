"""What an origin itself speaks, asked by its neighbour on the backend link."""

from __future__ import annotations

import json

import pytest

from live_lab import Lab

GET_OVER_HTTP2 = """
import json, os, socket, ssl, sys
import h2.connection, h2.config, h2.events

name = "origin-1.parseltongue.co.in"
context = ssl.create_default_context(cafile="/pki/public/root.pem")
context.set_alpn_protocols([sys.argv[1]])
raw = socket.create_connection((os.environ["ADDR_ORIGIN_1_BACKEND"], 8443), timeout=5)
tls = context.wrap_socket(raw, server_hostname=name)
answer = {"alpn": tls.selected_alpn_protocol()}
if answer["alpn"] == "h2":
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    asked = [(":method", "GET"), (":path", "/health"), (":scheme", "https"), (":authority", name)]
    connection.send_headers(1, asked, end_stream=True)
    tls.sendall(connection.data_to_send())
    while "status" not in answer:
        for event in connection.receive_data(tls.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                answer["status"] = dict(event.headers)[":status"]
        tls.sendall(connection.data_to_send())
else:
    tls.sendall(f"GET /health HTTP/1.1\\r\\nHost: {name}\\r\\n\\r\\n".encode())
    answer["status"] = tls.recv(65536).split()[1].decode()
print(json.dumps(answer))
"""


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_an_origin_speaks_the_version_that_alpn_chose(lab: Lab, protocol: str) -> None:
    code, output = lab.container("origin-2").exec_run(["python3", "-c", GET_OVER_HTTP2, protocol], user="10001")
    assert code == 0, output.decode()
    assert json.loads(output) == {"alpn": protocol, "status": "200"}
