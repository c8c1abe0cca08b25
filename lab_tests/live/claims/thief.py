"""Somebody who recorded everything and breaks into the server afterwards: what the stolen files open."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from base64 import b64decode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from by_hand import Conversation
from captured import Captured
from glassbox.extensions import read_key_share, read_key_shares
from glassbox.groups import Group, from_private
from glassbox.intermediate import Ledger
from glassbox.messages import Extension, find
from glassbox.presentation import Reader
from glassbox.recorded import Opened, Recorded, opens
from glassbox.session_ticket import TicketKey
from glassbox.suites import KeyExchange
from live_lab import Lab

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def steal(lab: Lab, host: str, path: str) -> bytes:
    """A file out of a running host, as whoever took the machine over would read it."""
    chunks, _ = lab.container(host).get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        (member,) = archive.getmembers()
        file = archive.extractfile(member)
        assert file is not None, f"{host}:{path} is no file"
        return file.read()


def steal_private_key(lab: Lab, name: str) -> PrivateKey:
    """The key of one of the balancer's certificates."""
    key = load_pem_private_key(steal(lab, "balancer", f"/pki/balancer/{name}.pem"), password=None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def steal_ticket_keys(lab: Lab) -> list[TicketKey]:
    """The keys of the weak listener's session tickets."""
    return [TicketKey.read(b64decode(line)) for line in steal(lab, "balancer", "/pki/balancer/ticket-keys").split()]


def reads(conversation: Conversation, key: PrivateKey) -> Opened | None:
    """What the server's private key opens of a recorded connection; None: nothing.

    RSA: decipher whatever was sent in the clear and has the right length; what the client enciphered is among it.
    Elliptic curve: take the key for the server's half of the Diffie-Hellman exchange, as a static one would be.
    """
    recorded = conversation.recorded
    for secret in candidates(recorded, key):
        opened = opens(lambda secret=secret: _open(recorded, secret))  # type: ignore[misc]
        if opened is not None:
            return opened
    return None


def candidates(recorded: Recorded, key: PrivateKey) -> list[bytes]:
    """Secrets that the key makes of the recorded bytes."""
    if isinstance(key, rsa.RSAPrivateKey):
        texts = _texts_of_length(recorded, key.key_size // 8)
        return [secret for text in texts if (secret := _deciphered(key, text)) is not None]
    public = _client_point(recorded)
    scalar = key.private_numbers().private_value.to_bytes(32)
    if public is None:
        return []
    group = Group.SECP256R1 if len(public) == 65 else Group.X25519
    return [from_private(group, scalar).shared_secret(public)]


def _open(recorded: Recorded, secret: bytes) -> Opened:
    ledger = Ledger()
    if recorded.is_1_3:
        return recorded.open_13(secret, ledger)
    return recorded.open_12(recorded.master_secret(secret, ledger), ledger)


def _texts_of_length(recorded: Recorded, length: int) -> list[bytes]:
    """Everything that was sent in the clear and is as long as something that this key enciphers."""
    messages = [each.body for each in (*recorded.client_messages, *recorded.server_messages)]
    return [
        body[at : at + length]
        for body in messages
        for at in range(len(body) - length + 1)
        if at < 2 or body[at - 2 : at] == length.to_bytes(2)
    ]


def _deciphered(key: rsa.RSAPrivateKey, text: bytes) -> bytes | None:
    try:
        secret = key.decrypt(text, padding.PKCS1v15())
    except ValueError:
        return None
    return secret if len(secret) == 48 and secret[:2] == b"\3\3" else None


def _client_point(recorded: Recorded) -> bytes | None:
    """The client's public value on a curve."""
    if not recorded.is_1_3:
        if recorded.suite.key_exchange is not KeyExchange.ECDHE:
            return None
        return Reader(recorded.client_messages[-1].body, "ClientKeyExchange").vector(1, "ecdh_Yc")
    shares = dict(read_key_shares(find(recorded.client_hello.extensions, Extension.KEY_SHARE) or b"\0\0"))
    group, _ = read_key_share(find(recorded.server_hello.extensions, Extension.KEY_SHARE) or b"")
    return shares.get(group) if group in (Group.SECP256R1, Group.X25519) else None


def tshark_reads(captured: Captured, link: str, key: PrivateKey | None) -> list[str]:
    """The request lines that tshark reads on `link` with the server's key, and without any key log."""
    with tempfile.TemporaryDirectory() as folder:
        stripped, pem = Path(folder, "frames.pcapng"), Path(folder, "stolen.pem")
        source = captured.folder / f"{link}.pcapng"
        subprocess.run(["editcap", "--discard-all-secrets", source, stripped], check=True, capture_output=True)
        command = ["tshark", "-n", "-r", str(stripped), "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"]
        if key is not None:
            pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            command += ["-o", f'uat:rsa_keys:"{pem}",""']
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return said.splitlines()
