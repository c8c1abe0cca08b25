"""A missing program skips a test on a person's machine, and fails it where all of them are installed."""

from __future__ import annotations

import shutil

import pytest

import programs_here
from programs_here import needs, require

MISSING = "a-program-that-nobody-has"


@pytest.fixture(params=[False, True], ids=["a person's machine", "the tests' container"])
def must_run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(programs_here, "_MUST_RUN", request.param)
    return bool(request.param)


def test_a_test_marked_with_a_missing_program_is_skipped_only_on_a_persons_machine(must_run: bool) -> None:
    assert needs("sh", MISSING).args == (not must_run,)
    assert needs("sh", MISSING).kwargs["reason"] == f"no {MISSING} on this machine; make test has it"
    assert needs("sh").args == (False,)


def test_requiring_a_missing_program_skips_or_fails(must_run: bool) -> None:
    require("sh")
    with pytest.raises(pytest.fail.Exception if must_run else pytest.skip.Exception, match=MISSING):
        require(MISSING)


def test_here_all_programs_are_installed_if_it_is_said_so() -> None:
    wanted = ["capinfos", "editcap", "gnutls-serv", "make", "openssl", "tshark"]
    missing = [program for program in wanted if shutil.which(program) is None]
    assert not (programs_here._MUST_RUN and missing)
