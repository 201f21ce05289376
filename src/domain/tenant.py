"""A tenant: its existence, its name and its settings. Lives in the platform ledger; its stream id is the tenant id."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.facts import (
    Aggregate,
    Claim,
    Decided,
    Event,
    EventType,
    Fact,
    Invalid,
    Json,
    NotFound,
    PermissionDenied,
    RuleViolation,
    View,
)
from domain.hosts import require_outbound
from domain.names import require_domain, require_email, require_tenant_slug, require_text
from domain.wording import because, listed


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
    "tenant",
    Tenant(),
    evolve,
    (
        EventType(
            TenantCreated,
            "tenant.created.v1",
            lambda e, _: f"The tenant {e.slug} was created.",
            note="In the platform's ledger, as all of the tenant's own events.",
        ),
        EventType(
            TenantChanged,
            "tenant.changed.v1",
            lambda e, tenant: f"The tenant {tenant.name} was changed: {listed(e.changes)}.",
            changes=lambda e: e.changes,
            note="`changes`: new values by column.",
        ),
        EventType(
            TenantSuspended,
            "tenant.suspended.v1",
            lambda e, tenant: f"The tenant {tenant.name} was suspended{because(e.reason)}.",
            severity="warning",
            changes=lambda _: {"is_active": False},
            note="Its keys get 403 until it is reactivated.",
        ),
        EventType(
            TenantReactivated,
            "tenant.reactivated.v1",
            lambda e, tenant: f"The tenant {tenant.name} was reactivated{because(e.reason)}.",
            changes=lambda _: {"is_active": True},
        ),
    ),
    "tenant",
)


class TenantExists(RuleViolation):
    """A tenant with this id exists already."""

    code = "tenant_exists"


class TenantAlready(RuleViolation):
    """The tenant is in this state already."""

    code = "tenant_already"


MAX_WEIGHT = 1_000
"""A tenant's share of the jobs that are handed out while others wait as well; without a weight it has 1."""
CHANGEABLE = frozenset({"name", "domain", "description", "settings", "billing_email", "subscription_tier", "subscription_status"})


def create(
    view: View,
    tenant_id: UUID,
    slug: str,
    name: str,
    settings: Json = None,
    domain: str | None = None,
    description: str | None = None,
    billing_email: str | None = None,
) -> Decided:
    """Create a tenant in the platform ledger; the slug is claimed there."""
    require_tenant_slug(slug, "/slug")
    require_text(name, "/name")
    _require_weight(settings)
    if billing_email is not None:
        require_email(billing_email, "/billing_email")
    if domain is not None:
        require_domain(domain, "/domain")
    require_outbound(settings)
    if view.read(TENANT, tenant_id).exists:
        raise TenantExists
    event = TenantCreated(slug, name, settings if settings is not None else {}, domain, description, billing_email)
    return Decided(
        (Fact(tenant_id, event),),
        claims=(Claim("tenant.slug", slug, tenant_id, "/slug"),),
        result={"id": str(tenant_id), "slug": slug, "name": name, "version": 1},
    )


def change(view: View, tenant_id: UUID, changes: dict[str, Json], *, by_platform: bool = True) -> Decided:
    """`by_platform`: its weight among the others is for the platform to say, and stays where the tenant changes its settings."""
    state = _existing(view, tenant_id)
    if "settings" in changes:
        changes = {**changes, "settings": _with_weight(state, changes["settings"], by_platform)}
    if "name" in changes:
        require_text(changes["name"], "/name")
    if changes.get("billing_email") is not None:
        require_email(changes["billing_email"], "/billing_email")
    if changes.get("domain") is not None:
        require_domain(changes["domain"], "/domain")
    require_outbound(changes.get("settings"))
    changes = {name: value for name, value in changes.items() if name in CHANGEABLE}
    return _answer(view, tenant_id, state, TenantChanged(changes) if changes else None)


def _with_weight(state: Tenant, settings: Json, by_platform: bool) -> Json:
    before = state.settings.get("weight") if isinstance(state.settings, dict) else None
    if by_platform:
        _require_weight(settings)
    elif "weight" in settings and settings["weight"] != before:
        raise PermissionDenied("Weights are for the platform to set.", "/settings/weight")
    elif before is not None:
        return {**settings, "weight": before}
    return settings


def _require_weight(settings: Json) -> None:
    weight = settings.get("weight", 1) if isinstance(settings, dict) else 1
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MAX_WEIGHT:
        raise Invalid(f"A weight is a whole number from 1 to {MAX_WEIGHT}.", "/settings/weight")


def suspend(view: View, tenant_id: UUID, reason: str | None = None) -> Decided:
    state = _existing(view, tenant_id)
    if not state.active:
        raise TenantAlready("The tenant is suspended already.")
    return _answer(view, tenant_id, state, TenantSuspended(reason))


def reactivate(view: View, tenant_id: UUID, reason: str | None = None) -> Decided:
    state = _existing(view, tenant_id)
    if state.active:
        raise TenantAlready("The tenant is active already.")
    return _answer(view, tenant_id, state, TenantReactivated(reason))


def _existing(view: View, tenant_id: UUID) -> Tenant:
    state = view.read(TENANT, tenant_id)
    if not state.exists:
        raise NotFound
    return state


def _answer(view: View, tenant_id: UUID, state: Tenant, event: TenantEvent | None) -> Decided:
    after = state if event is None else evolve(state, event)
    version = view.version(tenant_id) + (event is not None)
    result = {"id": str(tenant_id), "slug": after.slug, "name": after.name, "is_active": after.active, "version": version}
    return Decided(() if event is None else (Fact(tenant_id, event),), result=result)
