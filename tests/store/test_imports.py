"""What a process imports is what it works with: the adapter of the `eventsourcing` library is a room of its own."""

import subprocess
import sys

import pytest

LOADED = "import sys, {}; print([name for name in sys.modules if name.partition('.')[0] == 'eventsourcing'])"


@pytest.mark.parametrize("module", ["store.handler", "projections.projector", "api.app", "worker.worker", "cli.main"])
def test_nothing_but_the_adapter_loads_the_library(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED.format(module)], capture_output=True, text=True, check=True, timeout=120
    )
    assert loaded.stdout.strip() == "[]"


def test_the_adapter_does() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED.format("store.recorder.factory")], capture_output=True, text=True, check=True, timeout=120
    )
    assert "'eventsourcing'" in loaded.stdout
