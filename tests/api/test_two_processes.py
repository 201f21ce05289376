"""Two processes at one database: what one of them knows is behind as soon as the other one has written."""

import pytest

from tests.api.behind import CASES, two_in
from tests.api.conftest import Gesta, serving
from tests.api.documented import document

READS = {"get"}
PARTS = 4
"""In how many tests they are tried, so that these run side by side: to start two processes takes longer than most of them."""
COMMANDS = {
    operation["operationId"]
    for path, operations in document().described["paths"].items()
    for method, operation in operations.items()
    if path.startswith("/v1/") and method not in READS
}


def test_every_command_has_a_case() -> None:
    assert set(CASES) == COMMANDS


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_command_is_decided_although_another_process_has_moved_things_on(
    gesta: Gesta, part: int, subtests: pytest.Subtests
) -> None:
    """Each has a tenant of its own, of which both processes know nothing before."""
    async with serving(gesta.database) as http:
        for command in sorted(CASES)[part::PARTS]:
            with subtests.test(msg=command):
                two = await two_in(command.replace("_", "-"), gesta, http)
                answer = await CASES[command](two)
                assert answer.status_code < 300, answer.text
