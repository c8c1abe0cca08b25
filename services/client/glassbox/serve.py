"""`python3 -m glassbox.serve ADDRESS PORT CHAIN.pem KEY.pem`: answer every HTTPS request, and tell one's own secrets.

Chain and key stand in one file as a rule. With another's key it is an impostor that shows a certificate not its own.

One JSON object per connection on standard output: how it ended, and its intermediates as name and hexadecimal value.
For experiments alone: what tells its secrets keeps none.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from glassbox.connection import Connection
from glassbox.events import ConnectionFailed, DataReceived, PeerClosed
from glassbox.server import Identity, accept

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nA page of glass.\r\n"
_TIMEOUT_S = 5.0


def load_identity(chain_path: Path, key_path: Path) -> Identity:
    """From PEM files. Raises OSError, ValueError."""
    key = load_pem_private_key(key_path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_path}: expected an elliptic curve key, found {type(key).__name__}")
    certificates = x509.load_pem_x509_certificates(chain_path.read_bytes())
    chain = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    return Identity(chain, key)


def attend(client: socket.socket, identity: Identity) -> tuple[Connection, str]:
    """Play one connection to its end; what ended it."""
    tls = accept(identity)
    client.settimeout(_TIMEOUT_S)
    head = b""
    while True:
        for event in tls.receive(client.recv(1 << 16)):
            match event:
                case DataReceived(data):
                    head += data
                    if b"\r\n\r\n" in head:
                        head = b""
                        tls.send(_ANSWER)
                case PeerClosed():
                    tls.close()
                    client.sendall(tls.bytes_to_send())
                    return tls, "closed"
                case ConnectionFailed():
                    client.sendall(tls.bytes_to_send())
                    return tls, str(event)
        client.sendall(tls.bytes_to_send())


def main(address: str, port: int, chain: Path, key: Path) -> None:
    identity = load_identity(chain, key)
    with socket.create_server((address, port)) as listener:
        print(json.dumps({"listening": port}), flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                try:
                    tls, end = attend(client, identity)
                except OSError as fault:
                    print(json.dumps({"end": str(fault)}), flush=True)
                    continue
            values = [[each.name, each.value.hex()] for each in tls.ledger.entries]
            print(json.dumps({"end": end, "intermediates": values}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
