"""The routes, one module for each kind of resource. A new one is a module with `routes` and a line below."""

from fastapi import APIRouter

from api.routes import approvals, executions, health, ledger, people, roles, tenants, workflows

ROUTES: tuple[APIRouter, ...] = (
    health.routes,
    tenants.routes,
    people.routes,
    roles.routes,
    workflows.routes,
    executions.routes,
    approvals.routes,
    ledger.routes,
)
