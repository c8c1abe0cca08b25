"""The origins as the balancer sees them, over its runtime API."""

from __future__ import annotations

import csv
from collections.abc import Collection
from http.client import HTTPConnection

from live_lab import SITE, Lab
from waiting import wait_until

ORIGINS = ("origin-1", "origin-2")
_OUT_WITHIN_S = (
    15.0  # two checks fail: at worst an interval of 2 s, twice a connection that nobody answers, 0.5 s between
)
_BACK_WITHIN_S = 10.0  # one check passes, asked for every 0.5 s while the origin is out

# What POST /unwell?ms=0 does, when no origin is left that could be sent it.
_CURE = """
import sys
from pathlib import Path
from origin.ailments import Ailments
from origin.database import Database
Ailments(Database(Path("/orders/orders.db"))).fall_ill(sys.argv[1], 0)
"""


class Rotation:
    """Which origins the balancer asks, and how often."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def asked(self) -> set[str]:
        """The origins that get requests: those whose state is UP."""
        return {origin for origin, row in self._rows().items() if row["status"].startswith("UP")}

    def in_hand(self, origin: str) -> int:
        """How many requests `origin` itself says that it is at work on, in its metrics for Prometheus."""
        connection = HTTPConnection(self._lab.topology.address(origin, "control"), 8404, timeout=5)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        (value,) = (line.split()[1] for line in lines if line.startswith("origin_http_requests_in_hand "))
        return int(float(value))

    def passed_on(self, origin: str) -> int:
        """How many of `origin`'s 2xx responses the balancer has begun to hand on, health checks not counted."""
        return int(self._rows()[origin]["hrsp_2xx"])

    def wait_until_asked(self, origins: Collection[str]) -> None:
        """Until requests go to these origins and to no other."""
        within_s = _BACK_WITHIN_S if len(origins) == len(ORIGINS) else _OUT_WITHIN_S
        wait_until(lambda: self.asked() == set(origins), within_s, f"only {sorted(origins)} in rotation")

    def wait_until_both_take_turns(self) -> None:
        """Until requests really go to both. HAProxy's round robin lets a server that comes back join with the next turn
        of all, which is some thirty requests long: until then whoever asks gets the other one."""
        wait_until(self._both_answered, _BACK_WITHIN_S, "both origins take turns")

    def weigh(self, origin: str, weight: str) -> None:
        """Give `origin` a weight, as HAProxy writes it: 3, or 100% of what its configuration says."""
        self._command(f"set weight site/{origin} {weight}")

    def forget_rates(self) -> None:
        """Empty the table of the rate limits."""
        self._command("clear table https")

    def start(self, origin: str) -> None:
        """Start the origin's container again, and wait until it serves, and the balancer asks it."""
        self._lab.container(origin).start()
        self._lab.wait_until_healthy(origin)
        wait_until(lambda: origin in self.asked(), _BACK_WITHIN_S, f"{origin} back in rotation")

    def forget_connections(self, origin: str) -> None:
        """Close the idle connections to `origin`, and let it take its turns again, so that it has one."""
        self._command(f"set server site/{origin} state maint")
        self._command(f"set server site/{origin} state ready")
        self.wait_until_asked(ORIGINS)
        self.wait_until_both_take_turns()

    def cure(self, origin: str) -> None:
        """Let `origin` be well again, though nobody can reach it."""
        code, output = self._lab.container(origin).exec_run(["python3", "-c", _CURE, origin], user="10001")
        assert code == 0, output.decode()

    def restore(self) -> None:
        """Both origins running, in rotation and weighed as configured, no limit half used up."""
        for origin in ORIGINS:
            container = self._lab.container(origin)
            if container.status != "running":
                self.start(origin)
            if origin not in self.asked():
                self.cure(origin)
            self.weigh(origin, "100%")
            self._command(f"set server site/{origin} state ready")
        self.forget_rates()
        self.wait_until_asked(ORIGINS)
        self.wait_until_both_take_turns()

    def _both_answered(self) -> bool:
        request = {"id": "turns", "urls": [f"{SITE}bytes/1?turns"] * 8, "http": "1.1"}
        responses = self._lab.ask_client("POST /visits", request)["responses"]
        origins = [value for each in responses for name, value in each["headers"] if name.lower() == "x-origin"]
        return set(origins[-2:]) == set(ORIGINS)

    def _rows(self) -> dict[str, dict[str, str]]:
        """Of each origin what `show stat` tells, by the names in its first line."""
        lines = self._lab.runtime_command("show stat site 4 -1").removeprefix("# ").splitlines()
        return {row["svname"]: row for row in csv.DictReader(lines)}

    def _command(self, command: str) -> None:
        answer = self._lab.runtime_command(command).strip()
        assert not answer, f"{command}: HAProxy answered {answer!r}"
