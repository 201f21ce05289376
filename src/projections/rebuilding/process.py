"""One of the processes of a rebuild: `python -m projections.rebuilding.process`. For what it is told, see `processes`."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from projections.batching import Span
from projections.generation import next_generation, tables_of
from projections.rebuilding.ledger_work import LedgerWork, Sizes
from runtime import process
from runtime.errors import OperatorError
from runtime.pools import connect


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def do(work: LedgerWork, what: dict[str, Any]) -> Any:
    if "load" in what:
        tenant, after, up_to = what["load"]
        return await work.load(Span(UUID(tenant), after, up_to))
    findings = await work.compare([UUID(what["compare"][0])])
    return {"wrong": findings.wrong, "changes": dict(findings.changes), "meant": dict(findings.meant)}


async def serve(lines: asyncio.StreamReader) -> None:
    first = json.loads(await lines.readline())
    async with AsyncExitStack() as stack:
        system, hold, seen = [
            await stack.enter_async_context(connect(first["system"], name="gesta rebuild (one of several)")) for _ in range(3)
        ]
        work = LedgerWork(
            system,
            hold,
            seen,
            next_generation(first["groups"]),
            tables_of(first["groups"]),
            first["number"],
            Sizes(*first["sizes"]),
            lambda events: say({"told": events}),
            {UUID(tenant): frozenset(positions) for tenant, positions in first["unskipped"].items()},
        )
        while line := await lines.readline():
            try:
                say({"done": await do(work, json.loads(line))})
            except OperatorError as error:
                say({"failed": str(error)})


async def until_told_to_end() -> None:
    """Or until standard input closes, also in the middle of something."""
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    class Input(asyncio.StreamReaderProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            closed.set()

        def eof_received(self) -> bool | None:
            closed.set()
            return super().eof_received()

    await loop.connect_read_pipe(lambda: Input(lines), sys.stdin)
    serving, ending = asyncio.create_task(serve(lines)), asyncio.create_task(closed.wait())
    await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if serving.done():
        return serving.result()
    serving.cancel()
    await asyncio.wait([serving])
    return None


if __name__ == "__main__":
    process.tune()
    asyncio.run(until_told_to_end())
