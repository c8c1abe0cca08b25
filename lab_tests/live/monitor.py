"""The monitor as tests ask it: Prometheus' own HTTP API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from live_lab import Lab
from waiting import wait_until

_EVALUATED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is pending or firing."""

    name: str
    state: str
    labels: tuple[tuple[str, str], ...]
    summary: str


class Monitor:
    def __init__(self, lab: Lab) -> None:
        self._address = lab.topology.address("monitor", "control")

    def alerts(self) -> tuple[Alert, ...]:
        """What /api/v1/alerts tells."""
        return tuple(
            Alert(a["labels"]["alertname"], a["state"], tuple(sorted(a["labels"].items())), a["annotations"]["summary"])
            for a in self._ask("/api/v1/alerts")["alerts"]
        )

    def firing(self, name: str) -> Alert | None:
        return next((alert for alert in self.alerts() if (alert.name, alert.state) == (name, "firing")), None)

    def value(self, query: str) -> float:
        """What a PromQL query comes to now. Fails unless it is one number."""
        found = self._ask(f"/api/v1/query?{urlencode({'query': query})}")["result"]
        assert len(found) == 1, f"{query}: {len(found)} values"
        return float(found[0]["value"][1])

    def wait_until_evaluated(self, query: str, least: float) -> None:
        """Until `query` has come to `least`, and every rule was evaluated on that."""
        wait_until(lambda: self.value(query) >= least, _EVALUATED_WITHIN_S, f"{query} of at least {least:g}")
        self._wait_for_an_evaluation()  # it may have begun before
        self._wait_for_an_evaluation()

    def _wait_for_an_evaluation(self) -> None:
        before = self._last_evaluation()
        wait_until(lambda: self._last_evaluation() != before, _EVALUATED_WITHIN_S, "an evaluation of the rules")

    def _last_evaluation(self) -> str:
        (group,) = self._ask("/api/v1/rules")["groups"]
        return str(group["lastEvaluation"])

    def _ask(self, path: str) -> Any:
        connection = HTTPConnection(self._address, 9090, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        assert answer["status"] == "success", f"{path}: {answer}"
        return answer["data"]
