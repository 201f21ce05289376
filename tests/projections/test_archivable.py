"""Which executions are found to be archived."""

from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from domain.execution import ActivationCancelled, ActivationStarted, ExecutionCancelled, ExecutionCompleted, ItemCancelled, Wait
from domain.retention import RetentionSet
from domain.workflow import WorkflowDrafted, WorkflowPublished
from projections.archivable import find
from projections.projector import Projector
from tests.projections.story import ACME, GLOBEX, TRAVEL, Ledgers, an_id, item, started

LONG_AGO = datetime(2024, 2, 29, 12, tzinfo=UTC)


async def test_one_whose_items_have_events_to_come_is_not_archived_yet(
    projector: Projector, system: AsyncConnection[Any], ledgers: Ledgers
) -> None:
    """Its foreach was given up with it, and no worker has ended the items since: their rows must be there then."""
    stream, visit, one = an_id("given up"), an_id("given up each"), an_id("given up item")
    over = an_id("over")
    about = stream, stream, visit, an_id("given up foreach"), an_id("given up chunk")
    definition = {"key": "travel", "name": "Travel"}
    waits = (Wait("foreach", an_id("given up foreach")),)
    ledgers.now = LONG_AGO
    await ledgers.append(
        ACME,
        (TRAVEL, WorkflowDrafted("travel", "Travel", definition)),
        *((TRAVEL, WorkflowPublished(number, definition)) for number in (1, 2)),
        (an_id("kept"), RetentionSet(30)),
        started("over"),
        (over, ExecutionCompleted(None)),
        started("given up"),
        (stream, ActivationStarted(visit, "each", "foreach", 1, (1,), waits=waits)),
        (one, item(*about, 0, "a")),
        (stream, ActivationCancelled(visit, "each", "not needed")),
        (stream, ExecutionCancelled("not needed")),
    )
    await projector.catch_up()
    assert {each.id for each in await find(system, 10)} == {over}
    await ledgers.append(ACME, (one, ItemCancelled("It is given up.")))
    await projector.catch_up()
    assert {each.id for each in await find(system, 10)} == {over, stream}


async def test_tenants_take_turns_and_one_whose_tables_are_held_up_waits(
    projector: Projector, system: AsyncConnection[Any], ledgers: Ledgers
) -> None:
    """Its tables would show what is archived already, again and again, and nothing of others would be found behind it."""
    definition = {"key": "travel", "name": "Travel"}
    ledgers.now = LONG_AGO
    for tenant_id, names in ((ACME, ("first", "second", "third")), (GLOBEX, ("later",))):
        await ledgers.append(
            tenant_id,
            (TRAVEL, WorkflowDrafted("travel", "Travel", definition)),
            *((TRAVEL, WorkflowPublished(number, definition)) for number in (1, 2)),
            (an_id("kept"), RetentionSet(30)),
            *((started(name)) for name in names),
            *((an_id(name), ExecutionCompleted(None)) for name in names),
        )
    await projector.catch_up()
    assert {each.id for each in await find(system, 2)} == {an_id("first"), an_id("later")}
    await system.execute(
        "INSERT INTO runtime.projection_faults (tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at)"
        " VALUES (%s, 1, 'x', 1, now(), now(), now())",
        [ACME],
    )
    assert {each.id for each in await find(system, 10)} == {an_id("later")}
