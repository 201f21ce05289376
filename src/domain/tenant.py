"""A tenant: its existence, its name and its settings. Lives in the platform ledger; its stream id is the tenant id."""

from dataclasses import dataclass, replace
from typing import assert_never

from domain.facts import Aggregate, Event, Json


@dataclass(frozen=True)
class TenantCreated(Event):
    slug: str
    name: str
    settings: Json
    domain: str | None = None
    description: str | None = None
    billing_email: str | None = None


@dataclass(frozen=True)
class TenantChanged(Event):
    """`changes` holds new values by column name: name, domain, description, settings, billing_email, subscription_tier…"""

    changes: dict[str, Json]


@dataclass(frozen=True)
class TenantSuspended(Event):
    reason: str | None = None


@dataclass(frozen=True)
class TenantReactivated(Event):
    reason: str | None = None


TenantEvent = TenantCreated | TenantChanged | TenantSuspended | TenantReactivated


@dataclass(frozen=True)
class Tenant:
    exists: bool = False
    slug: str = ""
    active: bool = False
    name: str = ""
    settings: Json = None


def evolve(state: Tenant, event: TenantEvent) -> Tenant:
    match event:
        case TenantCreated():
            return Tenant(exists=True, slug=event.slug, active=True, name=event.name, settings=event.settings)
        case TenantChanged():
            return replace(
                state,
                name=event.changes.get("name", state.name),
                settings=event.changes.get("settings", state.settings),
            )
        case TenantSuspended():
            return replace(state, active=False)
        case TenantReactivated():
            return replace(state, active=True)
        case _:
            assert_never(event)


TENANT: Aggregate[Tenant] = Aggregate(
    "tenant", Tenant(), evolve, (TenantCreated, TenantChanged, TenantSuspended, TenantReactivated)
)
