"""Logs that are exported are read by a reader that is not ours: PM4Py, in an environment of its own."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from projections.exporting.files import new_file
from projections.process_log import ocel, xes
from tests.conftest import Database
from tests.projections.test_process_log import reading

PROGRAM = Path(__file__).with_name("mined_by_pm4py.py")
INSTALL_SECONDS, READ_SECONDS = 600, 300


def python_with_pm4py() -> Path:
    """Made once, in the user's cache directory. Skips where it cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "gesta-bench" / f"pm4py-{sys.version_info.major}.{sys.version_info.minor}"
    program = home / "bin" / "python"
    asked = [str(program), "-c", "import importlib.metadata as m; m.version('pm4py')"]
    if not program.exists() or subprocess.run(asked, check=False, capture_output=True).returncode:
        try:
            venv.create(home, with_pip=True, clear=True)
            command = [str(program), "-m", "pip", "install", "--quiet", "pm4py"]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"PM4Py could not be installed: {error}")
    return program


def read_by(program: Path, directory: Path) -> Any:
    command = [str(program), str(PROGRAM), str(directory)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READ_SECONDS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.nightly
@pytest.mark.timeout(INSTALL_SECONDS + READ_SECONDS)
@pytest.mark.usefixtures("told")
async def test_another_reader_finds_what_was_written(database: Database, tmp_path: Path) -> None:
    program = python_with_pm4py()
    async with reading(database) as read:
        with new_file(tmp_path / "log.xes") as file:
            traces, events = await xes.write(read, file, "acme")
    async with reading(database, alone=True) as read:
        written = await ocel.write(read, tmp_path / "log.sqlite")
        await ocel.write(read, tmp_path / "log.json")
    found = read_by(program, tmp_path)
    assert (found["traces"], found["events"]) == (traces, events)
    assert found["ocel"] == {"json": [*written], "sqlite": [*written]}
    assert found["broken"] == []
    assert found["resources"]
    assert found["follows"] > 0 < found["variants"]
