"""Fixtures of the live tests. They expect a running lab: `make test` sees to that."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dialogue import Header, authorization
from live_lab import Lab, Visited
from monitor import Monitor
from observer.topology import LINKS, from_environment
from rotation import Rotation


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(from_environment(os.environ), os.environ["LAB"])


@pytest.fixture(scope="session", autouse=True)
def no_fault_is_inherited(lab: Lab) -> None:
    """What a run that was killed left in force is taken away before the first test."""
    lab.ask_isp("DELETE /faults", {})
    lab.ask_isp("DELETE /attacks", {})


@pytest.fixture(autouse=True)
def no_fault_survives(lab: Lab) -> Iterator[None]:
    """A fault left behind would be the next test's riddle: it is taken away, and this test fails for it."""
    yield
    left = [fault["sentence"] for fault in lab.ask_isp("GET /faults", {})["faults"]]
    left += [attack["kind"] for attack in lab.ask_isp("GET /attacks", {})["attacks"]]
    if left:
        lab.ask_isp("DELETE /faults", {})
        lab.ask_isp("DELETE /attacks", {})
        pytest.fail(f"this test left faults or attacks in force: {'; '.join(left)}")


@pytest.fixture(scope="session", params=["1.1", "2", "3"], ids=lambda version: f"http{version}")
def ordinary_visit(request: pytest.FixtureRequest, lab: Lab) -> Visited:
    """One visit to the site's page per HTTP version, shared by the tests that only look."""
    done = lab.visit(http=request.param)
    assert done.exit_code == 0, f"the client failed: {done.journey['visit']['error']}"
    return done


@pytest.fixture(params=LINKS)
def link(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def alice(lab: Lab) -> Header:
    """alice's Authorization header, for the orders that are hers."""
    return authorization(lab, "alice", "wonderland")


@pytest.fixture(scope="session")
def bob(lab: Lab) -> Header:
    """bob's, whose orders are others."""
    return authorization(lab, "bob", "builder")


@pytest.fixture
def rotation(lab: Lab) -> Iterator[Rotation]:
    """The balancer's origins, both in rotation and every limit unused; so again after the test."""
    rotation = Rotation(lab)
    rotation.restore()
    yield rotation
    rotation.restore()


@pytest.fixture(scope="session")
def monitor(lab: Lab) -> Iterator[Monitor]:
    """Prometheus, started for this run of tests unless it runs anyway."""
    container = lab.container("monitor")
    was_running = container.status == "running"
    if not was_running:
        container.start()
    lab.wait_until_healthy("monitor")
    yield Monitor(lab)
    if not was_running:
        container.stop(timeout=2)
