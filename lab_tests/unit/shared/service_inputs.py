"""What the services' parsers are fed with: TLS conversations, the same each time, DNS messages and packets."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address

from cryptography.hazmat.primitives.serialization import Encoding
from dnslib import EDNS0, RR, DNSRecord

from certified import NAME, certified
from glassbox.client import connect
from glassbox.connection import Connection, Layer
from glassbox.extensions import alpn
from glassbox.groups import Group, Randomness, generate
from glassbox.handshake import ChainCheck
from glassbox.messages import Extension, Handshake, HandshakeType, ServerHello
from glassbox.offer import Offer
from glassbox.presentation import uint, vector
from glassbox.records import ContentType, Record, split_records
from glassbox.server import Server13, accept
from glassbox.signatures import sign_ecdsa
from glassbox.suites import SUITES, TLS_1_2, TLS_1_3, KeyExchange


def always(byte: int) -> Randomness:
    return lambda length: bytes([byte]) * length


def client(version: int, check_chain: ChainCheck = lambda chain: None) -> Connection:
    """One that says the same each time."""
    return connect(Offer(NAME, versions=(version,)), check_chain, always(0x42))


class SilentServer(Server13):
    """Says ServerHello and no more; what its layer then sends is protected as its flight would be."""

    def _send_flight(self, *_: object) -> None:
        pass


def after_server_hello() -> tuple[Connection, Layer]:
    """A client of TLS 1.3 that has got its ServerHello, and the layer from which more can come."""
    connection, layer = client(TLS_1_3), Layer()
    server = Connection(layer, SilentServer(layer, certified("ecdsa").identity, ("http/1.1",), always(0x43)))
    server.receive(connection.bytes_to_send())
    connection.receive(layer.take_bytes())
    return connection, layer


class _Noted(Server13):
    """Notes its flight, as messages that nobody has protected."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer, certified("ecdsa").identity, ("http/1.1",), always(0x43))
        self.said: list[bytes] = []

    def _send(self, message: Handshake) -> None:
        self.said.append(message.raw)
        super()._send(message)


@cache
def flight_13() -> bytes:
    """EncryptedExtensions to Finished."""
    layer = Layer()
    server = _Noted(layer)
    Connection(layer, server).receive(client(TLS_1_3).bytes_to_send())
    return b"".join(server.said[1:])


def conversation_13() -> bytes:
    server = accept(certified("ecdsa").identity, randomness=always(0x43))
    server.receive(client(TLS_1_3).bytes_to_send())
    return server.bytes_to_send()


def retry_13() -> bytes:
    """A HelloRetryRequest for another group."""
    hello = client(TLS_1_3).bytes_to_send()
    session_id = hello[44 : 44 + hello[43]]
    wanted = (
        (int(Extension.SUPPORTED_VERSIONS), uint(TLS_1_3, 2)),
        (int(Extension.KEY_SHARE), uint(Group.SECP256R1, 2)),
    )
    random = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")
    return _records(ServerHello(random, session_id, 0x1301, wanted).message())


def conversation_12(exchange: KeyExchange) -> bytes:
    """ServerHello to ServerHelloDone of TLS 1.2, with a signature that is right."""
    ours = certified("rsa" if exchange is KeyExchange.RSA else "ecdsa")
    number = next(n for n, s in SUITES.items() if s.version == TLS_1_2 and s.key_exchange is exchange)
    extensions = ((int(Extension.ALPN), alpn(["http/1.1"])), (int(Extension.EXTENDED_MASTER_SECRET), b""))
    server_random = bytes([0x44]) * 32
    der = ours.certificate.public_bytes(Encoding.DER)
    messages = [
        ServerHello(server_random, b"", number, extensions).message(),
        Handshake(HandshakeType.CERTIFICATE, vector(3, vector(3, der))),
    ]
    if exchange is KeyExchange.ECDHE:
        point = generate(Group.X25519, always(0x43)).public_value
        offered = b"\3" + uint(Group.X25519, 2) + vector(1, point)
        (record,), _ = split_records(client(TLS_1_2).bytes_to_send())
        signed = record.fragment[6:38] + server_random + offered
        assert ours.identity
        algorithm, signature = sign_ecdsa(ours.identity.key, signed)
        messages.append(
            Handshake(HandshakeType.SERVER_KEY_EXCHANGE, offered + uint(algorithm, 2) + vector(2, signature))
        )
    return _records(*messages, Handshake(HandshakeType.SERVER_HELLO_DONE, b""))


