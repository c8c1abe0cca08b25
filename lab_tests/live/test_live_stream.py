"""`make wireshark LIVE=1`: what the links carry now, as one capture that grows, and as lines in the terminal."""

from __future__ import annotations

import io
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from live_lab import Lab, Visited
from observer.pcapng import DecryptionSecrets, InterfaceDescription, read_blocks, read_packets
from observer.topology import LINKS

_PATIENCE_S = 60  # for a stream that stops: every read fails after that

_STDERR = 2


class Stream:
    """The output of `live` in the observer, from the moment it has begun to follow the links."""

    def __init__(self, lab: Lab, *arguments: str) -> None:
        api = lab.container("observer").client.api
        self._api = api
        self._started = started = api.exec_create(f"{lab.name}-observer", ["live", *arguments], stdin=True)["Id"]
        body = b'{"Detach": false, "Tty": false}'
        head = f"POST /exec/{started}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        head += f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n"
        # By hand: docker's own client keeps the connection open for as long as it likes.
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE_S)
        self._socket.connect("/var/run/docker.sock")
        self._socket.sendall(head.encode() + body)
        self._answer = self._socket.makefile("rb")
        status = self._answer.readline()
        assert b" 101 " in status, status
        while self._answer.readline().strip():
            pass
        self.errors = b""
        self._output = b""

    def until(self, wanted: bytes) -> None:
        """Read on until `wanted` has been seen."""
        while wanted not in self._output:
            assert self._read(), f"the stream ended without {wanted!r}: {self.errors.decode()}"

    def end(self) -> bytes:
        """End it as a person's Ctrl-C does, by the end of its input; everything that it wrote."""
        self._socket.shutdown(socket.SHUT_WR)
        while self._read():
            pass
        return self._output

    def broken_off(self) -> int:
        """Read on to an end that was not asked for; the exit code."""
        while self._read():
            pass
        return int(self._api.exec_inspect(self._started)["ExitCode"])

    def close(self) -> None:
        self._answer.close()
        self._socket.close()

    def _read(self) -> bool:
        """One piece of its output or errors: eight bytes of header before each, as Docker's attach says."""
        header = self._answer.read(8)
        if len(header) < 8:
            return False
        data = self._answer.read(int.from_bytes(header[4:], "big"))
        if header[0] == _STDERR:
            self.errors += data
        else:
            self._output += data
        return True


@contextmanager
def streaming(lab: Lab, *arguments: str) -> Iterator[Stream]:
    stream = Stream(lab, *arguments)
    try:
        yield stream
    finally:
        stream.close()


def shown(capture: Path, display_filter: str) -> str:
    command = ["tshark", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "_ws.col.info"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def streamed(lab: Lab, tmp_path: Path) -> tuple[Visited, bytes, Path]:
    """A visit, the stream that followed it with frames held back until its keys were known, and that as a file."""
    with streaming(lab, "--hold", "300") as stream:
        stream.until(b"backend")  # the last interface is described once all links are followed
        visited = lab.visit()
        capture = stream.end()
    path = tmp_path / "live.pcapng"
    path.write_bytes(capture)
    return visited, capture, path


def test_every_frame_of_a_visit_is_in_the_stream_once_and_in_the_order_of_time(
    streamed: tuple[Visited, bytes, Path],
) -> None:
    visited, capture, _ = streamed
    links = [block for block in read_blocks(io.BytesIO(capture)) if isinstance(block, InterfaceDescription)]
    assert [link.name for link in links] == list(LINKS)
    began = visited.journey["visit"]["started_ns"]
    packets = [packet for packet in read_packets(io.BytesIO(capture)) if packet.time_ns >= began]
    assert packets == sorted(packets, key=lambda packet: packet.time_ns)
    assert len(set(packets)) == len(packets), "no frame twice"
    recorded = read_packets(io.BytesIO((visited.folder / "journey.pcapng").read_bytes()))
    of_the_visit = {packet for packet in recorded if packet.time_ns >= began}
    assert of_the_visit
    assert of_the_visit <= set(packets)


def test_with_frames_held_back_everything_is_decrypted(streamed: tuple[Visited, bytes, Path]) -> None:
    _, _, path = streamed
    for link, protocol in (("home", "http2"), ("edge", "http2"), ("backend", "http")):
        text = shown(path, f'{protocol} && frame.interface_name == "{link}"')
        assert "GET /" in text, link
        assert "200 OK" in text, link


def test_at_once_the_origins_leg_is_decrypted_and_the_clients_keys_follow(lab: Lab, tmp_path: Path) -> None:
    with streaming(lab) as stream:
        stream.until(b"backend")
        visited = lab.visit()
        capture = stream.end()
    path = tmp_path / "live.pcapng"
    path.write_bytes(capture)
    assert "GET / HTTP/1.1" in shown(path, 'http && frame.interface_name == "backend"')
    secrets = b"".join(block.data for block in read_blocks(io.BytesIO(capture)) if isinstance(block, DecryptionSecrets))
    randoms = visited.journey["visit"]["client_randoms"]
    assert randoms
    assert all(random.encode() in secrets for random in randoms)


def test_in_the_terminal_each_frame_is_a_line_with_its_link(lab: Lab) -> None:
    with streaming(lab, "--lines") as stream:
        # Any frame: the balancer asks the origins for their health all the time.
        stream.until(b"backend")
        lab.visit()
        stream.until(b"Standard query")
        lines = stream.end().decode().splitlines()
    assert [line for line in lines if " home " in line and "Standard query" in line and "parseltongue.co.in" in line]
    assert [line for line in lines if " backend " in line and "GET / HTTP/1.1" in line]


def test_nothing_is_left_running_when_whoever_looked_has_gone(lab: Lab) -> None:
    with streaming(lab) as stream:
        stream.until(b"backend")
        assert running(lab) == 1
    # The stream was closed without a word, as a window is: that is the end of `live`, too.
    script = "while grep -aqs 'observer[^a-z]live' /proc/[0-9]*/cmdline; do sleep 0.1; done"
    code, _ = lab.container("observer").exec_run(["timeout", str(_PATIENCE_S), "sh", "-c", script])
    assert code == 0
    assert running(lab) == 0


_KILL = """
import glob, os
for path in glob.glob("/proc/[0-9]*/cmdline"):
    with open(path, "rb") as file:
        if file.read().startswith(b"python3\\0-m\\0observer\\0live"):
            os.kill(int(path.split("/")[2]), 9)
"""


def test_a_stream_that_is_killed_is_told_in_one_line_and_fails(lab: Lab) -> None:
    with streaming(lab, "--lines") as stream:
        stream.until(b"backend")
        code, output = lab.container("observer").exec_run(["python3", "-c", _KILL])
        assert code == 0, output
        assert stream.broken_off() == 1
    said = [line for line in stream.errors.decode().splitlines() if not line.startswith("Running as user")]
    assert said == ["live: the stream of frames broke off: exit code 137"]


def running(lab: Lab) -> int:
    processes = lab.container("observer").top()["Processes"]
    return sum("-m observer live" in " ".join(process) for process in processes)
