"""Drives cases through the HTTP API: one member per role, each step a decision that is backdated to its time in the log.

The player keeps nothing: after a crash it finds its place from the API alone. An execution is found by its business key (the case
id); the steps already taken are the decisions made in its requests, of which one may hold several. Each command carries an
Idempotency-Key, so a step whose answer was lost is not taken twice.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from examples.declarations.log import Case, Step

DEFINITION: dict[str, Any] = json.loads((Path(__file__).parent / "definition.json").read_text())
ROLE_KEYS = ("employee", "administration", "budget-owner", "pre-approver", "supervisor", "missing", "payments")


@dataclass(frozen=True)
class Script:
    """What is played: in which tenant, by which definition, and which steps of a case are decisions in it."""

    slug: str = "declarations"
    definition: Mapping[str, Any] = field(default_factory=lambda: DEFINITION)
    decisions: Callable[[Case], Sequence[Step]] = lambda case: case.steps
    permissions: tuple[str, ...] = ("executions:read", "approvals:read", "approvals:decide", "events:backdate")

    def offers(self, node_id: str, step: Step) -> bool:
        """Whether a request of this node offers a step: how a step of the log finds its request among the open ones.

        Where the request is in steps, Gesta finds that of its steps which is asked now, and refuses who is not asked in it.
        """
        return any(
            outcome["name"] == step.outcome and step.role in outcome["by"]["roles"]
            for node in self.definition["nodes"]
            if node["id"] == node_id and node["type"] == "approval"
            for asked in node["config"].get("steps", [node["config"]])
            for outcome in asked["outcomes"]
        )


PATIENCE = 60.0  # seconds during which a server that does not answer is asked again


class Refused(Exception):
    """The server refused a step: status and problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem


@dataclass
class Api:
    """One HTTP client for all members; a call names whose key it uses. Lost connections and 503s are tried again."""

    client: httpx2.AsyncClient
    commands: int = 0

    async def call(
        self,
        method: str,
        path: str,
        key: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        sent = {"Authorization": f"Bearer {key}", **(headers or {})}
        while True:
            try:
                response = await self.client.request(method, "/v1" + path, json=body, headers=sent, params=params)
            except httpx2.TransportError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.25)
                continue
            busy = response.status_code in (429, 503) or response.json().get("code") == "in_flight"
            if busy and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(float(response.headers.get("Retry-After", 0.25)))
                continue
            if response.status_code >= 400:
                raise Refused(response.status_code, response.json())
            if method != "GET":
                self.commands += 1
            return response.json()


@dataclass(frozen=True)
class Stage:
    """The tenant, ready to play: what is played, the tenant's id, and each role's key."""

    script: Script
    tenant_id: str
    keys: Mapping[str, str]


async def set_up(api: Api, platform_key: str, script: Script = Script()) -> Stage:
    """Create tenant, roles, members, keys and the published workflow; what is there already is used."""
    try:
        await api.call("POST", "/tenants", platform_key, {"slug": script.slug, "name": "Declarations"})
    except Refused as refused:
        _unless_there(refused)
    inside = {"Gesta-Tenant": script.slug}

    async def get(path: str, **params: str) -> Any:
        return await api.call("GET", path, platform_key, headers=inside, params=params)

    async def post(path: str, body: Any) -> Any:
        return await api.call("POST", path, platform_key, body, inside)

    roles = {role["key"]: role for role in (await get("/roles", limit="200"))["items"]}
    keys = {}
    for role_key in ROLE_KEYS:
        role = roles.get(role_key)
        extra = ("executions:start",) if role_key == "employee" else ()
        if role is None:
            role = await post("/roles", {"key": role_key, "name": role_key.title(), "permissions": [*script.permissions, *extra]})
        user = await _user(api, platform_key, f"{role_key}@declarations.example", role_key.title())
        try:
            await post("/members", {"user_id": user["id"], "role_ids": [role["id"]]})
        except Refused as refused:
            _unless_there(refused)
        created = await post("/api-keys", {"name": role_key, "user_id": user["id"], "permissions": [*script.permissions, *extra]})
        keys[role_key] = created["token"]
    workflows = (await get("/workflows", key=script.definition["key"]))["items"]
    workflow = workflows[0] if workflows else await post("/workflows", {"definition": script.definition})
    if workflow["published_version"] is None:
        await post(f"/workflows/{workflow['id']}/publish", {"note": "first"})
    return Stage(script, (await get("/tenant"))["id"], keys)


