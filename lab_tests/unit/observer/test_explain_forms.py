"""`explain` on whole files: whatever the form, it says what the file is, what is odd in it and what has no journey."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import jsonschema
import pytest

from foreign_captures import FOREIGN
from golden_visits import VISITS
from observer.document import CAPTURE_SCHEMA_ID, capture_schema
from observer.explain import Form, explain
from observer.kept import ORDINARY, Bounds
from observer.style import Style
from observer.topology import NO_LAB
from programs_here import needs

pytestmark = needs("editcap", "tshark")

GOLDEN = Path(__file__).parent.parent / "pcapng" / "golden"
# What tshark lists of what it could not decrypt: TLS records with application data, one by one, and QUIC datagrams.
RECORDS = ["-Y", "tls.app_data", "-e", "tls.app_data"]
DATAGRAMS = ["-Y", "quic.connection.number && !quic.frame_type && !icmp", "-e", "frame.number"]


def said(path: Path, form: Form, bounds: Bounds = ORDINARY) -> str:
    """All that `explain` says of a file in one form; of JSON every text in it, of HTML what a browser shows."""
    whole = "".join(explain(path, None, NO_LAB, Style(), form, bounds))
    if form is Form.JSON:
        told = json.loads(whole)
        jsonschema.validate(told, capture_schema())
        assert told["schema"] == CAPTURE_SCHEMA_ID
        return json.dumps(told, ensure_ascii=False)
    return html.unescape(whole)


def packed(path: Path, folder: Path) -> Path:
    found = folder / f"{path.name}.gz"
    found.write_bytes(gzip.compress(path.read_bytes()))
    return found


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        (FOREIGN / "vlan-tags.pcapng", ["11 frames", "11 frames in VLAN 100 in 7", "/one"]),
        (FOREIGN / "end-cut-off.pcapng", ["1 of them in the middle of a request or its answer"]),
        (FOREIGN / "tls13-refused.pcapng", ["no statistics stand at its end"]),
        (FOREIGN / "quic-moved.pcapng", ["changes of a QUIC connection id"]),
        (GOLDEN / "microseconds.pcap", ["microseconds.pcap", "no end mark"]),
        (GOLDEN / "text2pcap.pcapng.gz", ["text2pcap.pcapng.gz", "frames ("]),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_every_form_says_what_the_file_is_and_what_is_odd_in_it(path: Path, words: list[str], form: Form) -> None:
    found = said(path, form)
    assert [word for word in words if word not in found] == []


@pytest.mark.parametrize("form", Form)
def test_a_packed_file_is_told_as_the_plain_one_is(form: Form, tmp_path: Path) -> None:
    plain = tmp_path / "ipv6.pcapng"
    shutil.copy(FOREIGN / "ipv6.pcapng", plain)
    assert said(packed(plain, tmp_path), form).replace("ipv6.pcapng.gz", "ipv6.pcapng") == said(plain, form)


@pytest.mark.parametrize("form", Form)
def test_every_form_lists_the_connections_without_a_journey_and_the_bound(form: Form) -> None:
    found = said(FOREIGN / "tls13-psk.pcapng", form, Bounds(stories=1))
    assert "#28 127.0.0.1:" in found
    assert "more than 1 connections: those that began later have a line instead of a story" in found


@pytest.mark.parametrize("form", Form)
def test_every_form_says_something_of_a_file_without_a_journey(form: Form, tmp_path: Path) -> None:
    arp = tmp_path / "arp.pcap"
    question = bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001080006040001 020000000001 c0000201 000000000000 c0000202"
    )
    with arp.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", 1, 0, len(question), len(question)) + question)
    found = said(arp, form)
    assert "no end mark" in found
    assert ('"journeys": []' if form is Form.JSON else "no journey to tell") in found


@pytest.mark.parametrize(
    ("path", "words", "counted"),
    [
        (VISITS / "http1.1" / "home.pcapng", r"TLS 1\.3, application data, (\d+) records", RECORDS),
        (VISITS / "http2" / "home.pcapng", r"TLS 1\.3, application data, (\d+) records", RECORDS),
        (FOREIGN / "tls13-psk.pcapng", r"TLS 1\.3, application data, (\d+) records", RECORDS),
        (FOREIGN / "tls12-ticket.pcapng", r"TLS 1\.2, application data, (\d+) records", RECORDS),
        (VISITS / "http3" / "home.pcapng", r"QUIC, (\d+) datagrams", DATAGRAMS),
        (FOREIGN / "quic-moved.pcapng", r"QUIC, (\d+) datagrams", DATAGRAMS),
    ],
    ids=lambda value: f"{value.parent.name}-{value.stem}" if isinstance(value, Path) else "",
)
def test_without_its_secrets_a_capture_is_told_as_closed(
    path: Path, words: str, counted: list[str], tmp_path: Path
) -> None:
    assert "no keys" not in said(path, Form.LADDER)
    closed = tmp_path / "closed.pcapng"
    subprocess.run(["editcap", "--discard-all-secrets", path, closed], check=True, capture_output=True)
    told = json.loads(said(closed, Form.JSON))["journeys"]
    requests = [step for journey in told for step in journey["steps"] if step["name"] == "request"]
    assert [step["status"] for step in requests] == ["unknown"] * len(told)
    found = [re.search(rf"could not be decrypted on \w+: {words}, no keys$", step["summary"]) for step in requests]
    assert found and all(found), requests
    command = ["tshark", "-r", str(closed), "-T", "fields", *counted]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.replace(",", "\n").split()
    assert sum(int(match[1]) for match in found if match) == len(listed)


def test_a_stray_member_or_a_missing_one_breaks_the_schema() -> None:
    told = json.loads("".join(explain(FOREIGN / "ipv6.pcapng", None, NO_LAB, Style(), Form.JSON)))
    jsonschema.Draft202012Validator.check_schema(capture_schema())
    for doctored in (told | {"extra": 1}, {name: value for name, value in told.items() if name != "capture"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(doctored, capture_schema())
