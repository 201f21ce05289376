"""The routes, one module for each kind of resource. A new one is a module with `routes` and a line below.

They are tried in this order: what is asked for most comes first.
"""

from fastapi import APIRouter

from api.routes import (
    ai_tasks,
    approvals,
    bulk_operations,
    calendars,
    delegations,
    deliveries,
    enqueued_jobs,
    events,
    executions,
    health,
    hooks,
    inbox,
    invitations,
    jobs,
    ledger,
    limits,
    notifications,
    own_approvals,
    people,
    roles,
    secrets,
    tenants,
    triggers,
    workflows,
)

ROUTES: tuple[APIRouter, ...] = (
    jobs.routes,
    enqueued_jobs.routes,
    executions.routes,
    bulk_operations.routes,
    approvals.routes,
    inbox.routes,
    own_approvals.routes,
    ai_tasks.routes,
    workflows.routes,
    triggers.routes,
    hooks.routes,
    ledger.routes,
    events.routes,
    limits.routes,
    notifications.routes,
    deliveries.routes,
    people.routes,
    invitations.routes,
    roles.routes,
    secrets.routes,
    calendars.routes,
    delegations.routes,
    tenants.routes,
    health.routes,
)
