"""A binary stream under the readers: knows how far it has been read, and unpacks gzip (RFC 1952)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from observer.pcapng.error import PcapngError

_CHUNK = 1 << 18  # bytes read at once: a wrong length in a damaged block must not fill the memory by itself
_GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # zlib's wbits for a gzip header and trailer around the data
_NOT_SUPPORTED = {
    b"\x28\xb5\x2f\xfd": "zstd data (not supported: decompress it first, with zstd -d)",
    b"\x04\x22\x4d\x18": "lz4 data (not supported: decompress it first, with lz4 -d)",
    b"\xfd7zXZ": "xz data (not supported: decompress it first, with xz -d)",
    b"BZh": "bzip2 data (not supported: decompress it first, with bzip2 -d)",
}
_LONGEST_MAGIC = 5


class InputStream(Protocol):
    """What a reader needs of a stream: at most `size` bytes, none only at the end. It need not be able to seek."""

    def read(self, size: int, /) -> bytes: ...


class Source:
    """Where a reader is: in `block`, counted from 1, which begins at `start`.

    All positions are in the uncompressed file. Raises PcapngError for data in an unsupported compression and damaged
    gzip data.
    """

    def __init__(self, stream: InputStream) -> None:
        self.block = 1
        self.start = 0
        self._chunks = _chunks_of(stream)
        self._buffer = b""
        self._buffer_at = 0  # in the file
        self._at = 0  # in the buffer
        if self._peek().startswith(_GZIP):
            self._chunks = _gunzipped(self._buffer, self._chunks)
            self._buffer = b""
        self.magic = self._peek()
        for magic, name in _NOT_SUPPORTED.items():
            if self.magic.startswith(magic):
                raise self.error("magic number", 0, "pcapng or pcap, plain or in gzip", name)

    @property
    def offset(self) -> int:
        """How many bytes have been taken."""
        return self._buffer_at + self._at

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer only when the file ends there."""
        end = self._at + size
        if end > len(self._buffer):
            self._fill(size)
            end = self._at + size
        data = self._buffer[self._at : end]
        self._at += len(data)
        return data

    def error(self, field: str, at: int, expected: str, found: str) -> PcapngError:
        """What is wrong with `field`, `at` bytes into the current block."""
        return PcapngError(self.block, self.start + at, field, expected, found)

    def cut(self, field: str, expected: int, found: int) -> PcapngError:
        """The file ends in `field`, of which `found` bytes have been taken."""
        return PcapngError(self.block, self.offset, field, f"{expected} bytes", f"end of file after {found}")

    def _peek(self) -> bytes:
        self._fill(_LONGEST_MAGIC)
        return self._buffer[:_LONGEST_MAGIC]

    def _fill(self, size: int) -> None:
        """Have `size` bytes in the buffer from here on, or all that there are."""
        parts = [self._buffer[self._at :]]
        missing = size - len(parts[0])
        try:
            while missing > 0 and (chunk := next(self._chunks, b"")):
                parts.append(chunk)
                missing -= len(chunk)
        except (EOFError, zlib.error) as error:
            raise PcapngError(self.block, self.offset, "gzip data", "whole, undamaged data", str(error)) from None
        self._buffer_at += self._at
        self._at = 0
        self._buffer = b"".join(parts)


def _chunks_of(stream: InputStream) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _gunzipped(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """The data of all members, in pieces of at most a chunk. Zero bytes after a member are padding, as gzip has it.

    Raises zlib.error for damaged data, EOFError for data that ends too early.
    """
    unpacker = zlib.decompressobj(_GZIP_FORMAT)
    packed = head
    while packed := packed or next(rest, b""):
        if unpacker.eof:
            packed = packed.lstrip(b"\0")
            if packed:
                unpacker = zlib.decompressobj(_GZIP_FORMAT)
            continue
        data = unpacker.decompress(packed, _CHUNK)
        packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if data:
            yield data
    if rest_of_data := unpacker.flush():
        yield rest_of_data
    if not unpacker.eof:
        raise EOFError("end of file before the end of the gzip data")
