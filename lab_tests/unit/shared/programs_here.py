"""Which of the programs that some tests rest on are on this machine.

On a person's machine a test without its program is skipped. In the tests' container, which installs them all and says
so (`LAB_TESTS_MUST_RUN`), it fails: a skip there would pass as a test.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil

import pytest

_MUST_RUN = bool(os.environ.get("LAB_TESTS_MUST_RUN"))
_HAS_ATHERIS = platform.machine() == "x86_64"  # for other machines there is none


def needs(*programs: str) -> pytest.MarkDecorator:
    """Marks tests that run `programs`. In the tests' container they run all the same, and fail where they miss one."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing) and not _MUST_RUN, reason=_reason(missing))


def require(program: str) -> None:
    """For fixtures, and where only the test knows what it runs: skips it without `program`, or fails it."""
    if shutil.which(program) is None:
        (pytest.fail if _MUST_RUN else pytest.skip)(_reason([program]))


def _reason(missing: list[str]) -> str:
    return f"no {' and no '.join(missing)} on this machine; make test has it"


needs_tshark = needs("tshark")
needs_atheris = pytest.mark.skipif(
    not (_MUST_RUN and _HAS_ATHERIS) and importlib.util.find_spec("atheris") is None,
    reason="no atheris here",
)
