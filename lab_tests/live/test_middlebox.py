"""The isp's faults do what their sentences say, to the packets they say, and nothing when idle."""

from __future__ import annotations

import pytest

from faults import Touched
from live_lab import SITE, Lab, Recording

PAGE = f"{SITE}bytes/20000"


def disturbed(lab: Lab, *sentences: str, http: str = "2") -> tuple[Recording, list[Touched], dict[str, object]]:
    """A download under faults: the recording, what they touched, the client's answer."""
    with lab.recording("; ".join(sentences)) as recording, lab.faults(*sentences) as faults:
        answer = recording.visit(PAGE, http=http)
    return recording, faults.touched(recording), answer


@pytest.mark.parametrize(
    ("sentence", "action", "copies"),
    [
        ("drop the 3rd data segment from balancer to client", "dropped", 0),
        ("drop the 1st SYN to balancer", "dropped", 0),
        ("corrupt the 3rd data segment from balancer to client", "corrupted", 1),
        ("duplicate the 3rd data segment from balancer to client", "duplicated", 2),
        ("duplicate the 2nd data segment from client to balancer", "duplicated", 2),
        ("duplicate the 1st SYN to balancer", "duplicated", 2),
        ("swap the 6th and 7th data segment from balancer to client", "held", 1),
    ],
)
def test_tcp_heals_what_is_done_to_one_segment(lab: Lab, sentence: str, action: str, copies: int) -> None:
    recording, touched, answer = disturbed(lab, sentence)

    assert [t.touch.action for t in touched] == [action]
    assert len(touched[0].sent) == copies, touched
    assert answer["exit_code"] == 0
    if action != "corrupted":  # Wireshark takes damaged bytes for good ones unless told to verify TCP's checksum
        assert recording.exchanges("home")[0].response is not None


def test_a_swapped_segment_arrives_behind_its_successor(lab: Lab) -> None:
    recording, (held,), _ = disturbed(lab, "swap the 6th and 7th data segment from balancer to client")

    assert held.arrived.tcp is not None
    behind = held.sent[0]
    first = [
        frame
        for frame in recording.on("internet")
        if frame.tcp and frame.source == behind.source and held.arrived.time_ns < frame.time_ns < behind.time_ns
    ]
    assert any(f.tcp and f.tcp.sequence_number > held.arrived.tcp.sequence_number for f in first)


def test_a_flipped_byte_in_a_tls_record_ends_the_connection(lab: Lab) -> None:
    recording, (flipped,), answer = disturbed(lab, "flip one byte in the 8th TLS record from balancer to client")

    assert answer["exit_code"] != 0
    assert len(flipped.sent) == 1
    alerts = [a.description for f in recording.on("home") if f.tls for a in f.tls.alerts]
    assert 20 in alerts, "bad_record_mac (RFC 8446, section 6.2)"


def test_quic_packets_are_counted(lab: Lab) -> None:
    sentences = (
        "drop the 4th QUIC packet from balancer to client",
        "flip one byte in the 9th QUIC packet from balancer",
    )
    _, touched, answer = disturbed(lab, *sentences, http="3")

    assert sorted(t.touch.action for t in touched) == ["dropped", "flipped"]
    assert answer["exit_code"] == 0


def test_a_delay_each_way_is_a_round_trip(lab: Lab) -> None:
    _, touched, answer = disturbed(lab, "delay 25 ms each way")

    assert answer["exit_code"] == 0
    # The last ones leave when the recording has ended.
    delays_ms = [(t.sent[0].time_ns - t.arrived.time_ns) / 1e6 for t in touched if t.sent]
    assert len(delays_ms) > 10
    # The shortest, not their mean: a busy machine makes some of them late. Held twice, it would be 50 ms or more.
    assert 25 <= min(delays_ms) < 50


def test_losses_are_the_same_for_the_same_seed(lab: Lab) -> None:
    lost = []
    for _ in range(2):
        with lab.faults("lose 30 % of every SYN to balancer with seed 7") as faults:
            lab.visit(http="1.1")
        lost.append([touch.action for touch in faults.touches])
    assert lost[0] == lost[1]


def test_a_bad_sentence_is_refused_in_one_line_that_marks_the_word(lab: Lab) -> None:
    with pytest.raises(
        ValueError, match=r"^drop the 3rd data segment from >balanser< to client: expected a host [^\n]*$"
    ):
        lab.ask_isp("POST /faults", {"faults": ["drop the 3rd data segment from balanser to client"]})


def test_an_idle_middlebox_asks_for_no_packet(lab: Lab) -> None:
    """The chain is empty, so that no packet takes the way through the queue; with a fault in force it is not."""

    def rules(table: str, chain: str) -> list[str]:
        code, output = lab.container("isp").exec_run(["/run/iptables", "-t", table, "-S", chain], user="0")
        assert code == 0, output.decode()
        return [line for line in output.decode().splitlines() if line.startswith("-A")]

    idle = rules("mangle", "MIDDLEBOX") + rules("nat", "ATTACK")
    with lab.faults("drop every SYN to balancer port 1"), lab.attacks({"kind": "impostor", "scheme": "http"}):
        busy = rules("mangle", "MIDDLEBOX"), rules("nat", "ATTACK")
    assert (idle, [len(lines) for lines in busy]) == ([], [1, 2])
