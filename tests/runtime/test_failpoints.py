"""Failpoints end a process as kill -9 does, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import failpoints
from runtime.failpoints import DIRECTORY, VARIABLE, failpoint

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
    monkeypatch.setattr(failpoints, "armed", None)
    failpoint("a")


def test_a_file_ends_the_first_process_that_comes_there_and_no_other(tmp_path: Path) -> None:
    def passes() -> int:
        process = subprocess.run([sys.executable, "-c", PASSES], env={**os.environ, DIRECTORY: str(tmp_path)}, check=False)
        return process.returncode

    (tmp_path / "b").touch()
    assert (passes(), passes()) == (-signal.SIGKILL, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_name_another_process_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = subprocess.Popen(["sleep", "60"])
    (tmp_path / "pid").write_text(f"{other.pid}\nand more\n")
    (tmp_path / "a").write_text(str(tmp_path / "pid"))
    monkeypatch.setattr(failpoints, "directory", str(tmp_path))
    failpoint("a")
    assert other.wait(60) == -signal.SIGKILL
    failpoint("a")


def test_a_victim_that_does_not_run_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text(str(tmp_path / "pid"))
    monkeypatch.setattr(failpoints, "directory", str(tmp_path))
    failpoint("a")
    assert (tmp_path / "a").read_text() == str(tmp_path / "pid")
