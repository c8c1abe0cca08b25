"""The machine that the tests of the make scripts run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machine import Machine, make_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if os.statvfs(tmp_path).f_flag & os.ST_NOEXEC:
        pytest.skip("a `docker` of our own cannot run here: the temporary folder is mounted noexec")
    return make_machine(tmp_path)
