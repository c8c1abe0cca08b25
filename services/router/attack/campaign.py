"""Starts what was ordered and ends all of it, in an order in which nothing is redirected to where nobody listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attack import PURPOSE
from attack.boundary import Place, check_no_way_out
from attack.claiming import ClaimedAddress, own_addresses
from attack.forging_resolver import ForgingResolver
from attack.impostor import ImpostorServer
from attack.orders import Claim, Forge, Impostor, Order, Strip, write_order
from attack.overheard import Ear
from attack.redirection import NOTHING, ruleset
from attack.stripping_proxy import StrippingProxy

LoadRules = Callable[[str], None]


class Campaign:
    """The attacks in force: none at first. Any thread may change them."""

    def __init__(self, load_rules: LoadRules) -> None:
        """`load_rules` takes input for iptables-restore."""
        self._load_rules = load_rules
        self._lock = threading.Lock()
        self._orders: tuple[Order, ...] = ()
        self._ear = Ear()
        self._running = ExitStack()

    def begin(self, orders: Sequence[Order], place: Place) -> None:
        """Do `orders` instead of what was done before. Whatever is raised, nothing is in force then.

        Raises:
            OutsideTheLab: this host is not the lab's isp, or it has a way out.
            OSError, RuntimeError: a listener, a rule or a claim was refused.
        """
        with self._lock:
            self._end()
            check_no_way_out(Path("/proc/net/route").read_text(encoding="ascii"), own_addresses(), place)
            with ExitStack() as starting:
                for order in orders:
                    self._listen(order, place, starting)
                starting.callback(self._load_rules, NOTHING)
                self._load_rules(ruleset(orders, place))
                if any(isinstance(order, Claim | Forge) for order in orders):
                    starting.callback(ClaimedAddress(place).close)
                self._running = starting.pop_all()
            self._orders = tuple(orders)

    def end(self) -> dict[str, Any]:
        """Undo everything. Returns the last report: nothing can be overheard after it."""
        with self._lock:
            return self._end()

    def report(self) -> dict[str, Any]:
        """{"purpose": ..., "attacks": [as ordered], "overheard": [what the listeners got to see]}."""
        with self._lock:
            return self._report()

    def _report(self) -> dict[str, Any]:
        attacks = [write_order(order) for order in self._orders]
        return {"purpose": PURPOSE, "attacks": attacks, "overheard": self._ear.as_json()}

    def _end(self) -> dict[str, Any]:
        try:
            self._running.close()  # waits for the listeners' threads: they still tell the ear
            return self._report()
        finally:
            self._orders = ()
            self._ear = Ear()

    def _listen(self, order: Order, place: Place, starting: ExitStack) -> None:
        match order:
            case Impostor():
                starting.callback(ImpostorServer(place.internet, order.scheme, self._ear).end)
            case Strip():
                starting.callback(StrippingProxy(place.internet, place.balancer, self._ear).end)
            case Forge():
                starting.callback(ForgingResolver(place, dict(order.names), self._ear).close)
            case Claim():
                pass
