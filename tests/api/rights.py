"""What must hold for who asks what: one row for every route, and every kind of caller.

A new route has a row here, or `test_every_route_has_a_row` fails.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal
from uuid import uuid4

from tests.api.definitions import INSTANT

Where = Literal["tenant", "platform", "both"]
"""tenant: only in a tenant. platform: only for platform keys. both: the platform has such things, too."""

NUMBERS = count(1)


@dataclass(frozen=True)
class Row:
    """A route. `about`: the kind of thing that its path names; `absent`: what is answered where there is none of ours.

    `done`: what it answers to who may. `person`: only people do it; `own_name`: nobody does it on behalf of another.
    `everywhere`: the platform finds that of every tenant, too, when it is outside of tenants, or always. `fresh`: it is gone when
    it is done.
    """

    permission: str | None
    where: Where = "tenant"
    about: str | None = None
    body: Callable[["Ids"], Any] | None = None
    done: tuple[int, ...] = (200,)
    absent: tuple[int, str] = (404, "not_found")
    person: bool = False
    nobody: str = "nobody_decides"
    """What a caller is told who is no person, where only people do it."""
    own_name: bool = False
    everywhere: Literal["", "outside", "always"] = ""
    fresh: bool = False
    platforms: bool = False
    """The platform alone does it, to whomever's: a tenant's callers are told so, once they have the permission."""
    addressed: bool = False
    """Somebody of a tenant does it only where it is addressed to them: for all others there is none, whatever they may."""


@dataclass
class Ids:
    """One tenant's things by kind, and `make`: how a new one of a kind is made."""

    of: dict[str, str]
    make: Mapping[str, Callable[[], Awaitable[str]]] = field(default_factory=dict)

    def absent(self) -> "Ids":
        return Ids({**self.of, **{kind: str(uuid4()) for kind in KINDS}})


KINDS = (
    "execution",
    "approval",
    "ai_task",
    "workflow",
    "role",
    "member",
    "user",
    "api_key",
    "service_key",
    "tenant",
    "job",
    "dead_job",
    "own_job",
    "invitation",
    "secret",
    "trigger",
    "limit",
    "webhook",
    "bulk_operation",
    "endpoint",
    "delivery",
    "calendar",
    "retention",
    "prompt",
    "evaluation",
    "ai_provider",
    "ai_model",
    "delegation",
    "approval_link",
    "budget",
)


def said(body: Any) -> Callable[[Ids], Any]:
    return lambda _ids: body


def _definition(_ids: Ids) -> Any:
    return {"definition": {**INSTANT, "key": f"made-{next(NUMBERS)}"}}


def _redraft(ids: Ids) -> Any:
    return {"definition": {**INSTANT, "key": ids.of["workflow_key"]}}


def _tenant(_ids: Ids) -> Any:
    return {"slug": f"made-{next(NUMBERS)}", "name": "Made"}


def _user(_ids: Ids) -> Any:
    return {"email": f"made-{next(NUMBERS)}@else.example", "display_name": "Made"}


def _invitation(_ids: Ids) -> Any:
    return {"email": f"invited-{next(NUMBERS)}@else.example"}


def _calendar(_ids: Ids) -> Any:
    hours = {"mon": [{"from": "09:00", "to": "17:00"}]}
    return {"key": f"made-{next(NUMBERS)}", "name": "Made", "time_zone": "UTC", "hours": hours}


SUITE: Any = {
    "name": "sorting",
    "cases": [{"name": "taxi", "input": {"claim": "Taxi"}}],
    "variants": [{"name": "now", "model": "offline/echo", "prompt": "Sort this claim."}],
}
RUN = {"variant": "now", "case": "taxi"}


def _prompt(_ids: Ids) -> Any:
    return {"key": f"made-{next(NUMBERS)}", "template": {"user": "Hello."}}


def _answer(_ids: Ids) -> Any:
    return {"question_id": str(uuid4()), "text": "So."}


BUDGET: Any = {"scope": "tenant", "period": "month", "limits": {"calls": 100}}


def _limit(_ids: Ids) -> Any:
    return {"scope": "key", "name": f"made-{next(NUMBERS)}", "concurrency": 100}


