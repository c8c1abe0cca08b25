"""What people say and read."""

from __future__ import annotations

import pytest

from middlebox.person import order, told


@pytest.mark.parametrize(
    ("said", "request_"),
    [
        ([], ("GET", {})),
        (["none"], ("DELETE", {})),
        (["drop every SYN"], ("POST", {"faults": ["drop every SYN"]})),
        (["drop every SYN; delay 25 ms each way;"], ("POST", {"faults": ["drop every SYN", "delay 25 ms each way"]})),
        (
            ['replace "a;b" by "c;d"; drop every SYN'],
            ("POST", {"faults": ['replace "a;b" by "c;d"', "drop every SYN"]}),
        ),
    ],
)
def test_what_is_said_becomes_a_request(said: list[str], request_: tuple[str, object]) -> None:
    assert order(said) == request_


def test_a_report_is_read_fault_by_fault() -> None:
    touch = {
        "fault": 0,
        "action": "dropped",
        "protocol": "tcp",
        "from": {"host": "balancer", "address": "10.77.3.10", "port": 443},
        "to": {"host": None, "address": "10.77.2.2", "port": 51000},
        "identification": 7,
        "sequence_number": 99,
        "payload_length": 271,
    }
    faults = [{"sentence": "drop every SYN", "matched": 30, "touched": 30}]

    lines = told({"faults": faults, "touches": [touch] * 30}).splitlines()

    assert lines[0] == "drop every SYN: looked at 30, touched 30"
    assert lines[1] == "  dropped: tcp balancer:443 -> 10.77.2.2:51000, 271 bytes, ip.id 0x0007, tcp.seq_raw 99"
    assert (len(lines), lines[-1]) == (22, "  and 10 more")


def test_no_fault_is_said_to_be_none() -> None:
    assert told({"faults": [], "touches": []}) == "no fault in force\n"
