"""What is said on which channel.

    gesta_events     tenant ids: their ledgers have grown
    gesta_projected  tenant ids: their tables have moved on
    gesta_jobs       tenant:type of jobs that can be leased now or later; without a type: of any type
    gesta_timers     in how many seconds from now new timers are due
    gesta_access     tenant ids: in their ledgers it has changed who may what
    gesta_followed   tenant ids: their ledgers are looked through for what is to be delivered from now on
    gesta_leases     in how many seconds from now leases end that nobody may know of yet

In a database each has a name that ends in a secret of that database's (`runtime.secret_channel`): any login may listen to a
channel whose name it knows, an analyst's too. Under the names above nothing is said; processes of the release before this one do
that still, and so they are listened to for one release.

A payload is names with commas between them. An empty one says: look everywhere.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

T = TypeVar("T")

EVERYTHING = ""
"""The name that stands for all there are."""
MOST_BYTES = 7_900
"""A payload has less than 8,000 bytes."""
LONGEST_LEASE = 7 * 86_400.0
"""Seconds. A lease that ends later is found by whoever looks from time to time."""

SECRET_NAMES = "SELECT name, runtime.secret_channel(name) FROM unnest(%s::text[]) AS asked (name)"

LONGEST_TIMER = 10_000 * 366 * 86_400.0
"""Seconds: ten thousand years, since a moment that is named may be as late as the year 9999."""


@dataclass(frozen=True)
class Channel(Generic[T]):
    """`parse`: what a name says. Raises ValueError for one that says nothing."""

    name: str
    parse: Callable[[str], T]


class JobsReady(NamedTuple):
    """Jobs of a tenant that can be leased; an empty `type`: of any type."""

    tenant_id: UUID
    type: str


def _jobs(name: str) -> JobsReady:
    tenant, _, type = name.partition(":")
    return JobsReady(UUID(tenant), type)


def _seconds(name: str) -> float:
    seconds = float(name)
    if not 0 <= seconds <= LONGEST_LEASE:  # nor is it a number that compares with nothing
        raise ValueError(f"no length of a lease: {name}")
    return seconds


def _until_timer(name: str) -> float:
    seconds = float(name)
    if not 0 <= seconds <= LONGEST_TIMER:
        raise ValueError(f"no time until a timer: {name}")
    return seconds


EVENTS = Channel("gesta_events", UUID)
PROJECTED = Channel("gesta_projected", UUID)
JOBS = Channel("gesta_jobs", _jobs)
TIMERS = Channel("gesta_timers", _until_timer)
ACCESS = Channel("gesta_access", UUID)
FOLLOWED = Channel("gesta_followed", UUID)
LEASES = Channel("gesta_leases", _seconds)


def job_name(tenant_id: UUID, type: str = "") -> str:
    """How jobs are named on their channel."""
    return f"{tenant_id}:{'' if ',' in type else type}"


def payload(names: Collection[str]) -> str:
    """The names, or nothing where they are too many or stand for everything."""
    joined = EVERYTHING if EVERYTHING in names else ",".join(names)
    return joined if len(joined.encode()) <= MOST_BYTES else EVERYTHING
