"""TLS secrets in the key log format that NSS began and RFC 9850 describes (SSLKEYLOGFILE).

All functions are pure. No error shows a secret's value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

RANDOM_LENGTH = 32  # bytes: Random in a ClientHello (RFC 8446, 4.1.2)
_MASTER_SECRET_LENGTH = 48  # bytes (RFC 5246, 8.1); a pre-master secret of RSA has the same (7.4.7.1)
_ENCRYPTED_PART_LENGTH = 8  # bytes of the encrypted pre-master secret by which NSS finds it again
_HASH_LENGTHS = (32, 48)  # bytes of a TLS 1.3 secret: the hash of its cipher suite (RFC 8446, 7.1 and B.4)

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LABEL = re.compile(r"[!-~]+")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class Label(StrEnum):
    """Labels that are known here (RFC 9850, 2.1 to 2.3); others are kept as they are. QUIC uses those of TLS 1.3."""

    CLIENT_RANDOM = "CLIENT_RANDOM"
    CLIENT_EARLY_TRAFFIC_SECRET = "CLIENT_EARLY_TRAFFIC_SECRET"
    EARLY_EXPORTER_SECRET = "EARLY_EXPORTER_SECRET"
    CLIENT_HANDSHAKE_TRAFFIC_SECRET = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    SERVER_HANDSHAKE_TRAFFIC_SECRET = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    CLIENT_TRAFFIC_SECRET_0 = "CLIENT_TRAFFIC_SECRET_0"
    SERVER_TRAFFIC_SECRET_0 = "SERVER_TRAFFIC_SECRET_0"
    EXPORTER_SECRET = "EXPORTER_SECRET"
    ECH_SECRET = "ECH_SECRET"
    ECH_CONFIG = "ECH_CONFIG"
    # What early QUIC implementations wrote, and Wireshark still reads.
    QUIC_CLIENT_EARLY_TRAFFIC_SECRET = "QUIC_CLIENT_EARLY_TRAFFIC_SECRET"
    QUIC_CLIENT_HANDSHAKE_TRAFFIC_SECRET = "QUIC_CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    QUIC_SERVER_HANDSHAKE_TRAFFIC_SECRET = "QUIC_SERVER_HANDSHAKE_TRAFFIC_SECRET"
    QUIC_CLIENT_TRAFFIC_SECRET_0 = "QUIC_CLIENT_TRAFFIC_SECRET_0"
    QUIC_SERVER_TRAFFIC_SECRET_0 = "QUIC_SERVER_TRAFFIC_SECRET_0"
    # The pre-master secret by client random, which Wireshark reads and writes.
    PMS_CLIENT_RANDOM = "PMS_CLIENT_RANDOM"


_ANY_LENGTH = (Label.ECH_SECRET, Label.ECH_CONFIG)
_SECRET_LENGTHS: dict[str, tuple[int, ...]] = {
    **{label: _HASH_LENGTHS for label in Label if label not in _ANY_LENGTH},
    Label.CLIENT_RANDOM: (_MASTER_SECRET_LENGTH,),
    Label.PMS_CLIENT_RANDOM: (_MASTER_SECRET_LENGTH,),
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the connection whose ClientHello has this Random. `label` says which one; it may be unknown here."""

    label: str
    client_random: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class RsaPreMasterSecret:
    """A line `RSA`: the pre-master secret whose encrypted form, in ClientKeyExchange, begins with these 8 bytes."""

    encrypted_part: bytes
    pre_master_secret: bytes


@dataclass(frozen=True, slots=True)
class SessionMasterSecret:
    """A line `RSA Session-ID:... Master-Key:...`: the master secret of the TLS 1.2 session with this id."""

    session_id: bytes
    master_secret: bytes


