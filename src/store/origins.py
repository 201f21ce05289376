"""What the ledger holds of an execution that another one is started from: what is over keeps nothing in its state."""

from uuid import UUID

from domain.execution import Execution, ExecutionStarted
from engine import forking
from engine.bulk_operations import Origin, failed_node
from runtime.pools import Connection
from store.reading import read_stream

EVENTS_AT_A_TIME = 1_000


async def seed_of(connection: Connection, tenant_id: UUID, execution_id: UUID, node_id: str) -> forking.Seed | None:
    """Where a fork from a node begins. None: it is no execution. Raises TooLong."""
    finder, version = forking.Finder(node_id), 0
    while records := await read_stream(connection, tenant_id, execution_id, version, EVENTS_AT_A_TIME):
        if version == 0 and not isinstance(records[0].event, ExecutionStarted):
            return None
        finder.read(record.event for record in records)
        version = records[-1].version
        if version > forking.MOST_EVENTS:
            raise forking.TooLong(f"An execution of more than {forking.MOST_EVENTS} events cannot be forked.", "/id")
    return finder.seed


async def start_of(connection: Connection, tenant_id: UUID, execution_id: UUID) -> Origin:
    """How it was started."""
    first = await read_stream(connection, tenant_id, execution_id, 0, 1)
    return Origin(first[0].event if first and isinstance(first[0].event, ExecutionStarted) else None)


async def fork_of(
    connection: Connection, tenant_id: UUID, execution_id: UUID, node_id: str | None, known: tuple[Execution, int]
) -> Origin:
    """Where a fork begins. `node_id`: None: where it failed, which its last event tells. `known`: its state and version.

    Raises what `seed_of` and `failed_node` do.
    """
    state, version = known
    if state.started is None or state.item is not None:
        return Origin()
    if node_id is None:
        (last,) = await read_stream(connection, tenant_id, execution_id, version - 1, 1)
        node_id = failed_node(last.event)
    seed = await seed_of(connection, tenant_id, execution_id, node_id)
    return Origin(None if seed is None else seed.started, seed, node_id)
