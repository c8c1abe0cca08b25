"""tshark, the dissector: what it prints is what our user sees in Wireshark, and all that a verdict rests on.

tshark takes 200 ms to start and a few to read a visit, so three are kept started, waiting for their input; each
reads one capture and ends. A capture of any size goes through the same command, only without the wait; a long one
piece by piece, because tshark keeps some kilobytes of every packet that it has read.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from observer.capture_file import unpacked
from observer.cutting import Cutter
from observer.dissect import AGGREGATOR, FIELDS, DissectionError, Glimpse, Wanted, frames, frames_and_glimpses
from observer.messages import Frame
from observer.pieces import Pieces

# tshark prints 4 KiB at a time, and to be woken for each costs a reader of long captures a fifth of its time. As many
# as a pipe holds: with more, tshark would wait for the reader.
_BUFFER = 1 << 16
_COMMAND = [
    "stdbuf",
    f"--output={_BUFFER}",
    "tshark",
    "-n",
    "-T",
    "fields",
    "-E",
    "separator=/t",
    "-E",
    "occurrence=a",
    "-E",
    f"aggregator={AGGREGATOR}",
    "-o",
    "tcp.reassemble_out_of_order:TRUE",  # or whatever followed a lost segment stays undissected
]
_Read = TypeVar("_Read")
_NOT_ERRORS = ("Running as user",)


def command_of(source: str) -> list[str]:
    selected = [argument for name in FIELDS for argument in ("-e", name)]
    return [*_COMMAND, *selected, "-r", source]


class WarmTshark:
    """tsharks that are one start ahead, for a visit needs up to three. Use from any thread; more start when needed."""

    def __init__(self, ahead: int = 3) -> None:
        self._ahead = ahead
        self._lock = threading.Lock()
        self._waiting: list[subprocess.Popen[bytes]] = []
        self.warm_up()

    def dissect(self, capture: bytes) -> list[Frame]:
        """Dissect a whole capture file.

        Raises:
            DissectionError: tshark could not read the capture to its end.
        """
        process = self._ready() or _start()
        output, errors = process.communicate(capture)
        _check(process.returncode, errors)
        # Not splitlines: the aggregator is one of the characters it would split at.
        return list(frames(output.decode().split("\n")[:-1]))

    def warm_up(self) -> None:
        """Start as many as are missing; for a moment when nobody waits."""
        with self._lock:
            self._waiting = [process for process in self._waiting if process.poll() is None]
            missing = self._ahead - len(self._waiting)
        for _ in range(missing):
            started = _start()
            with self._lock:
                self._waiting.append(started)

    def _ready(self) -> subprocess.Popen[bytes] | None:
        """The one that has waited longest, for it is surely ready; those that died waiting are passed over."""
        with self._lock:
            while self._waiting:
                process = self._waiting.pop(0)
                if process.poll() is None:
                    return process
        return None

    def close(self) -> None:
        """End those that wait; others may be started afterwards."""
        with self._lock:
            for process in self._waiting:
                process.kill()
                process.communicate()
            self._waiting = []


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(command_of("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def dissect_file(path: Path, keys: Path | None) -> Iterator[Frame]:
    """Dissect a capture file in one piece, frame by frame: tshark's memory grows with it.

    Raises:
        DissectionError: tshark could not read the file to its end.
    """
    return _output(command_of(str(path)), keys, frames)


def glimpse_file(path: Path, keys: Path | None, wanted: Wanted, pieces: Pieces) -> Iterator[Frame | Glimpse]:
    """Dissect a capture file of any size in bounded memory, piece by piece; only a glimpse of most frames of
    connections that are not `wanted`.

    Raises:
        DissectionError: tshark could not read the file to its end.
        NoCaptureError: the file is damaged gzip data.
    """

    def read(lines: Iterable[str]) -> Iterator[Frame | Glimpse]:
        return frames_and_glimpses(lines, wanted, pieces.take)

    yield from _output([*command_of(str(path)), "-c", str(pieces.size)], keys, read)
    if pieces.told < pieces.size:
        return
    with unpacked(path) as file:
        cutter = Cutter(file, pieces.size)
        while cutter.more:
            pieces.turn()
            spans, packets = cutter.piece(pieces.carried)
            yield from _output(command_of("-"), keys, read, partial(cutter.copy, spans))
            if pieces.told != packets:
                raise DissectionError(f"tshark: told {pieces.told} frames of {packets} packets in the file")


def _output(
    command: list[str],
    keys: Path | None,
    read: Callable[[Iterable[str]], Iterator[_Read]],
    feed: Callable[[IO[bytes]], None] | None = None,
) -> Iterator[_Read]:
    """What `read` makes of tshark's output, line by line; `feed` writes its input, if it does not read a file."""
    command = [*command, *(["-o", f"tls.keylog_file:{keys}"] if keys else [])]
    stdin = subprocess.DEVNULL if feed is None else subprocess.PIPE
    # Its complaints go to a file: a pipe that nobody empties while lines are read stops tshark when it is full.
    with tempfile.TemporaryFile() as errors, ThreadPoolExecutor(1) as pool:
        with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, bufsize=_BUFFER) as process:
            assert process.stdout is not None
            fed = pool.submit(_fill, process.stdin, feed) if feed and process.stdin else None
            # Only a newline ends a line: what else Unicode and Python take for an end may stand in a value.
            with io.TextIOWrapper(process.stdout, encoding="utf-8", newline="\n") as lines:
                yield from read(lines)
            if fed:
                fed.result()
        errors.seek(0)
        _check(process.returncode, errors.read())


def _fill(pipe: IO[bytes], feed: Callable[[IO[bytes]], None]) -> None:
    with suppress(BrokenPipeError), pipe:  # tshark says why it stopped reading
        feed(pipe)


def _check(returncode: int, errors: bytes) -> None:
    lines = [line for line in errors.decode(errors="replace").splitlines() if not line.startswith(_NOT_ERRORS)]
    if returncode != 0 or lines:
        raise DissectionError(f"tshark: {' '.join(lines) or f'exit code {returncode}'}")
