"""How parsers are run under atheris, libFuzzer's coverage-guided fuzzer for Python: each in a process of its own.

A program of targets ends with `run`, and its test starts it by `fuzzed`. A parser may refuse any input by its own
errors, if it has some; whatever else it raises is a finding, and libFuzzer writes the input down.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("FUZZ_SECONDS", "1"))
LONGEST = 1 << 16  # bytes of an input to begin with: what is longer costs runs and reaches no new code

Parser = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A parser and the errors by which it may refuse."""

    parser: Parser
    refusals: tuple[type[Exception], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """How fuzzing one parser ended: its exit code, 0 if nothing was found, and what libFuzzer said."""

    status: int
    said: str


# ---------------------------------------------------------------- in the program


def refusing(refusals: tuple[type[Exception], ...], *parsers: Parser) -> dict[str, Target]:
    """Targets by name, for parsers that have the same errors."""
    return {parser.__name__: Target(parser, refusals) for parser in parsers}


def run(targets: Mapping[str, Target]) -> None:
    """The program: `PARSER[,PARSER...] FOLDER [libFuzzer's options]`. Does not return.

    FOLDER/PARSER is a parser's corpus. Of several, two run at a time for each core, because the first and the last
    second of each are not all work. All are forked from this process, for starting it takes longer than a second's
    fuzzing; what each says goes to FOLDER/PARSER.said.
    """
    names, folder, *options = sys.argv[1:]
    waiting, running = names.split(","), dict[int, str]()
    if len(waiting) == 1:
        _fuzz(names, targets[names], Path(folder), options)
    while waiting or running:
        while waiting and len(running) < 2 * (os.cpu_count() or 1):
            name = waiting.pop(0)
            child = os.fork()
            if not child:
                said = os.open(f"{folder}/{name}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(said, 1)
                os.dup2(said, 2)
                _fuzz(name, targets[name], Path(folder), options)
            running[child] = name
        child, status = os.wait()
        Path(folder, f"{running.pop(child)}.status").write_text(str(os.waitstatus_to_exitcode(status)))
    sys.exit()


def _fuzz(name: str, target: Target, folder: Path, options: Iterable[str]) -> None:
    import atheris  # not for every machine

    def one(data: bytes) -> None:
        try:
            target.parser(data)
        except target.refusals:
            return

    corpus = folder / name
    corpus.mkdir(exist_ok=True)
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={folder}/{name}-", *options], one)
    atheris.Fuzz()


# ---------------------------------------------------------------- in its test


def fuzzed(program: Path, seeds: Mapping[str, Iterable[bytes]], folder: Path, *options: str) -> Mapping[str, Run]:
    """Fuzz the parsers of a program for which there are `seeds`, whole inputs of each kind: from nothing, no fuzzer
    finds a format in seconds."""
    for name, inputs in seeds.items():
        (folder / name).mkdir()
        for number, data in enumerate(inputs):
            if len(data) <= LONGEST:
                (folder / name / f"seed-{number}").write_bytes(data)
    command = [sys.executable, str(program), ",".join(seeds), str(folder), "-seed=1", f"-max_len={LONGEST}", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if len(seeds) == 1:
        return {name: Run(done.returncode, done.stdout + done.stderr) for name in seeds}
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        name: Run(int((folder / f"{name}.status").read_text()), (folder / f"{name}.said").read_text(errors="replace"))
        for name in seeds
    }


def fuzzed_for_seconds(
    request: pytest.FixtureRequest,
    tests: Path,
    program: Path,
    seeds: Callable[[str], Iterable[bytes]],
    folder: Path,
) -> Mapping[str, Run]:
    """Fuzz, `SECONDS` each, every parser that a selected one of these tests has as its `parser`."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == tests]
    wanted = [item.callspec.params for item in items if hasattr(item, "callspec")]
    parsers = dict.fromkeys(str(params["parser"]) for params in wanted if "parser" in params)
    return fuzzed(program, {parser: seeds(parser) for parser in parsers}, folder, f"-max_total_time={SECONDS}")


def check_only_refused(found: Run) -> None:
    """Raises AssertionError for a finding, and where there was nothing to find it in."""
    assert found.status == 0, found.said[-3000:]  # the exception, and the input
    covered = re.findall(r"cov: (\d+)", found.said)
    assert covered and int(covered[-1]) > 20, "the fuzzer saw no code of the parser"
