"""Failpoints end a process as kill -9 does, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from runtime.failpoints import VARIABLE, failpoint

PASSES = (
    "from runtime.failpoints import failpoint\nfor name in ('a', 'b', 'a', 'a'):\n    failpoint(name); print(name, flush=True)"
)


def passed(armed: str) -> tuple[int, list[str]]:
    process = subprocess.run(
        [sys.executable, "-c", PASSES],
        env={**os.environ, VARIABLE: armed},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return process.returncode, process.stdout.split()


@pytest.mark.parametrize(
    ("armed", "code", "before"),
    [("b", -signal.SIGKILL, ["a"]), ("a:3", -signal.SIGKILL, ["a", "b", "a"]), ("c", 0, ["a", "b", "a", "a"])],
)
def test_a_process_ends_where_it_was_told_to(armed: str, code: int, before: list[str]) -> None:
    assert passed(armed) == (code, before)


def test_nothing_happens_where_nothing_is_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    failpoint("a")
