"""Capture files: the observer's only reader and writer of pcapng, and its reader of classic pcap.

`Writer` streams a capture out. `read_blocks` yields what a file holds, block by block; `read_packets` only its
packets. Streams come from the caller; nothing here opens a file. The format is draft-ietf-opsawg-pcapng.
"""

from observer.pcapng.blocks import (
    Block,
    CustomBlock,
    DecryptionSecrets,
    EnhancedPacket,
    InterfaceDescription,
    InterfaceStatistics,
    LinkType,
    NameRecord,
    NameRecordType,
    NameResolution,
    ObsoletePacket,
    SecretsType,
    SectionHeader,
    SimplePacket,
    UnknownBlock,
)
from observer.pcapng.encode import encode_block
from observer.pcapng.error import PcapngError
from observer.pcapng.options import BlockType, ByteOrder, Option, comment
from observer.pcapng.reader import read_blocks, read_packets
from observer.pcapng.writer import Writer

__all__ = [
    "Block",
    "BlockType",
    "ByteOrder",
    "CustomBlock",
    "DecryptionSecrets",
    "EnhancedPacket",
    "InterfaceDescription",
    "InterfaceStatistics",
    "LinkType",
    "NameRecord",
    "NameRecordType",
    "NameResolution",
    "ObsoletePacket",
    "Option",
    "PcapngError",
    "SecretsType",
    "SectionHeader",
    "SimplePacket",
    "UnknownBlock",
    "Writer",
    "comment",
    "encode_block",
    "read_blocks",
    "read_packets",
]
