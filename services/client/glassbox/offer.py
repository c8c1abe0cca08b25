"""What a client offers, and the ClientHello that says so (RFC 8446, 4.1.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Protocol

from glassbox import extensions as ext
from glassbox.events import Ticket
from glassbox.groups import Group, KeyPair, Randomness, generate
from glassbox.keyschedule import tls13
from glassbox.messages import ClientHello, Extension
from glassbox.signatures import SignatureScheme
from glassbox.suites import EMPTY_RENEGOTIATION_INFO_SCSV, SUITES, TLS_1_2, TLS_1_3
from glassbox.transcript import Transcript

PSK_KE, PSK_DHE_KE = 0, 1  # PskKeyExchangeMode, RFC 8446, 4.2.9


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that a person may choose about a handshake."""

    server_name: str
    """Without a dot at its end. An address stays out of the ClientHello (RFC 6066, 3)."""
    versions: tuple[int, ...] = (TLS_1_3, TLS_1_2)
    suites: tuple[int, ...] = tuple(SUITES)
    groups: tuple[Group, ...] = (Group.X25519, Group.SECP256R1, Group.FFDHE2048)
    shares: tuple[Group, ...] = (Group.X25519,)
    """The groups for which a key share goes along; another one of `groups` costs a HelloRetryRequest."""
    protocols: tuple[str, ...] = ("http/1.1",)
    wants_tickets: bool = True
    extended_master_secret: bool = True
    encrypt_then_mac: bool = True
    ticket: Ticket | None = None
    ticket_age_ms: int = 0
    psk_modes: tuple[int, ...] = (PSK_DHE_KE,)


@dataclass(frozen=True, slots=True)
class Hello:
    """A ClientHello and the private halves of its key shares."""

    client_hello: ClientHello
    key_pairs: tuple[KeyPair, ...]


class Hellos(Protocol):
    """Where ClientHellos come from: made afresh, or (in tests) as published."""

    ticket: Ticket | None

    def first(self) -> Hello:
        """The first one."""

    def second(self, first: Hello, group: int | None, cookie: bytes | None, transcript: Transcript) -> Hello:
        """After a HelloRetryRequest for `group`; `transcript` holds what goes before it (RFC 8446, 4.1.2)."""


class FreshHellos:
    """Made from an offer."""

    def __init__(self, offer: Offer, randomness: Randomness) -> None:
        self._offer = offer
        self._randomness = randomness
        self.ticket = offer.ticket

    def first(self) -> Hello:
        speaks_1_3 = TLS_1_3 in self._offer.versions
        key_pairs = tuple(generate(group, self._randomness) for group in self._offer.shares) if speaks_1_3 else ()
        # 1.3: for middleboxes (RFC 8446, D.4). 1.2: any id, so that its echo shows a resumption (RFC 5077, 3.4).
        session_id = self._randomness(32) if speaks_1_3 or self.ticket else b""
        suites = tuple(number for number in self._offer.suites if SUITES[number].version in self._offer.versions)
        hello = ClientHello(
            random=self._randomness(32),
            session_id=session_id,
            cipher_suites=(*suites, EMPTY_RENEGOTIATION_INFO_SCSV) if TLS_1_2 in self._offer.versions else suites,
            extensions=tuple(self._extensions(key_pairs)),
        )
        return Hello(self._bound(hello, Transcript()), key_pairs)

    def second(self, first: Hello, group: int | None, cookie: bytes | None, transcript: Transcript) -> Hello:
        key_pairs = first.key_pairs if group is None else (generate(Group(group), self._randomness),)
        shares = ext.key_shares((_number(pair), pair.public_value) for pair in key_pairs)
        kept = [
            (type, shares if type == Extension.KEY_SHARE else content)
            for type, content in first.client_hello.extensions
        ]
        if cookie is not None:
            kept.insert(0, (Extension.COOKIE, cookie))
        hello = replace(first.client_hello, extensions=tuple(kept))
        return Hello(self._bound(hello, transcript), key_pairs)

    def _extensions(self, key_pairs: tuple[KeyPair, ...]) -> list[tuple[int, bytes]]:
        offer = self._offer
        found: list[tuple[int, bytes]] = []
        if _is_name(offer.server_name):
            found.append((Extension.SERVER_NAME, ext.server_name(offer.server_name)))
        found += [
            (Extension.SUPPORTED_GROUPS, ext.supported_groups(offer.groups)),
            (Extension.SIGNATURE_ALGORITHMS, ext.signature_algorithms(SignatureScheme)),
            (Extension.SUPPORTED_VERSIONS, ext.supported_versions(offer.versions)),
        ]
        if offer.protocols:
            found.append((Extension.ALPN, ext.alpn(offer.protocols)))
        if TLS_1_2 in offer.versions:
            found += self._extensions_of_1_2()
        if TLS_1_3 in offer.versions:
            shares = ext.key_shares((_number(pair), pair.public_value) for pair in key_pairs)
            found.append((Extension.KEY_SHARE, shares))
            found.append((Extension.PSK_KEY_EXCHANGE_MODES, bytes([len(offer.psk_modes), *offer.psk_modes])))
        if self.ticket and self.ticket.version == TLS_1_3:
            age = (offer.ticket_age_ms + self.ticket.age_add) % (1 << 32)
            empty = bytes(SUITES[self.ticket.suite].hash.length)
            found.append((Extension.PRE_SHARED_KEY, ext.pre_shared_key(self.ticket.identity, age, empty)))
        return found

    def _extensions_of_1_2(self) -> list[tuple[int, bytes]]:
        offer = self._offer
        found: list[tuple[int, bytes]] = [(Extension.EC_POINT_FORMATS, b"\1\0")]
        if offer.extended_master_secret:
            found.append((Extension.EXTENDED_MASTER_SECRET, b""))
        if offer.encrypt_then_mac:
            found.append((Extension.ENCRYPT_THEN_MAC, b""))
        if offer.wants_tickets:
            is_old = self.ticket is not None and self.ticket.version == TLS_1_2
            found.append((Extension.SESSION_TICKET, self.ticket.identity if self.ticket and is_old else b""))
        return found

    def _bound(self, hello: ClientHello, transcript: Transcript) -> ClientHello:
        """With its PSK binder computed (RFC 8446, 4.2.11.2)."""
        if not self.ticket or hello.extensions[-1][0] != Extension.PRE_SHARED_KEY:
            return hello
        hash_ = SUITES[self.ticket.suite].hash
        covered = hello.message().raw[: -ext.binders_length(hash_.length)]
        key = tls13.binder_key(hash_, tls13.early_stage(hash_, self.ticket.secret))
        binder = tls13.verify_data(hash_, tls13.finished_key(hash_, key), transcript.hash(hash_, covered))
        psk = hello.extensions[-1][1][: -hash_.length] + binder
        return replace(hello, extensions=(*hello.extensions[:-1], (Extension.PRE_SHARED_KEY, psk)))


def _is_name(text: str) -> bool:
    """Whether server_name can hold it."""
    try:
        ip_address(text)
    except ValueError:
        return bool(text)
    return False


def _number(pair: KeyPair) -> int:
    assert isinstance(pair.group, Group), "key shares are for named groups"
    return pair.group
