"""tshark's fields to typed frames. Pure: lines in, `Frame`s out.

`fields` is what tshark is asked for; each layer has a module that turns its fields into the types of `messages`;
`frame` puts them together.
"""

from observer.dissect.fields import AGGREGATOR, FIELDS, SEPARATOR, DissectionError, Fields, nanoseconds, unescaped
from observer.dissect.frame import frame, frames

__all__ = [
    "AGGREGATOR",
    "FIELDS",
    "SEPARATOR",
    "DissectionError",
    "Fields",
    "frame",
    "frames",
    "nanoseconds",
    "unescaped",
]