def _records(*messages: Handshake) -> bytes:
    return b"".join(Record(ContentType.HANDSHAKE, TLS_1_2, message.raw).encode() for message in messages)


def queries() -> list[bytes]:
    plain = [
        DNSRecord.question(name, kind) for name in ("www.parseltongue.co.in", "in", ".") for kind in ("A", "NS", "ANY")
    ]
    with_edns = DNSRecord.question("parseltongue.co.in", "AAAA")
    with_edns.add_ar(EDNS0(udp_len=4096, flags="do"))
    return [bytes(record.pack()) for record in (*plain, with_edns)]


def told_on_a_walk() -> list[bytes]:
    """What servers tell one after the other, after the question: a length before each."""
    referral = "in. 3600 IN NS ns1.registry.in."
    glue = "ns1.registry.in. 3600 IN A 10.77.2.5"
    parts = [
        {"auth": [referral], "ar": [glue]},
        {
            "auth": ["parseltongue.co.in. 60 IN NS ns1.parseltongue.co.in."],
            "ar": ["ns1.parseltongue.co.in. 60 IN A 10.77.2.6"],
        },
        {"rr": ["www.parseltongue.co.in. 300 IN CNAME parseltongue.co.in.", "parseltongue.co.in. 300 IN A 10.77.3.10"]},
    ]
    negative = [{"auth": ["in. 60 IN SOA ns.in. h.in. 1 2 3 4 60"]}]
    return [b"".join(_told(part) for part in walk) for walk in (parts, parts[2:], negative)]


WALKED = "www.parseltongue.co.in"


def _told(sections: dict[str, list[str]]) -> bytes:
    record = DNSRecord.question(WALKED, "A").reply(ra=0)
    for section, lines in sections.items():
        for line in lines:
            getattr(record, section).extend(RR.fromZone(line))
    wire = bytes(record.pack())
    return vector(2, wire[2:])


def datagrams() -> list[bytes]:
    """QUIC: an Initial with a Handshake packet behind it, a Retry, a short header, another version."""
    ids = b"\x08abcdefgh\x04abcd"
    initial = b"\xc3\0\0\0\1" + ids + b"\x05token" + b"\x40\x20" + bytes(32)
    handshake = b"\xe3\0\0\0\1" + ids + b"\x10" + bytes(16)
    return [
        initial + handshake + bytes(20),
        b"\xf0\0\0\0\1" + ids + bytes(40),
        b"\x40" + bytes(30),
        b"\xc0\x1a\x2a\x3a\x4a" + ids,
    ]


def segments() -> list[bytes]:
    """TLS records as they come in TCP, with the lengths of the pieces before them (see `tls_records`)."""
    records = [
        Record(kind, TLS_1_2, bytes(length)).encode() for kind, length in ((22, 100), (20, 1), (23, 300), (21, 2))
    ]
    whole = b"".join(records)
    return [
        bytes([0, len(whole) - 256 if len(whole) > 256 else 0]) + whole,
        bytes([3, 50]) + whole,
        bytes([1, 5]) + whole,
    ]


def ipv4(protocol: int, transport: bytes) -> bytes:
    ends = IPv4Address("10.77.1.10").packed + IPv4Address("10.77.3.10").packed
    return b"\x45\0" + uint(20 + len(transport), 2) + b"\0\7\0\0\x40" + bytes([protocol]) + b"\0\0" + ends + transport


def packets() -> list[bytes]:
    tcp = uint(50000, 2) + uint(443, 2) + bytes(8) + b"\x50\x18\xff\xff" + bytes(4)
    opening = uint(50000, 2) + uint(443, 2) + bytes(8) + b"\x50\x02\xff\xff" + bytes(4)
    udp = [uint(50000, 2) + uint(443, 2) + uint(8 + len(data), 2) + b"\0\1" + data for data in datagrams()]
    return [ipv4(6, opening), ipv4(6, tcp + segments()[0][2:]), *(ipv4(17, datagram) for datagram in udp)]
