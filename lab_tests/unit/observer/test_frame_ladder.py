"""Every frame has its line, between the hosts that handed it over, and fits where it is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from golden_visits import Golden
from observer.frame_ladder import Hop, columns, frame_ladder, hops, steps_of_frames
from observer.messages import Frame
from observer.style import Style
from observer.topology import NO_LAB


def drawn(visit: Golden, style: Style) -> list[str]:
    return frame_ladder(visit.frames, visit.journey(), visit.topology, style).splitlines()


def lines_by_frame(visit: Golden, style: Style) -> dict[int, str]:
    found = [line for line in drawn(visit, style) if line.split()[0].isdigit()]
    return {int(line.split()[0]): line for line in found}


def hop_of(visit: Golden, **changes: object) -> Hop:
    """The hop of the visit's first frame, had it been another."""
    frame = replace(visit.frames[0], **changes)  # type: ignore[arg-type]
    return hops([frame, *visit.frames[1:]], visit.topology)[frame.number]


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 110, 140, 250])
def test_no_line_is_wider_than_asked(any_visit: Golden, width: int, ascii_only: bool) -> None:
    assert [line for line in drawn(any_visit, Style(width, ascii=ascii_only)) if len(line) > width] == []


def test_every_frame_has_one_line_in_order(any_visit: Golden) -> None:
    assert list(lines_by_frame(any_visit, Style(140))) == [frame.number for frame in any_visit.frames]


def test_a_line_says_link_time_length_and_what_the_frame_says(http2_visit: Golden) -> None:
    line = lines_by_frame(http2_visit, Style(200))[62]
    assert line.split()[:5] == ["62", "142.968", "home", "194", "4"]
    assert line.endswith("Magic, SETTINGS[0], WINDOW_UPDATE[0], HEADERS[1]: GET /")


def test_every_proving_frame_names_its_steps(any_visit: Golden) -> None:
    lines = lines_by_frame(any_visit, Style(200))
    proved = steps_of_frames(any_visit.journey())
    assert proved
    for number, steps in proved.items():
        assert lines[number].split()[4] == ",".join(map(str, steps))


def test_arrows_point_from_sender_to_receiver(http2_visit: Golden) -> None:
    lines = lines_by_frame(http2_visit, Style(140, ascii=True))
    assert lines[29].index("o-") < lines[29].index("->")  # SYN, client to router
    assert lines[34].index("<-") < lines[34].index("-o")  # SYN, ACK, router to client


def test_without_room_for_columns_hosts_are_named(http2_visit: Golden) -> None:
    lines = lines_by_frame(http2_visit, Style(80, ascii=True))
    assert "client > router" in lines[29]
    assert "balancer > isp" in lines[32]


def test_frames_before_enter_stand_apart(any_visit: Golden) -> None:
    lines = drawn(any_visit, Style(140))
    past = [frame for frame in any_visit.frames if frame.time_ns < any_visit.visit.enter_ns]
    if not past:
        assert not [line for line in lines if "Enter" in line]
        return
    before = next(n for n, line in enumerate(lines) if f"before Enter: {len(past)} frames" in line)
    enter = next(n for n, line in enumerate(lines) if line.startswith("── Enter"))
    assert [int(line.split()[0]) for line in lines[before + 1 : enter]] == [frame.number for frame in past]
    assert all(line.split()[1].startswith("-") for line in lines[before + 1 : enter])
    assert not [line for line in lines[enter + 1 :] if line.split()[1].startswith("-")]


def test_ascii_is_ascii(any_visit: Golden) -> None:
    assert all(line.isascii() for line in drawn(any_visit, Style(ascii=True)))


def test_colour_only_when_asked_and_never_in_the_way(any_visit: Golden) -> None:
    plain, coloured = (drawn(any_visit, Style(colour=colour)) for colour in (False, True))
    assert not [line for line in plain if "\x1b" in line]
    assert [line for line in coloured if "\x1b[" in line]
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == plain


