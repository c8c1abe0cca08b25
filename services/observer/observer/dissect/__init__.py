"""tshark's fields to typed frames. Pure: lines in, `Frame`s out.

`fields` is what tshark is asked for; each layer has a module that turns its fields into the types of `messages`;
`frame` puts them together, and `nesting` says which are its own where a packet is in a packet.
"""

from observer.dissect.fields import AGGREGATOR, FIELDS, SEPARATOR, DissectionError, Fields, nanoseconds, unescaped
from observer.dissect.frame import frame, frames
from observer.dissect.glimpse import Glimpse, Wanted, frames_and_glimpses
from observer.dissect.nesting import Own, own_layers

__all__ = [
    "AGGREGATOR",
    "FIELDS",
    "SEPARATOR",
    "DissectionError",
    "Fields",
    "Glimpse",
    "Own",
    "Wanted",
    "frame",
    "frames",
    "frames_and_glimpses",
    "nanoseconds",
    "own_layers",
    "unescaped",
]
