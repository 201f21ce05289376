"""How much of a provider of AI models is used, and how it does: counted by the database, exactly, for all processes together.

    runtime.ai_provider_states (tenant_id, provider_id, failures, open_until, resting_until, …)
    runtime.ai_provider_calls (tenant_id, provider_id, attempt_id, caller_id, began_at, ends_at, tokens)
    runtime.ai_provider_seconds (tenant_id, provider_id, second, caller_id, requests, tokens)
    runtime.ai_provider_waits (tenant_id, provider_id, caller_id, until)

A provider of a tenant's is under its tenant; the installation's own ones are under the platform's id, and tenants share them:
`caller_id` is who calls. Nothing of it is a fact: a call that nobody ends counts until it must be over. Connections are
gesta_system's, in autocommit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from psycopg.rows import class_row, tuple_row

from domain.ai_provider import RESERVED, AiLimits
from store.jobs import Connection

FAILURES = 5
WITHIN = timedelta(minutes=1)
OPEN_FOR = timedelta(seconds=30)
OPEN_AT_MOST = timedelta(minutes=5)
"""The circuit opens when so many calls have failed in a row within that; for twice as long each time that the one call which then
finds out fails."""
LONGEST_REST = timedelta(minutes=1)
"""For which a provider is left alone because it asked for that."""

BEGIN = "SELECT wait, why FROM runtime.begin_ai_call(%s::uuid, %s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s, %s)"
END = "SELECT runtime.end_ai_call(%s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s, %s, %s, %s, %s)"
STATE = """
SELECT CASE WHEN s.open_until IS NULL THEN 'closed'
            WHEN s.open_until > clock_timestamp() THEN 'open'
            ELSE 'half_open' END AS circuit,
       s.failures, s.open_until, CASE WHEN s.resting_until > clock_timestamp() THEN s.resting_until END AS resting_until,
       s.last_error, s.changed_at,
       (SELECT count(*) FROM runtime.ai_provider_calls c
         WHERE c.tenant_id = s.tenant_id AND c.provider_id = s.provider_id AND c.ends_at > clock_timestamp()) AS calls,
       (SELECT coalesce(sum(u.requests), 0) FROM runtime.ai_provider_seconds u
         WHERE u.tenant_id = s.tenant_id AND u.provider_id = s.provider_id
           AND u.second > floor(extract(epoch FROM clock_timestamp())) - 60)::bigint AS requests,
       (SELECT coalesce(sum(u.tokens), 0) FROM runtime.ai_provider_seconds u
         WHERE u.tenant_id = s.tenant_id AND u.provider_id = s.provider_id
           AND u.second > floor(extract(epoch FROM clock_timestamp())) - 60)::bigint AS tokens
  FROM runtime.ai_provider_states s
 WHERE s.tenant_id = %s AND s.provider_id = %s
"""
OPEN = "SELECT count(*) FROM runtime.ai_provider_states WHERE open_until IS NOT NULL"
DANGLING = """
SELECT (SELECT count(*) FROM projections.ai_providers p
         WHERE p.secret IS NOT NULL
           AND NOT EXISTS (SELECT FROM projections.secrets s WHERE s.tenant_id = p.tenant_id AND s.name = p.secret)),
       (SELECT count(*) FROM projections.ai_models m
         WHERE EXISTS (SELECT FROM unnest(m.models) AS one (name)
                        WHERE split_part(one.name, ':', 1) <> ALL (%s)
                          AND one.name NOT LIKE 'offline/%%'
                          AND NOT EXISTS (SELECT FROM projections.ai_providers p
                                           WHERE p.tenant_id = m.tenant_id AND p.key = split_part(one.name, ':', 1))))
"""

SWEEP = (
    "DELETE FROM runtime.ai_provider_calls WHERE ends_at < clock_timestamp() - interval '1 minute'",
    "DELETE FROM runtime.ai_provider_seconds WHERE second < floor(extract(epoch FROM clock_timestamp())) - 120",
    "DELETE FROM runtime.ai_provider_waits WHERE until < clock_timestamp() - interval '1 minute'",
)

Verdict: TypeAlias = Literal["answered", "failed", "neutral", "unmade"]


@dataclass(frozen=True)
class Place:
    """Of one call. `owner_id`: whose provider it is; `caller_id`: who calls."""

    owner_id: UUID
    provider_id: UUID
    caller_id: UUID
    attempt_id: UUID


@dataclass(frozen=True)
class Wait:
    """`why`: open, resting, concurrency, requests or tokens."""

    after: timedelta
    why: str


@dataclass(frozen=True)
class ProviderState:
    """`calls`: under way; `requests`, `tokens`: of the last minute."""

    circuit: str
    failures: int
    open_until: datetime | None
    resting_until: datetime | None
    last_error: str | None
    changed_at: datetime
    calls: int
    requests: int
    tokens: int


async def begin(conn: Connection, place: Place, limits: AiLimits, tokens: int, lasts: timedelta) -> Wait | None:
    """None: the call may begin, and counts. `tokens`: what it will use at most; `lasts`: how long it may take."""
    given = (
        *(place.owner_id, place.provider_id, place.caller_id, place.attempt_id),
        *(limits.concurrency, limits.requests_per_minute, limits.tokens_per_minute, tokens, lasts.total_seconds()),
    )
    async with conn.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(BEGIN, given, prepare=True)).fetchone()
    return None if row is None else Wait(timedelta(seconds=float(row[0])), str(row[1]))


async def end(
    conn: Connection,
    place: Place,
    verdict: Verdict,
    *,
    error: str | None = None,
    tokens: int | None = None,
    rest: timedelta | None = None,
) -> None:
    """`tokens`: what it used, where that is known; `rest`: for how long the provider asked to be left alone."""
    resting = 0.0 if rest is None else min(rest, LONGEST_REST).total_seconds()
    rule = (FAILURES, WITHIN.total_seconds(), OPEN_FOR.total_seconds(), OPEN_AT_MOST.total_seconds())
    await conn.execute(
        END, (place.owner_id, place.provider_id, place.attempt_id, verdict, error, tokens, resting, *rule), prepare=True
    )


async def state(conn: Connection, owner_id: UUID, provider_id: UUID) -> ProviderState | None:
    """None: nobody has called it yet."""
    async with conn.cursor(row_factory=class_row(ProviderState)) as cursor:
        return await (await cursor.execute(STATE, (owner_id, provider_id))).fetchone()


async def open_circuits(conn: Connection) -> int:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(OPEN)).fetchone()
    return 0 if row is None else int(row[0])


async def dangling(conn: Connection) -> tuple[int, int]:
    """Of all tenants: providers whose secret is gone, and names for models of which a provider is."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(DANGLING, ([*RESERVED],))).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


async def sweep(conn: Connection) -> None:
    """What counts no longer, of providers that nobody calls."""
    for statement in SWEEP:
        await conn.execute(statement)
