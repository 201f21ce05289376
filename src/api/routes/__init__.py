"""The routes, one module for each kind of resource. A new one is a module with `routes` and a line below.

They are tried in this order: what is asked for most comes first.
"""

from fastapi import APIRouter

from api.routes import approvals, executions, health, ledger, people, roles, tenants, workflows

ROUTES: tuple[APIRouter, ...] = (
    executions.routes,
    approvals.routes,
    workflows.routes,
    ledger.routes,
    people.routes,
    roles.routes,
    tenants.routes,
    health.routes,
)