def _role(_ids: Ids) -> Any:
    return {"key": f"made-{next(NUMBERS)}", "name": "Made", "permissions": []}


def _secret(_ids: Ids) -> Any:
    return {"name": f"made-{next(NUMBERS)}", "value": "sesame, open"}


def _bulk(ids: Ids) -> Any:
    return {"action": "pause", "execution_ids": [ids.of["execution"]]}


def _many_approvals(ids: Ids) -> Any:
    return {"action": "decide", "items": [{"id": ids.of["approval"], "outcome": "approved"}]}


START = said({"workflow_key": "instant"})
REPORT = said({"fence": 1})
KEY = said({"name": "k", "permissions": []})
LOST = (409, "lease_lost")
BACKFILL = said({"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T03:00:00Z"})

ROWS: dict[tuple[str, str], Row] = {
    ("POST", "/jobs/lease"): Row("jobs:work", body=said({"types": ["none"], "worker_id": "w"})),
    ("POST", "/jobs/{id}/heartbeat"): Row("jobs:work", about="job", body=REPORT, done=(200, 409), absent=LOST),
    ("POST", "/jobs/{id}/release"): Row("jobs:work", about="job", body=REPORT, done=(200, 409), absent=LOST),
    ("POST", "/jobs/{id}/complete"): Row("jobs:work", about="job", body=REPORT, done=(200, 409), absent=LOST),
    ("POST", "/jobs/{id}/fail"): Row(
        "jobs:work", about="job", body=said({"fence": 1, "error": {"type": "E"}}), done=(200, 409), absent=LOST
    ),
    ("POST", "/jobs/report"): Row("jobs:work", body=lambda ids: {"reports": [{"id": ids.of["job"], "fence": 1}]}),
    ("POST", "/jobs"): Row("jobs:enqueue", body=said({"type": "none"}), done=(201,)),
    ("POST", "/jobs/bulk"): Row("jobs:enqueue", body=said({"items": [{"type": "none"}]})),
    ("GET", "/jobs"): Row("jobs:read"),
    ("GET", "/jobs/dead"): Row("executions:read"),
    ("GET", "/jobs/{id}"): Row("executions:read", about="dead_job"),
    ("POST", "/jobs/{id}/cancel"): Row("jobs:control", about="own_job", done=(200, 409)),
    ("POST", "/jobs/{id}/retry"): Row("executions:control", about="dead_job", fresh=True),
    ("POST", "/executions"): Row("executions:start", body=START, done=(201,)),
    ("POST", "/executions/bulk"): Row("executions:start", body=said({"workflow_key": "instant", "items": [{}]})),
    ("GET", "/executions"): Row("executions:read"),
    ("GET", "/executions/{id}"): Row("executions:read", about="execution"),
    ("PATCH", "/executions/{id}"): Row(
        "executions:control", about="execution", body=said({"labels": {"team": "north"}}), done=(200, 409)
    ),
    ("GET", "/executions/{id}/history"): Row("executions:read", about="execution"),
    ("POST", "/events"): Row("executions:control", body=said({"specversion": "1.0", "id": "1", "source": "s", "type": "t"})),
    ("GET", "/triggers"): Row("workflows:read"),
    ("GET", "/triggers/{id}"): Row("workflows:read", about="trigger"),
    ("GET", "/triggers/{id}/runs"): Row("workflows:read", about="trigger"),
    ("POST", "/triggers/{id}/pause"): Row("workflows:publish", about="trigger", done=(200, 409)),
    ("POST", "/triggers/{id}/resume"): Row("workflows:publish", about="trigger", done=(200, 409)),
    ("POST", "/triggers/{id}/run"): Row("workflows:publish", about="trigger", done=(201,)),
    ("POST", "/triggers/{id}/rotate"): Row("workflows:publish", about="webhook"),
    ("POST", "/triggers/{id}/backfill"): Row("workflows:publish", about="trigger", body=BACKFILL),
    ("GET", "/executions/{id}/timeline"): Row("executions:read", about="execution"),
    ("GET", "/tables/{table}/{id}"): Row("executions:read", about="execution"),
    ("GET", "/tables/{table}/{id}/history"): Row("executions:read", about="execution"),
    ("GET", "/executions/{id}/waits"): Row("executions:read", about="execution"),
    ("POST", "/executions/{id}/cancel"): Row("executions:control", about="execution", done=(200, 409)),
    ("POST", "/executions/{id}/terminate"): Row("executions:control", about="execution", done=(200, 409)),
    ("POST", "/executions/{id}/pause"): Row("executions:control", about="execution", done=(200, 409)),
    ("POST", "/executions/{id}/resume"): Row("executions:control", about="execution", done=(200, 409)),
    ("POST", "/executions/{id}/fork"): Row(
        "executions:control", about="execution", body=said({"node_id": "nowhere"}), done=(422,)
    ),
    ("POST", "/executions/{id}/migrate"): Row("executions:control", about="execution", body=said({"to_version": 1}), done=(409,)),
    ("POST", "/executions/{id}/signal"): Row("executions:control", about="execution", body=said({"name": "s"}), done=(200, 409)),
    ("POST", "/bulk-operations"): Row("executions:control", body=_bulk, done=(202,)),
    ("GET", "/bulk-operations"): Row("executions:read"),
    ("GET", "/bulk-operations/{id}"): Row("executions:read", about="bulk_operation"),
    ("POST", "/bulk-operations/{id}/cancel"): Row("executions:control", about="bulk_operation", done=(200, 409)),
    ("POST", "/approvals"): Row("approvals:request", body=said({"title": "A new press?"}), done=(201,)),
    ("POST", "/approvals/{id}/decide"): Row(
        "approvals:decide", about="approval", body=said({"outcome": "approved"}), done=(200, 409), person=True
    ),
    ("POST", "/approvals/{id}/return"): Row(
        "approvals:decide", about="approval", body=said({"step": "first", "comment": "Again."}), done=(409, 422), person=True
    ),
    ("POST", "/approvals/{id}/add-approver"): Row(
        "approvals:decide", about="approval", body=lambda ids: {"user_id": ids.of["member"]}, done=(409, 422), person=True
    ),
    ("POST", "/approvals/{id}/claim"): Row("approvals:decide", about="approval", body=said({}), done=(200, 409), person=True),
    ("POST", "/approvals/{id}/release"): Row("approvals:decide", about="approval", body=said({}), done=(409,), person=True),
    ("POST", "/approvals/{id}/revoke"): Row("approvals:decide", about="approval", body=said({}), done=(409,), person=True),
    ("POST", "/approvals/{id}/links"): Row(
        "approvals:decide", about="approval", body=said({"outcome": "approved"}), done=(201, 409), person=True
    ),
    ("GET", "/approvals/{id}/links"): Row("approvals:read", about="approval"),
    ("GET", "/approval-links/{id}"): Row("approvals:read", about="approval_link"),
    ("DELETE", "/approval-links/{id}"): Row("approvals:manage", about="approval_link", fresh=True),
    ("POST", "/totp"): Row("approvals:decide", done=(201,), person=True, own_name=True),
    ("POST", "/totp/confirm"): Row("approvals:decide", body=said({"code": "000000"}), done=(403,), person=True, own_name=True),
    ("DELETE", "/totp"): Row("approvals:decide", body=said({"code": "000000"}), done=(404,), person=True, own_name=True),
    ("DELETE", "/members/{user_id}/totp"): Row("totp:reset", about="member", done=(404,)),
    ("POST", "/approvals/{id}/reassign"): Row(
        "approvals:manage",
        about="approval",
        body=lambda ids: {"from_user_id": ids.of["member"], "to_user_id": ids.of["member"]},
        done=(409,),
    ),
    ("POST", "/approvals/{id}/override"): Row(
        "approvals:override",
        about="approval",
        body=said({"outcome": "approved", "reason": "It is urgent."}),
        done=(200, 409),
        person=True,
    ),
    ("POST", "/approvals/preview"): Row(
        "approvals:read", body=said({"workflow_key": "purchase", "node_id": "review", "input": {"amount": 1}})
    ),
    ("POST", "/approvals/preview-past"): Row("approvals:read", body=said({"definition": {"title": "x"}, "filter": {}})),
    ("GET", "/approvals/{id}/eligible"): Row("approvals:read", about="approval"),
    ("POST", "/approvals/{id}/withdraw"): Row("executions:start", about="approval", done=(409,)),
    ("POST", "/approvals/bulk"): Row("approvals:decide", body=_many_approvals, person=True),
    ("POST", "/approvals/{id}/recall"): Row("executions:start", about="approval", done=(409,)),
    ("POST", "/approvals/{id}/resubmit"): Row("executions:start", about="approval", body=said({}), done=(409,)),
    ("GET", "/approvals/{id}/versions"): Row("approvals:read", about="approval"),
    ("GET", "/approvals/{id}/versions/{number}"): Row("approvals:read", about="approval"),
    ("POST", "/approvals/{id}/ask"): Row(
        "approvals:read", about="approval", body=said({"text": "Why?"}), done=(200, 403, 409), person=True
    ),
    ("POST", "/approvals/{id}/answer"): Row("approvals:read", about="approval", body=_answer, done=(404,), person=True),
    ("POST", "/approvals/{id}/comments"): Row(
        "approvals:read", about="approval", body=said({"text": "So."}), done=(200, 403), person=True
    ),
    ("GET", "/approvals/{id}/comments"): Row("approvals:read", about="approval"),
    ("PATCH", "/approvals/{id}/comments/{comment_id}"): Row(
        "approvals:read", about="approval", body=said({"text": "So."}), done=(404,), person=True
    ),
    ("DELETE", "/approvals/{id}/comments/{comment_id}"): Row("approvals:read", about="approval", done=(404,), person=True),
    ("PUT", "/approvals/{id}/draft"): Row(
        "approvals:decide", about="approval", body=said({"draft": {"comment": "Hm."}}), done=(200, 409), person=True
    ),
    ("GET", "/approvals/{id}/draft"): Row("approvals:decide", about="approval", done=(200, 404), person=True),
    ("DELETE", "/approvals/{id}/draft"): Row("approvals:decide", about="approval", person=True),
    ("POST", "/approvals/{id}/watch"): Row("approvals:read", about="approval", person=True),
    ("POST", "/approvals/{id}/unwatch"): Row("approvals:read", about="approval", person=True),
    ("GET", "/approvals"): Row("approvals:read"),
    ("GET", "/inbox"): Row("approvals:decide", person=True),
    ("GET", "/inbox/counts"): Row("approvals:decide", person=True),
    ("GET", "/inbox/filters"): Row("approvals:decide", person=True),
    ("PUT", "/inbox/filters"): Row("approvals:decide", body=said({"items": []}), person=True),
    ("GET", "/approvals/{id}"): Row("approvals:read", about="approval"),
    ("GET", "/ai-tasks"): Row("ai_tasks:read"),
    ("GET", "/ai-tasks/{id}"): Row("ai_tasks:read", about="ai_task"),
    ("GET", "/ai-tasks/{id}/stream"): Row("ai_tasks:read", about="ai_task"),
    ("POST", "/ai-tasks"): Row("ai_tasks:run", body=said({"model": "offline/echo", "prompt": "Say it."}), done=(201,)),
    ("POST", "/ai-tasks/{id}/turns"): Row(
        "ai_tasks:run", about="ai_task", body=said({"finish": {"error": {"type": "gone"}}}), done=(200, 409)
    ),
    ("POST", "/ai-tasks/{id}/cancel"): Row("ai_tasks:control", about="ai_task", done=(200, 409)),
    ("POST", "/ai-tasks/{id}/retry"): Row("ai_tasks:control", about="ai_task", done=(200, 409)),
    ("POST", "/workflows/validate"): Row("workflows:read", body=_definition),
    ("POST", "/query"): Row("query:run", body=said({"sql": "SELECT 1"})),
    ("POST", "/workflows"): Row("workflows:write", body=_definition, done=(201,)),
    ("PUT", "/workflows/{id}/draft"): Row("workflows:write", about="workflow", body=_redraft, done=(200, 409)),
    ("POST", "/workflows/{id}/publish"): Row("workflows:publish", about="workflow", done=(200, 409)),
    ("POST", "/workflows/{id}/archive"): Row("workflows:publish", about="workflow", done=(200, 409)),
    ("POST", "/workflows/{id}/restore"): Row("workflows:publish", about="workflow", done=(200, 409)),
    ("GET", "/workflows"): Row("workflows:read"),
    ("GET", "/workflows/{id}"): Row("workflows:read", about="workflow"),
    ("GET", "/workflows/{id}/versions"): Row("workflows:read", about="workflow"),
    ("GET", "/workflows/{id}/versions/{number}"): Row("workflows:read", about="workflow"),
    ("GET", "/audit-logs"): Row("audit:read", "both"),
    ("GET", "/projections/faults"): Row("audit:read", "both"),
    ("GET", "/events"): Row("events:read", "both"),
    ("POST", "/users"): Row("users:manage", "both", body=_user, done=(201,), platforms=True),
    ("GET", "/users"): Row("users:read", "both"),
    ("GET", "/users/{id}"): Row("users:read", "both", about="user", everywhere="outside"),
    ("PATCH", "/users/{id}"): Row(
        "users:manage", "both", about="user", body=said({"display_name": "New"}), everywhere="always", platforms=True
    ),
    ("POST", "/members"): Row(
        "members:manage", body=lambda ids: {"user_id": ids.of["user"], "role_ids": []}, done=(201, 409), platforms=True
    ),
    ("POST", "/retention"): Row("tenants:manage", body=said({"days": 365})),
    ("GET", "/retention"): Row("tenants:read"),
    ("DELETE", "/retention/{id}"): Row("tenants:manage", about="retention", fresh=True),
    ("GET", "/archived-executions"): Row("executions:read"),
    ("GET", "/archived-executions/{id}"): Row("executions:read", about="execution", done=(404,)),
    ("GET", "/archived-executions/{id}/rows"): Row("audit:read", about="execution", done=(404,)),
    ("GET", "/archived-executions/{id}/rows/{key}/{number}"): Row("audit:read", about="execution", done=(404,)),
    ("POST", "/limits"): Row("executions:control", body=_limit),
    ("GET", "/limits"): Row("executions:read"),
    ("PUT", "/budgets/{key}"): Row("budgets:manage", body=said(BUDGET)),
    ("GET", "/budgets"): Row("budgets:read"),
    ("GET", "/budgets/{key}"): Row("budgets:read", about="budget"),
    ("GET", "/budgets/{key}/periods"): Row("budgets:read", about="budget"),
    ("DELETE", "/budgets/{key}"): Row("budgets:manage", about="budget", fresh=True),
    ("DELETE", "/limits/{id}"): Row("executions:control", about="limit", fresh=True),
    ("POST", "/delegations"): Row(
        "approvals:manage", body=lambda ids: {"from_user_id": ids.of["member"], "to_user_id": ids.of["owner"]}, done=(201, 409)
    ),
    ("GET", "/delegations"): Row("approvals:read"),
    ("GET", "/delegations/{id}"): Row("approvals:read", about="delegation"),
    ("DELETE", "/delegations/{id}"): Row("approvals:manage", about="delegation", fresh=True),
    ("POST", "/evaluations"): Row("ai_tasks:run", body=said(SUITE), done=(201,)),
    ("GET", "/evaluations"): Row("ai_tasks:read"),
    ("GET", "/evaluations/{id}"): Row("ai_tasks:read", about="evaluation"),
    ("GET", "/evaluations/{id}/results"): Row("ai_tasks:read", about="evaluation"),
    ("POST", "/evaluations/{id}/runs"): Row("ai_tasks:run", about="evaluation", body=said(RUN), done=(200, 409)),
    ("POST", "/evaluations/{id}/cancel"): Row("ai_tasks:run", about="evaluation", done=(200, 409)),
    ("POST", "/prompts"): Row("prompts:write", body=_prompt, done=(201,)),
    ("GET", "/prompts"): Row("prompts:read"),
    ("GET", "/prompts/{key}"): Row("prompts:read", about="prompt"),
    ("PUT", "/prompts/{key}/draft"): Row(
        "prompts:write", about="prompt", body=said({"template": {"user": "Hello again."}}), done=(200, 409)
    ),
    ("POST", "/prompts/{key}/publish"): Row("prompts:publish", about="prompt", done=(200, 409)),
    ("POST", "/prompts/{key}/rollback"): Row("prompts:publish", about="prompt", body=said({"version": 1}), done=(200, 409)),
    ("POST", "/prompts/{key}/archive"): Row("prompts:publish", about="prompt", done=(200, 409)),
    ("POST", "/prompts/{key}/restore"): Row("prompts:publish", about="prompt", done=(200, 409)),
    ("GET", "/prompts/{key}/versions"): Row("prompts:read", about="prompt"),
    ("GET", "/prompts/{key}/versions/{number}"): Row("prompts:read", about="prompt"),
    ("GET", "/prompts/{key}/difference"): Row("prompts:read", about="prompt"),
    ("POST", "/prompts/{key}/render"): Row("prompts:read", about="prompt", done=(200, 422)),
    ("GET", "/ai-providers"): Row("ai_models:read"),
    ("GET", "/ai-providers/{key}"): Row("ai_models:read", about="ai_provider"),
    ("PUT", "/ai-providers/{key}"): Row(
        "ai_models:manage", body=said({"kind": "openai_compatible", "base_url": "https://models.example/v1"})
    ),
    ("DELETE", "/ai-providers/{key}"): Row("ai_models:manage", about="ai_provider", fresh=True),
    ("GET", "/ai-models"): Row("ai_models:read"),
    ("GET", "/ai-models/{key}"): Row("ai_models:read", about="ai_model"),
    ("PUT", "/ai-models/{key}"): Row("ai_models:manage", body=said({"models": ["offline/echo"]})),
    ("DELETE", "/ai-models/{key}"): Row("ai_models:manage", about="ai_model", fresh=True),
    ("POST", "/calendars"): Row("tenants:manage", body=_calendar, done=(201,)),
    ("GET", "/calendars"): Row("workflows:read"),
    ("GET", "/calendars/{id}"): Row("workflows:read", about="calendar"),
    ("PATCH", "/calendars/{id}"): Row("tenants:manage", about="calendar", body=said({"name": "New"})),
    ("POST", "/invitations"): Row("members:manage", body=_invitation, done=(201,)),
    ("GET", "/invitations"): Row("users:read"),
    ("GET", "/invitations/{id}"): Row("users:read", about="invitation"),
    ("DELETE", "/invitations/{id}"): Row("members:manage", about="invitation", fresh=True),
    ("POST", "/invitations/{id}/accept"): Row("members:manage", about="invitation", fresh=True, addressed=True),
    ("POST", "/invitations/{id}/decline"): Row("members:manage", about="invitation", fresh=True, addressed=True),
    ("GET", "/members"): Row("users:read"),
    ("GET", "/members/{user_id}"): Row("users:read", about="member"),
    ("PATCH", "/members/{user_id}"): Row("members:manage", about="member", body=said({"role_ids": []})),
    ("POST", "/members/{user_id}/suspend"): Row("members:manage", about="member", done=(200, 409)),
    ("POST", "/members/{user_id}/reactivate"): Row("members:manage", about="member", done=(200, 409)),
    ("DELETE", "/members/{user_id}"): Row("members:manage", about="member", fresh=True),
    ("POST", "/roles"): Row("roles:manage", body=_role, done=(201,)),
    ("GET", "/roles"): Row("users:read"),
    ("GET", "/roles/{id}"): Row("users:read", about="role"),
    ("PATCH", "/roles/{id}"): Row("roles:manage", about="role", body=said({"name": "New"})),
    ("DELETE", "/roles/{id}"): Row("roles:manage", about="role", fresh=True),
    ("GET", "/permissions"): Row("users:read", "both"),
    ("GET", "/permissions/history"): Row("audit:read", done=(422,)),
    ("POST", "/api-keys"): Row(
        "api_keys:manage", "both", body=said({"name": "k", "permissions": []}), done=(201,), own_name=True
    ),
    ("GET", "/api-keys"): Row("api_keys:manage", "both"),
    ("GET", "/api-keys/{id}"): Row("api_keys:manage", "both", about="api_key"),
    ("DELETE", "/api-keys/{id}"): Row("api_keys:manage", "both", about="api_key", done=(200, 409)),
    ("POST", "/api-keys/{id}/hand-over"): Row(
        "api_keys:manage", "both", about="service_key", body=lambda ids: {"owner_id": ids.of["owner"]}, done=(200, 409)
    ),
    ("POST", "/secrets"): Row("secrets:manage", body=_secret, done=(201,)),
    ("GET", "/secrets"): Row("secrets:read"),
    ("GET", "/secrets/{id}"): Row("secrets:read", about="secret"),
    ("POST", "/secrets/{id}/rotate"): Row("secrets:manage", about="secret", body=said({"value": "sesame, close"})),
    ("DELETE", "/secrets/{id}"): Row("secrets:manage", about="secret", fresh=True),
    ("POST", "/notifications/endpoints"): Row(
        "notifications:manage", body=said({"url": "https://hooks.example/", "events": ["*"]}), done=(201, 409)
    ),
    ("GET", "/notifications/endpoints"): Row("notifications:read"),
    ("GET", "/notifications/endpoints/{id}"): Row("notifications:read", about="endpoint"),
    ("PATCH", "/notifications/endpoints/{id}"): Row("notifications:manage", about="endpoint", body=said({"description": "Mine"})),
    ("DELETE", "/notifications/endpoints/{id}"): Row("notifications:manage", about="endpoint", fresh=True),
    ("POST", "/notifications/endpoints/{id}/disable"): Row("notifications:manage", about="endpoint", done=(200, 409)),
    ("POST", "/notifications/endpoints/{id}/enable"): Row("notifications:manage", about="endpoint", done=(200, 409)),
    ("POST", "/notifications/endpoints/{id}/rotate"): Row("notifications:manage", about="endpoint", body=said({})),
    ("POST", "/notifications/endpoints/{id}/test"): Row("notifications:manage", about="endpoint", done=(201,)),
    ("GET", "/notifications/endpoints/{id}/feed"): Row("notifications:read", about="endpoint", done=(404,)),
    ("POST", "/notifications/endpoints/{id}/rewind"): Row(
        "notifications:manage", about="endpoint", body=said({"position": 0}), done=(409,)
    ),
    ("POST", "/notifications/endpoints/{id}/replay"): Row(
        "notifications:manage", about="endpoint", body=said({"from": "2026-01-01T00:00:00Z"}), done=(200, 409)
    ),
    ("GET", "/notifications/preferences"): Row(None, person=True, nobody="nobody_is_mailed"),
    ("PUT", "/notifications/preferences"): Row(None, person=True, nobody="nobody_is_mailed", body=said({"mail": ["requested"]})),
    ("GET", "/notifications/preferences/default"): Row("notifications:read"),
    ("PUT", "/notifications/preferences/default"): Row("notifications:manage", body=said({"mail": ["requested"]})),
    ("GET", "/deliveries"): Row("notifications:read"),
    ("GET", "/deliveries/{id}"): Row("notifications:read", about="delivery"),
    ("POST", "/deliveries/{id}/retry"): Row("notifications:manage", about="delivery", done=(200, 409)),
    ("POST", "/tenants"): Row("tenants:manage", "platform", body=_tenant, done=(201,)),
    ("GET", "/tenants"): Row("tenants:read", "platform"),
    ("GET", "/tenants/{id}"): Row("tenants:read", "platform", about="tenant", everywhere="always"),
    ("POST", "/tenants/{id}/suspend"): Row("tenants:manage", "platform", about="tenant", done=(200, 409), everywhere="always"),
    ("POST", "/tenants/{id}/reactivate"): Row("tenants:manage", "platform", about="tenant", done=(200, 409), everywhere="always"),
    ("GET", "/tenant"): Row("tenants:read"),
    ("PATCH", "/tenant"): Row("tenants:manage", body=said({"description": "New"})),
    ("GET", "/me"): Row(None, "both"),
    ("GET", "/catalog"): Row(None, "both"),
}
