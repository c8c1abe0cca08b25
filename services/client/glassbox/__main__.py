"""`python3 -m glassbox URL [--root PEM]`: a GET, and every value of its TLS connection."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryptography import x509

from glassbox.errand import Errand, fetch
from glassbox.offer import Offer


def main() -> int:
    parser = argparse.ArgumentParser(prog="glassbox", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--root", type=Path, default=Path("/pki/public/root.pem"), help="trusted root certificate")
    arguments = parser.parse_args()
    roots = x509.load_pem_x509_certificates(arguments.root.read_bytes())
    fetched, opened = fetch(Errand((arguments.url,), Offer(""), roots))
    for connection in opened:
        print(f"# {connection.completed or connection.failure}")
        for value in connection.intermediates:
            print(f"{value.name:<40} {value.section:<18} {value.value.hex()}")
    for page in fetched:
        print(page.error or page.body.decode(errors="replace"))
    return int(any(page.error for page in fetched))


sys.exit(main())
