"""What gunicorn serves in the observer's container, as it is put together when it starts."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest

from observer import visit
from observer.flow_index import FlowIndex
from observer.spool import Spool


class NoTshark:
    """Starts no program."""


def test_the_service_keeps_the_index_by_which_its_visits_search_the_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[FlowIndex] = []
    searched_by: list[FlowIndex | None] = []
    started = threading.Event()

    def keep(index: FlowIndex) -> None:
        kept.append(index)
        started.set()

    class Noted(Spool):
        def __init__(self, folder: object, index: FlowIndex | None = None) -> None:
            searched_by.append(index)

    monkeypatch.setattr(FlowIndex, "keep", keep)
    monkeypatch.setattr(visit, "Spool", Noted)
    monkeypatch.setattr(visit, "WarmTshark", NoTshark)
    for name, value in (("LAB", "x"), ("LAB_PORT", "8000"), ("ADDR_OBSERVER_CONTROL", "10.0.9.2")):
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "observer.wsgi", raising=False)
    importlib.import_module("observer.wsgi")
    monkeypatch.delitem(sys.modules, "observer.wsgi")
    assert started.wait(10)
    assert kept == searched_by
    assert len(kept) == 1