Entry = Secret | RsaPreMasterSecret | SessionMasterSecret


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment's text, without its `#`, and the line it stands on, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class KeyLog:
    """What a key log holds. `torn` is a last line without a line end: it may be one that is still being written."""

    entries: tuple[Entry, ...]
    comments: tuple[Comment, ...]
    torn: bytes = b""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The entries that are found by a client random."""
        return tuple(entry for entry in self.entries if isinstance(entry, Secret))


class KeyLogError(ValueError):
    """Line `line`, counted from 1, is no line of a key log. Its fields cannot be changed."""

    _FIELDS: Final = ("line", "field", "expected", "found")

    line: int
    field: str
    expected: str
    found: str

    def __init__(self, line: int, field: str, expected: str, found: str) -> None:
        super().__init__(line, field, expected, found)
        for name, value in zip(self._FIELDS, self.args, strict=True):
            super().__setattr__(name, value)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._FIELDS:
            raise AttributeError(f"{name} of a KeyLogError is read-only")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: expected {self.expected}, found {self.found}"


def parse(log: bytes | str) -> KeyLog:
    """Read a key log, up to its last whole line (RFC 9850, 2). Line ends may be LF, CR LF or CR.

    A log whose author simply left out the last line end is whole with one appended.

    Raises KeyLogError at the first line that is neither empty, nor a comment, nor a secret.
    """
    raw_log = log.encode(errors="surrogatepass") if isinstance(log, str) else log
    *lines, torn = _LINE_END.split(raw_log)
    entries: list[Entry] = []
    comments: list[Comment] = []
    for number, raw in enumerate(lines, 1):
        text = _text(number, raw)
        if text.startswith("#"):
            comments.append(Comment(number, text[1:]))
        elif text:
            entries.append(_entry(number, text))
    return KeyLog(tuple(entries), tuple(comments), torn)


def select(entries: Iterable[Entry], client_randoms: Collection[bytes]) -> tuple[Secret, ...]:
    """The secrets of the connections with these client randoms.

    Lines `RSA` have none, and are never among them.
    """
    wanted = frozenset(client_randoms)
    return tuple(entry for entry in entries if isinstance(entry, Secret) and entry.client_random in wanted)


def merge(*logs: Iterable[Entry]) -> tuple[Entry, ...]:
    """All entries, in order, each once. Two that differ in the secret alone are both kept: readers take the last."""
    return tuple(dict.fromkeys(entry for log in logs for entry in log))


def render(entries: Iterable[Entry], comments: Iterable[str] = ()) -> str:
    """The entries as a key log, the comments before them. `parse` gives the same entries back.

    Raises ValueError for an entry or a comment that no line can hold.
    """
    entries, comments = tuple(entries), tuple(comments)
    lines = [f"#{text}" for text in comments] + [_line(entry) for entry in entries]
    log = "".join(f"{line}\n" for line in lines)
    parsed = parse(log)
    if parsed.entries != entries or tuple(comment.text for comment in parsed.comments) != comments:
        raise ValueError("a label or a comment would not read the same: it has a line end or a # where none can be")
    return log


def _text(number: int, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise KeyLogError(number, "line", "UTF-8", f"byte {raw[error.start]:#04x}") from None
    if number == 1 and text.startswith("\ufeff"):
        raise KeyLogError(number, "line", "no byte order mark", "one (save the file as UTF-8 without it)")
    return text


def _entry(number: int, line: str) -> Entry:
    fields = line.split(" ")
    if len(fields) != 3:
        raise KeyLogError(number, "line", "label, client random and secret, one space between", f"{len(fields)} fields")
    label, identity, secret = fields
    if label == "RSA":
        return _rsa_entry(number, identity, secret)
    if not _LABEL.fullmatch(label):
        raise KeyLogError(number, "label", "printable ASCII", repr(label))
    client_random = _bytes(number, "client random", identity, (RANDOM_LENGTH,))
    return Secret(label, client_random, _bytes(number, "secret", secret, _SECRET_LENGTHS.get(label, ())))


def _rsa_entry(number: int, identity: str, secret: str) -> Entry:
    if identity.startswith("Session-ID:") and secret.startswith("Master-Key:"):
        session_id = _bytes(number, "Session-ID", identity.removeprefix("Session-ID:"), tuple(range(1, 33)))
        master_key = secret.removeprefix("Master-Key:")
        return SessionMasterSecret(session_id, _bytes(number, "Master-Key", master_key, (_MASTER_SECRET_LENGTH,)))
    encrypted_part = _bytes(number, "encrypted pre-master secret", identity, (_ENCRYPTED_PART_LENGTH,))
    return RsaPreMasterSecret(encrypted_part, _bytes(number, "pre-master secret", secret, (_MASTER_SECRET_LENGTH,)))


def _bytes(number: int, field: str, digits: str, lengths: tuple[int, ...]) -> bytes:
    """What the hexadecimal digits stand for; it must have one of these lengths, or any when there are none."""
    if not _HEX.fullmatch(digits):
        what = "an odd number of them" if re.fullmatch("[0-9A-Fa-f]+", digits) else f"{len(digits)} other characters"
        raise KeyLogError(number, field, "pairs of hexadecimal digits", what)
    value = bytes.fromhex(digits)
    if lengths and len(value) not in lengths:
        wanted = f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 2 else " or ".join(map(str, lengths))
        raise KeyLogError(number, field, f"{wanted} bytes", str(len(value)))
    return value


def _line(entry: Entry) -> str:
    match entry:
        case Secret(label, client_random, secret):
            return f"{label} {client_random.hex()} {secret.hex()}"
        case RsaPreMasterSecret(encrypted_part, pre_master_secret):
            return f"RSA {encrypted_part.hex()} {pre_master_secret.hex()}"
        case SessionMasterSecret(session_id, master_secret):
            return f"RSA Session-ID:{session_id.hex()} Master-Key:{master_secret.hex()}"
