"""What tshark complains of, with a program of our own in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from observer.dissect import DissectionError
from observer.tshark import dissect_file


def test_more_complaints_than_a_pipe_holds_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "tshark"
    stand_in.write_text('#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\0" x >&2\necho " and that was all" >&2\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DissectionError, match="and that was all"):
        list(dissect_file(tmp_path / "any.pcapng", None))
