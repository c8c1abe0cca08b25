"""How parsers are run under atheris, libFuzzer's coverage-guided fuzzer for Python: each in a process of its own.

A program of targets ends with `run`, and its test starts it by `fuzzed`. A parser may refuse any input by its own
error; whatever else it raises is a finding, and libFuzzer writes the input down.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("FUZZ_SECONDS", "1"))
LONGEST = 1 << 16  # bytes of an input to begin with: what is longer costs runs and reaches no new code

Parser = Callable[[bytes], None]


def run(parsers: Mapping[str, Parser], refusals: tuple[type[Exception], ...]) -> None:
    """The program: `PARSER CORPUS [libFuzzer's options]`. Does not return."""
    import atheris  # not for every machine

    name, corpus, *options = sys.argv[1:]
    parser = parsers[name]

    def one(data: bytes) -> None:
        try:
            parser(data)
        except refusals:
            return

    Path(corpus).mkdir(exist_ok=True)
    atheris.Setup([sys.argv[0], corpus, *options], one)
    atheris.Fuzz()


def fuzzed(
    program: Path, parser: str, seeds: Iterable[bytes], folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """A program's parser in `folder`, from whole inputs of each kind: from nothing, no fuzzer finds a format in
    seconds."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        if len(data) <= LONGEST:
            (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, str(program), parser, str(corpus), "-seed=1", f"-artifact_prefix={folder}/", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def only_refuses(program: Path, parser: str, seeds: Sequence[bytes], folder: Path) -> None:
    """Fuzz for `SECONDS`. Raises AssertionError for a finding, and where there was nothing to find it in."""
    done = fuzzed(program, parser, seeds, folder, f"-max_total_time={SECONDS}", f"-max_len={LONGEST}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]  # the exception, and the input
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert covered and int(covered[-1]) > 20, "the fuzzer saw no code of the parser"


@contextmanager
def side_by_side(
    request: pytest.FixtureRequest, fuzz: Callable[[str, Path], None], folders: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[None]]]:
    """`fuzz` every parser that a test of the asking module is for, on all cores: most of a second's fuzzing is spent
    starting. By parser, what came of it."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = [item.callspec.params for item in items if item.module is request.module and hasattr(item, "callspec")]
    parsers = dict.fromkeys(str(params["parser"]) for params in wanted if "parser" in params)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {parser: pool.submit(fuzz, parser, folders.mktemp(parser)) for parser in parsers}
