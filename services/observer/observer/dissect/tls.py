"""TLS records and handshake messages (RFC 8446, RFC 5246), over TCP and inside QUIC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from observer.dissect.fields import Fields
from observer.messages import (
    Alert,
    ClientHello,
    HandshakeType,
    NewSessionTicket,
    RecordType,
    ServerHello,
    TlsMessages,
    TlsRecord,
)

_PSK_EXTENSION = 41
# Of a frame with more encrypted records, some of them closed, nobody works out which: the ways double with each.
_MOST_TO_ALIGN = 16


def tls_messages(fields: Fields) -> TlsMessages | None:
    records = _records(fields)
    handshake = fields.numbers("tls.handshake.type")
    alerts = _alerts(fields)
    if not records and not handshake and not alerts:
        return None
    from_client = HandshakeType.CLIENT_HELLO in handshake
    protocols = fields.all("tls.handshake.extensions_alpn_str")
    return TlsMessages(
        records=records,
        handshake=handshake,
        client_hello=_client_hello(fields) if from_client else None,
        server_hello=_server_hello(fields) if HandshakeType.SERVER_HELLO in handshake else None,
        key_exchange_group=fields.number("tls.handshake.server_named_curve"),
        certificates=tuple(bytes.fromhex(value.replace(":", "")) for value in fields.all("tls.handshake.certificate")),
        selected_protocol=protocols[0] if protocols and not from_client else None,
        alerts=alerts,
        extensions=fields.numbers("tls.handshake.extension.type"),
        transport_parameters=fields.numbers("tls.quic.parameter.type"),
        tickets=tuple(NewSessionTicket(n) for n in fields.numbers("tls.handshake.session_ticket_lifetime_hint")),
    )


def _records(fields: Fields) -> tuple[TlsRecord, ...]:
    """Join outer and inner types: tshark prints an encrypted record's outer type as opaque_type (23) and, once
    decrypted, what it held as content_type."""
    types = fields.numbers("tls.record.content_type")
    opaque = len(fields.all("tls.record.opaque_type"))
    if not opaque:
        return tuple(TlsRecord(kind, kind) for kind in types)
    # Records in the clear come first: once keys are in place a sender does not go back (RFC 8446, section 5).
    clear = max(0, len(fields.all("tls.record.length")) - opaque)
    return tuple(TlsRecord(kind, kind) for kind in types[:clear]) + tuple(
        TlsRecord(RecordType.APPLICATION_DATA, kind) for kind in _inner_types(fields, clear, opaque, types[clear:])
    )


def _inner_types(fields: Fields, clear: int, opaque: int, types: Sequence[int]) -> tuple[int | None, ...]:
    """What each of `opaque` encrypted records held; None for one that stayed closed, or of which it cannot be told.

    `types` are those of the records that were decrypted, in order. Where not all were, tshark names the length of the
    ones it shows as application data: those that held it, and those that stayed closed.
    """
    if len(types) == opaque:
        return tuple(types)
    none: tuple[int | None, ...] = (None,) * opaque
    if not types or opaque > _MOST_TO_ALIGN:
        return none
    lengths = fields.numbers("tls.record.length")[clear:]
    shown = fields.numbers("len(tls.app_data)")
    found = list(_alignments(lengths, shown, types))
    if not found or len(lengths) != opaque:
        return none
    # Only what all ways to read the frame have in common is known.
    return tuple(kinds[0] if len(set(kinds)) == 1 else None for kinds in zip(*found, strict=True))


def _alignments(lengths: Sequence[int], shown: Sequence[int], types: Sequence[int]) -> Iterator[tuple[int | None, ...]]:
    """Every way in which records of `lengths` can have held `types`, given which were `shown` as application data."""
    if len(types) > len(lengths) or len(shown) > len(lengths):
        return
    if not lengths:
        yield ()
        return
    if shown and shown[0] == lengths[0]:
        for rest in _alignments(lengths[1:], shown[1:], types):
            yield (None, *rest)
        if types and types[0] == RecordType.APPLICATION_DATA:
            for rest in _alignments(lengths[1:], shown[1:], types[1:]):
                yield (RecordType.APPLICATION_DATA, *rest)
    if types and types[0] != RecordType.APPLICATION_DATA:
        for rest in _alignments(lengths[1:], shown, types[1:]):
            yield (types[0], *rest)


def _client_hello(fields: Fields) -> ClientHello:
    return ClientHello(
        random=fields.octets("tls.handshake.random"),
        versions=fields.numbers("tls.handshake.extensions.supported_version")
        or fields.numbers("tls.handshake.version")[:1],
        cipher_suites=fields.numbers("tls.handshake.ciphersuite"),
        server_name=fields.first("tls.handshake.extensions_server_name"),
        protocols=tuple(fields.all("tls.handshake.extensions_alpn_str")),
        groups=fields.numbers("tls.handshake.extensions_supported_group"),
        key_share_groups=fields.numbers("tls.handshake.extensions_key_share_group"),
        offers_psk=_PSK_EXTENSION in fields.numbers("tls.handshake.extension.type"),
        session_id=fields.octets("tls.handshake.session_id"),
        ticket_length=fields.number("len(tls.handshake.extensions.session_ticket)"),
        psk_identities=len(fields.all("len(tls.handshake.extensions.psk.identity.identity)")),
    )


def _server_hello(fields: Fields) -> ServerHello:
    return ServerHello(
        random=fields.octets("tls.handshake.random"),
        version=fields.number("tls.handshake.extensions.supported_version")
        or fields.number("tls.handshake.version")
        or 0,
        cipher_suite=fields.number("tls.handshake.ciphersuite") or 0,
        group=fields.number("tls.handshake.extensions_key_share_group"),
        uses_psk=_PSK_EXTENSION in fields.numbers("tls.handshake.extension.type"),
        session_id=fields.octets("tls.handshake.session_id"),
        selected_psk=fields.number("tls.handshake.extensions.psk.identity.selected"),
    )


def _alerts(fields: Fields) -> tuple[Alert, ...]:
    levels = fields.numbers("tls.alert_message.level")
    descriptions = fields.numbers("tls.alert_message.desc")
    told = tuple(Alert(level, description) for level, description in zip(levels, descriptions, strict=False))
    # QUIC sends no alert records: CONNECTION_CLOSE carries the description, which has no level (RFC 9001, section 4.8).
    return told + tuple(Alert(None, description) for description in fields.numbers("quic.cc.error_code.tls_alert"))
