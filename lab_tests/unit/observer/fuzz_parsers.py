"""One parser of our own under atheris, libFuzzer's coverage-guided fuzzer for Python.

    python3 fuzz_parsers.py PARSER[,PARSER...] FOLDER [libFuzzer's options, such as -max_total_time=600 -seed=1]

Each function has a target of its own: behind another in the same target it would never see what that one refuses.
A parser may refuse any input by its own error; whatever else it raises is a finding, and libFuzzer writes the input
down. FOLDER/PARSER has inputs to begin with, and keeps those that reach new code.
"""

from __future__ import annotations

import atheris

from fuzzing import refusing, run

with atheris.instrument_imports(include=["observer", "hostkit"]):
    import io

    from hostkit.spool_format import FormatError
    from observer.capture_file import NoCaptureError, blocks_in, ending_of
    from observer.dissect import DissectionError, frames, frames_and_glimpses
    from observer.flow import sighting
    from observer.keylog import KeyLogError, parse
    from observer.pcapng import PcapngError, read_blocks, read_packets
    from observer.spool import Record, packets_in, records_in


def pcapng(data: bytes) -> None:
    list(read_blocks(io.BytesIO(data)))


def pcapng_packets(data: bytes) -> None:
    list(read_packets(io.BytesIO(data)))


def capture_file(data: bytes) -> None:
    ending_of(io.BytesIO(data))


def capture_blocks(data: bytes) -> None:
    end = 0
    for place in blocks_in(io.BytesIO(data)):
        assert place.offset == end and place.length > 0
        end += place.length
    assert end <= len(data)


def spool(data: bytes) -> None:
    for part in records_in(data, 0):
        if isinstance(part, Record):
            list(packets_in("home", part.block))


def keylog(data: bytes) -> None:
    parse(data)


def flow(data: bytes) -> None:
    sighting(data)


def dissect(data: bytes) -> None:
    list(frames(_lines(data)))


def glimpse(data: bytes) -> None:
    list(frames_and_glimpses(_lines(data), lambda link, stream: stream % 2 == 0))


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", errors="replace").split("\n")


@atheris.instrument_func  # type: ignore[untyped-decorator]
def planted(data: bytes) -> None:
    """A defect four branches deep: that it is found shows that coverage guides the search."""
    if data[:1] == b"e" and data[1:2] == b"i" and data[2:3] == b"g" and data[3:4] == b"h":
        raise ZeroDivisionError("the planted defect")


_TARGETS = {
    **refusing((PcapngError,), pcapng, pcapng_packets),
    **refusing((NoCaptureError,), capture_file, capture_blocks),
    **refusing((FormatError,), spool),
    **refusing((KeyLogError,), keylog),
    **refusing((DissectionError,), dissect, glimpse),
    **refusing((), flow, planted),
}


if __name__ == "__main__":
    run(_TARGETS)
