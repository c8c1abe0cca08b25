"""What is wrong with a capture file, and where."""

from __future__ import annotations

from typing import Final


class PcapngError(ValueError):
    """A capture file breaks its format. Its fields cannot be changed.

    `block` counts the file's blocks from 1 (in classic pcap: the file header, then one per packet record); `offset`
    is the byte at which `field` begins, or at which the file ends too early. Of a compressed file, both are
    positions in the uncompressed one.
    """

    _FIELDS: Final = ("block", "offset", "field", "expected", "found")

    block: int
    offset: int
    field: str
    expected: str
    found: str

    def __init__(self, block: int, offset: int, field: str, expected: str, found: str) -> None:
        super().__init__(block, offset, field, expected, found)
        for name, value in zip(self._FIELDS, self.args, strict=True):
            super().__setattr__(name, value)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._FIELDS:
            raise AttributeError(f"{name} of a PcapngError is read-only")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return f"block {self.block}, offset {self.offset}: {self.field}: expected {self.expected}, found {self.found}"
