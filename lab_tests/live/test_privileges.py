"""Least privilege, as Docker and the kernel tell it, not as compose.yaml wishes it."""

from __future__ import annotations

import pytest

from live_lab import Lab
from monitor import Monitor

HOSTS = (
    "client", "router", "isp", "resolver", "ns-root", "ns-in", "ns-site",
    "balancer", "quic", "echo", "origin-1", "origin-2", "tap", "observer",
)  # fmt: skip
WRITABLE_ROOT = {"client"}  # compose.yaml says why
CAP_NET_ADMIN, CAP_NET_RAW = 1 << 12, 1 << 13
KEPT = {"isp": CAP_NET_ADMIN | CAP_NET_RAW, "tap": CAP_NET_RAW}


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_running_container_is_checked_here(lab: Lab) -> None:
    names = {
        c.name.removeprefix(f"{lab.name}-")
        for c in lab.containers()
        if c.labels.get("com.docker.compose.oneoff") != "True"
    }
    assert names - {"monitor"} == set(HOSTS)


def test_a_container_gets_nothing_it_does_not_name(lab: Lab, host: str) -> None:
    config = lab.container(host).attrs["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert config["ReadonlyRootfs"] is (host not in WRITABLE_ROOT)
    assert "no-new-privileges:true" in config["SecurityOpt"]
    assert not config["Privileged"]
    assert config["Memory"] > 0
    assert config["PidsLimit"] > 0
    assert config["LogConfig"]["Config"].get("max-size")
    assert not any("docker.sock" in bind for bind in config["Binds"] or [])
    published = [b["HostIp"] for bindings in (config["PortBindings"] or {}).values() for b in bindings]
    assert set(published) <= {"127.0.0.1"}


def test_no_process_is_root_or_holds_a_capability_it_does_not_need(lab: Lab, host: str) -> None:
    processes, question = processes_of(lab, host)
    assert question in {status["Pid"] for status, _ in processes}, "not even this question's own process was seen"
    # What Docker itself starts beside the host's process has the container's user: this question, and health checks.
    dockers = {question} | {status["Pid"] for status, line in processes if is_health_check(status, line)}
    checked = 0
    for status, line in processes:
        if dockers & {status["Pid"], status["PPid"]}:
            continue
        checked += 1
        # The observer runs as whoever ran make; should that be root, it is root without any capability.
        assert status["Uid"] != "0" or host == "observer", line
        assert int(status["CapEff"], 16) & ~KEPT.get(host, 0) == 0, line
        assert int(status["CapBnd"], 16) & ~KEPT.get(host, 0) == 0, line
        assert status["NoNewPrivs"] == "1", line
    assert checked, "no process seen: this test looked at nothing"


def processes_of(lab: Lab, host: str) -> tuple[list[tuple[dict[str, str], str]], str]:
    """Of each process in `host` some of its status and a line with all of it; and the id of the one that asks."""
    script = (
        "echo $$; "
        "for f in /proc/[0-9]*/status; do tr '\\n' ' ' <$f; tr '\\0' ' ' <${f%status}cmdline; echo; done 2>/dev/null"
    )
    code, output = lab.container(host).exec_run(["sh", "-c", script])
    assert code == 0
    question, *lines = output.decode().splitlines()
    found = []
    for line in lines:
        words = line.split()
        status = {
            word.rstrip(":"): words[place + 1]
            for place, word in reversed(list(enumerate(words[:-1])))
            if word in ("Pid:", "PPid:", "Uid:", "CapEff:", "CapBnd:", "NoNewPrivs:")
        }
        if status:  # none: it went away meanwhile
            found.append((status, line))
    return found, question


def is_health_check(status: dict[str, str], line: str) -> bool:
    return status["PPid"] == "0" and status["Pid"] != "1" and line.rstrip().endswith("/healthy")


def test_the_monitor_gets_no_more_than_the_others(lab: Lab, monitor: Monitor) -> None:
    test_a_container_gets_nothing_it_does_not_name(lab, "monitor")
    test_no_process_is_root_or_holds_a_capability_it_does_not_need(lab, "monitor")