def test_what_a_frame_says_steers_no_terminal(http2_visit: Golden) -> None:
    def spoilt(frame: Frame) -> Frame:
        return replace(frame, info="\x1b[2Jcleared\r\n日本") if frame.number == 1 else frame

    line = lines_by_frame(http2_visit.changed(spoilt), Style(200))[1]
    assert line.endswith("?[2Jcleared????")


def test_hosts_stand_in_the_order_a_request_meets_them(http2_visit: Golden) -> None:
    found = hops(http2_visit.frames, http2_visit.topology)
    assert columns(found.values(), http2_visit.topology) == (
        "client",
        "router",
        "isp",
        "resolver",
        "ns-root",
        "ns-in",
        "ns-site",
        "balancer",
        "origin-1",
    )


def test_every_hop_is_between_hosts_of_its_link(any_visit: Golden) -> None:
    on_link = {(i.host, i.link) for i in any_visit.topology.interfaces}
    found = hops(any_visit.frames, any_visit.topology)
    strangers = [
        (frame.number, host)
        for frame in any_visit.frames
        for host in found[frame.number].hosts
        if (host, frame.link) not in on_link
    ]
    assert strangers == []


def test_arp_names_hosts_and_is_for_all(http2_visit: Golden) -> None:
    found = hops(http2_visit.frames, http2_visit.topology)
    asked, answered = (f for f in http2_visit.frames if f.protocols.endswith(":arp") and f.number in (5, 6))
    assert found[asked.number] == Hop("resolver", None)
    assert found[answered.number] == Hop("ns-root", "resolver")


def test_icmp_and_the_unknown_are_shown(http2_visit: Golden) -> None:
    def strange(frame: Frame) -> Frame:
        if frame.number == 1:
            return replace(frame, protocols="eth:ethertype:data", info="", source="02:00:00:00:00:09", destination="")
        if frame.number == 2:
            return replace(frame, protocols="eth:ethertype:ip:icmp", info="Time-to-live exceeded")
        return frame

    lines = lines_by_frame(http2_visit.changed(strange), Style(250))
    assert lines[1].endswith(" data")
    assert hop_of(http2_visit, source="02:00:00:00:00:09", destination="") == Hop("02:00:00:00:00:09", "?")
    assert lines[2].endswith("Time-to-live exceeded")


def test_a_stranger_beyond_the_lab_is_reached_by_the_only_way_onward(http2_visit: Golden) -> None:
    assert hop_of(http2_visit, destination="203.0.113.9") == Hop("client", "router")
    assert hop_of(http2_visit, link="internet", source="10.77.2.2", destination="203.0.113.9") == Hop("router", "isp")


def test_a_stranger_on_the_link_stands_for_itself(http2_visit: Golden) -> None:
    assert hop_of(http2_visit, destination="fe80::1") == Hop("client", "fe80::1")
    assert hop_of(http2_visit, destination="02:00:00:00:00:09") == Hop("client", "02:00:00:00:00:09")


@pytest.mark.parametrize("everyone", ["ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "224.0.0.251", "ff02::1"])
def test_multicast_is_for_all(http2_visit: Golden, everyone: str) -> None:
    assert hop_of(http2_visit, destination=everyone) == Hop("client", None)


def test_a_capture_from_elsewhere_has_its_addresses_as_hosts(http2_visit: Golden) -> None:
    told = http2_visit.journey()
    assert "10.77.1.10 > 10.77.2.53" in frame_ladder(http2_visit.frames, told, NO_LAB, Style(80, ascii=True))
    heading = frame_ladder(http2_visit.frames, told, NO_LAB, Style(250)).split("before Enter")[0]
    assert "10.77.1.10" in heading and "10.77.4.11" in heading


def test_no_frames_make_an_empty_ladder(http2_visit: Golden) -> None:
    empty = http2_visit.without(lambda frame: True)
    assert drawn(empty, Style(80)) == ["frame ms link bytes step  what it says"]
