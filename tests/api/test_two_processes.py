"""Two processes at one database: what one of them knows is behind as soon as the other one has written."""

from collections.abc import AsyncIterator

import pytest

from tests.api.behind import CASES, Two, two_processes
from tests.api.conftest import Gesta
from tests.api.documented import document

READS = {"get"}
COMMANDS = {
    operation["operationId"]
    for path, operations in document().described["paths"].items()
    for method, operation in operations.items()
    if path.startswith("/v1/") and method not in READS
}


@pytest.fixture
async def two(gesta: Gesta) -> AsyncIterator[Two]:
    async with two_processes(gesta) as made:
        yield made


def test_every_command_has_a_case() -> None:
    assert set(CASES) == COMMANDS


@pytest.mark.parametrize("command", sorted(CASES))
async def test_a_command_is_decided_although_another_process_has_moved_things_on(two: Two, command: str) -> None:
    answer = await CASES[command](two)
    assert answer.status_code < 300, answer.text