async def _user(api: Api, platform_key: str, email: str, name: str) -> Any:
    found = (await api.call("GET", "/users", platform_key, params={"email": email}))["items"]
    return found[0] if found else await api.call("POST", "/users", platform_key, {"email": email, "display_name": name})


def _unless_there(refused: Refused) -> None:
    """What an earlier run of the player made is used; any other refusal is an error."""
    if refused.status != 409:
        raise refused


async def play(
    api: Api, stage: Stage, cases: list[Case], in_flight: int, progress: Callable[[int], None], resume: bool = True
) -> None:
    """Play every case to its end, `in_flight` at a time; `progress` hears of each step taken. The first failure stops all."""
    waiting = iter(cases)

    async def player() -> None:
        for case in waiting:
            await play_case(api, stage, case, progress, resume)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(player())


async def play_case(api: Api, stage: Stage, case: Case, progress: Callable[[int], None], resume: bool = True) -> None:
    done, opened = await _place(api, stage, case) if resume else (0, None)
    progress(done)
    if opened is None:
        opened = await _start(api, stage, case)
    for number, step in enumerate(stage.script.decisions(case)[done:], done + 1):
        opened = await _decide(api, stage, case, number, step, opened)
        progress(1)


async def _place(api: Api, stage: Stage, case: Case) -> tuple[int, list[Any] | None]:
    """How many steps of a case are taken, and its open requests; (0, None) if it has not begun."""
    key = stage.keys["employee"]
    found = await api.call(
        "GET", "/executions", key, params={"business_key": case.id, "workflow_key": stage.script.definition["key"]}
    )
    if not found["items"]:
        return 0, None
    requests = await _requests(api, key, found["items"][0]["id"])
    opened = [
        {"kind": "approval", "id": request["id"], "node_id": request["node_id"]}
        for request in requests
        if request["status"] == "pending"
    ]
    return sum(len(request["decisions"]) for request in requests), opened


async def _requests(api: Api, key: str, execution_id: str) -> list[Any]:
    """The requests of an execution with their decisions, as of one moment: what a player began that died may still arrive."""
    while True:
        asked = {"execution_id": execution_id, "limit": 200}
        listed = (await api.call("GET", "/approvals", key, params=asked))["items"]
        whole = [await api.call("GET", f"/approvals/{request['id']}", key) for request in listed]
        if [request["version"] for request in whole] == [request["version"] for request in listed]:
            return whole


async def _start(api: Api, stage: Stage, case: Case) -> list[Any]:
    body = {"workflow_key": stage.script.definition["key"], "business_key": case.id, "input": {"amount": case.amount}}
    headers = {"Idempotency-Key": case.id, "Gesta-Occurred-At": _utc(case.steps[0].at)}
    started = await api.call("POST", "/executions", stage.keys["employee"], body, headers)
    return list(started["open"])


async def _decide(api: Api, stage: Stage, case: Case, number: int, step: Step, opened: list[Any]) -> list[Any]:
    """Take one step on the open request that offers it. Where none does, the first is asked, and refuses."""
    offering = [item for item in opened if stage.script.offers(item["node_id"], step)]
    request = (offering or opened)[0]
    headers = {"Idempotency-Key": f"{case.id}/{number}", "Gesta-Occurred-At": _utc(step.at)}
    path = f"/approvals/{request['id']}/decide"
    decided = await api.call("POST", path, stage.keys[step.role], {"outcome": step.outcome}, headers)
    return list(decided["execution"]["open"])


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
