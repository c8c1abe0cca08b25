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

needs_tshark = pytest.mark.skipif(
    not _MUST_RUN and shutil.which("tshark") is None, reason="no tshark on this machine; make test has one"
)
_HAS_ATHERIS = platform.machine() == "x86_64"  # for other machines there is none
needs_atheris = pytest.mark.skipif(
    not (_MUST_RUN and _HAS_ATHERIS) and importlib.util.find_spec("atheris") is None,
    reason="no atheris here",
)
