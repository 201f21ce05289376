"""DBOS Transact, in an environment of its own: made once, in the user's cache directory."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.stage import Stage

PACKAGE = "dbos"
WORKER = Path(__file__).with_name("dbos_steps.py")
CALLERS = Path(__file__).with_name("dbos_callers.py")
DATABASE = "bench_dbos"
INSTALL_SECONDS = 180
SCHEME = "postgresql://"


class NotThere(Exception):
    """Why the peer cannot be measured here."""


def python(*, install: bool) -> Path:
    """A Python that has the package, fetched if it is not there and may be. Raises NotThere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "gesta-bench" / f"dbos-{sys.version_info.major}.{sys.version_info.minor}"
    program = home / "bin" / "python"
    if not _has_it(program):
        if not install:
            raise NotThere(f"{PACKAGE} is not installed")
        try:
            venv.create(home, with_pip=True, clear=True)
            command = [str(program), "-m", "pip", "install", "--quiet", PACKAGE]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise NotThere(f"{PACKAGE} could not be installed: {said[-1] if said else error}") from error
    return program


def _has_it(program: Path) -> bool:
    asked = [str(program), "-c", "import importlib.metadata as m; m.version('dbos')"]
    return program.exists() and subprocess.run(asked, check=False, capture_output=True).returncode == 0


class Program:
    """One of them, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout
        self._answer()  # ready

    def workflows(self, threads: int, count: int) -> tuple[float, float]:
        """(workflows a second, median seconds of one)."""
        self._input.write(f"{threads} {count}\n")
        self._input.flush()
        done, seconds, median = map(float, self._answer().split())
        return done / seconds, median

    def _answer(self) -> str:
        line = self._output.readline()
        if not line:
            raise RuntimeError("DBOS ended: see above")
        return line


@dataclass(frozen=True)
class Peer:
    """`direct`: workflows called in the process that runs them. `queued`: enqueued by another process, which waits for them."""

    direct: Program
    queued: Program


@contextmanager
def peer(on: Stage, *, install: bool) -> Iterator[Peer]:
    """On the same server, in a database of its own. Raises NotThere."""
    program, url = python(install=install), on.superuser(DATABASE)
    with _running(program, WORKER, url) as direct, _running(program, CALLERS, url) as queued:
        yield Peer(direct, queued)


@contextmanager
def _running(python: Path, program: Path, url: str) -> Iterator[Program]:
    with subprocess.Popen([python, "-P", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Program(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
