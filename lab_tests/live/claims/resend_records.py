"""Run inside the client, by test_guarantees.py: send two requests' records in order, one twice, or in the wrong order.

An attacker on the path could do the same to the stream: the records are whole and unchanged. Prints one JSON object:
the key log, and how the server ended it.
"""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from glassbox.client import connect
from glassbox.connection import Connection
from glassbox.events import ConnectionFailed, DataReceived
from glassbox.keylog import key_log
from glassbox.offer import Offer
from glassbox.trust import chain_check

HOST = "parseltongue.co.in"
ORDERS = {"in order": (0, 1), "one twice": (0, 0), "the later one first": (1, 0)}


def secured(line: socket.socket) -> Connection:
    roots = x509.load_pem_x509_certificates(Path("/pki/public/root.pem").read_bytes())
    tls = connect(Offer(HOST), chain_check(roots, HOST, datetime.now(UTC)))
    while not tls.is_open:
        line.sendall(tls.bytes_to_send())
        tls.receive(line.recv(1 << 16))
    line.sendall(tls.bytes_to_send())
    return tls


def main(how: str) -> None:
    with socket.create_connection((HOST, 443), timeout=5) as line:
        tls = secured(line)
        records = []
        for path in ("/bytes/10", "/bytes/20"):
            tls.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            records.append(tls.bytes_to_send())
        line.sendall(b"".join(records[position] for position in ORDERS[how]))
        answers, failure = 0, None
        while answers < len(records) and failure is None:
            for event in tls.receive(line.recv(1 << 16)):
                match event:
                    case DataReceived(data):
                        answers += data.count(b"HTTP/1.1 200")
                    case ConnectionFailed():
                        failure = str(event)
    print(json.dumps({"keylog": key_log(tls.ledger), "answers": answers, "failure": failure}))


main(sys.argv[1])
