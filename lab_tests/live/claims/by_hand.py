"""Reading captured TLS connections by hand: the bytes from frames, the cryptography from the glass box, no tshark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from captured import Captured
from frame_bytes import FrameBytes
from glassbox.messages import CertificateVerify, HandshakeType, split_handshakes
from glassbox.recorded import Recorded
from glassbox.records import ContentType
from glassbox.signatures import certificate_verify_content
from observer.connections import Connection, Transport
from observer.keylog import parse
from observer.messages import Frame


@dataclass(frozen=True)
class Conversation:
    """One TLS connection as it crossed one link."""

    connection: Connection
    recorded: Recorded

    @property
    def frames(self) -> list[Frame]:
        """Those that carry anything of it."""
        return [frame for frame in self.connection.frames if frame.tcp and frame.tcp.length]

    @property
    def hellos(self) -> list[Frame]:
        found = [self.connection.client_hello, self.connection.server_hello]
        return [each[0] for each in found if each]

    @property
    def client_random(self) -> bytes:
        return self.recorded.client_hello.random


def conversations(captured: Captured, host: str, link: str = "edge") -> list[Conversation]:
    """The TLS connections opened on `link` whose ClientHello names `host`, in order."""
    contents = FrameBytes(captured)
    found = []
    for connection in captured.opened(link):
        hello = connection.client_hello
        if connection.transport is not Transport.TCP or hello is None:
            continue
        if hello[1].server_name == host:
            client = contents.tcp_payload(frame for frame in connection.frames if connection.from_client(frame))
            server = contents.tcp_payload(frame for frame in connection.frames if connection.from_server(frame))
            found.append(Conversation(connection, Recorded(client, server)))
    assert found, f"no TLS connection to {host} on {link}: this test looked at nothing"
    return found


def conversation(captured: Captured, host: str, link: str = "edge") -> Conversation:
    """The only one."""
    (found,) = conversations(captured, host, link)
    return found


def logged(keylog: str, label: str, client_random: bytes) -> bytes:
    """The secret in a key log."""
    (found,) = (s.secret for s in parse(keylog).secrets if s.label == label and s.client_random == client_random)
    return found


@dataclass(frozen=True, slots=True)
class HandshakeSignature:
    """What the server signed to prove that it has its certificate's key. `algorithm`: a SignatureScheme's number."""

    algorithm: int
    content: bytes
    signature: bytes


def server_signature(recorded: Recorded, keylog: str) -> HandshakeSignature:
    """From the capture: in TLS 1.2 it lies in the clear in ServerKeyExchange, over both randoms and the parameters
    (RFC 5246, section 7.4.3); in 1.3 in CertificateVerify, over the transcript up to there (RFC 8446, 4.4.3)."""
    if not recorded.is_1_3:
        offered = recorded.server_ephemeral
        content = recorded.client_hello.random + recorded.server_hello.random + offered.signed
        return HandshakeSignature(offered.algorithm, content, offered.signature)
    random, transcript = recorded.client_hello.random, recorded.transcript()
    opened = recorded.open_13_with(lambda label: logged(keylog, label, random))
    sent = b"".join(content for kind, content in opened.server if kind == ContentType.HANDSHAKE)
    for message in split_handshakes(sent)[0]:
        if message.type == HandshakeType.CERTIFICATE_VERIFY:
            made = CertificateVerify.read(message.body)
            content = certificate_verify_content(transcript.hash(recorded.suite.hash))
            return HandshakeSignature(made.algorithm, content, made.signature)
        transcript.add(message)
    raise AssertionError("no CertificateVerify was recorded: a resumed session has none")


def told(answer: dict[str, Any], connection: int = 1) -> dict[str, bytes]:
    """What the glass box told of one connection of a visit: the last value of each name."""
    found = {
        each["name"]: bytes.fromhex(each["value"])
        for each in answer["intermediates"]
        if each["connection"] == connection
    }
    assert found, f"the visit tells nothing of connection {connection}: {answer['error']}"
    return found
