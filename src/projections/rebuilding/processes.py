"""Several processes that load and compare ledgers for a rebuild, each another ledger at a time.

A process reads what it is to do from standard input and answers on standard output, a JSON object a line: so it ends with the
one that began the rebuild, however that one ends, and no address or password is among its arguments. What one of them was in
the middle of is undone by PostgreSQL, and the next rebuild goes on from there.

    {"system": URL, "groups": […], "number": n, "sizes": […], "unskipped": {tenant: [position, …]}}    first of all
    {"load": [tenant, after, up_to]}      → {"told": events} …, {"done": null}
    {"compare": [tenant]}                 → {"done": {"wrong": […], "changes": {…}, "meant": {…}}}
                                          → {"failed": "…"} where it cannot be done

"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from projections.batching import Span
from projections.rebuilding.comparing import Findings
from projections.rebuilding.filling import Tell, tell_nobody
from runtime.errors import OperatorError

LONGEST_LINE = 1 << 26


async def shared_out(
    tasks: Iterable[dict[str, Any]],
    first: dict[str, Any],
    processes: int,
    *,
    tell: Tell = tell_nobody,
    ended: Callable[[], None] = lambda: None,
) -> list[Any]:
    """Have so many processes do all of it, in this order. What each came to. Raises OperatorError where one fails, and ends all.

    `tell`: of events that were folded, `ended`: of each task that was done.
    """
    left = deque(tasks)
    done: list[Any] = []

    async def one() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "projections.rebuilding.process", stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE
        )
        try:
            _send(process, first)
            while left:
                _send(process, left.popleft())
                done.append(await _answer(process, tell))
                ended()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(processes, len(left))):
                group.create_task(one())
    except* OperatorError as errors:
        raise errors.exceptions[0] from None
    return done


def loads(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """As tasks."""
    return [{"load": [str(span.tenant_id), span.after, span.up_to]} for span in spans]


def comparisons(tenant_ids: Iterable[UUID]) -> list[dict[str, Any]]:
    """As tasks."""
    return [{"compare": [str(tenant_id)]} for tenant_id in tenant_ids]


def together(answers: Iterable[dict[str, Any]]) -> Findings:
    """All findings as one."""
    found = Findings()
    for each in answers:
        found.add(Findings(each["wrong"], Counter(each["changes"]), Counter(each["meant"])))
    return found


def _send(process: Process, what: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what).encode() + b"\n")


async def _answer(process: Process, tell: Tell) -> Any:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        said = json.loads(line)
        if "told" in said:
            tell(said["told"])
        elif "failed" in said:
            raise OperatorError(said["failed"])
        else:
            return said["done"]
    code = await process.wait()
    raise OperatorError(f"A process of the rebuild ended with {code}. Begun again, the rebuild goes on from here.")
