"""A running Gesta for made-up requests: served from a thread, full of things that can be found, with a sense of aim.

Requests that are made up from a schema alone end at the first id that nobody knows. `World.aim` puts what exists in the place
of some of what was made up, and leaves the part alone that a request was made wrong in. What it does follows from the request
itself, so that a run can be repeated.
"""

import asyncio
import copy
import itertools
import os
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import psycopg
import requests
import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.specs.openapi.checks import negative_data_rejection

from domain.envelope import Envelope
from domain.permission import PERMISSIONS
from engine.archiving import archive
from runtime.unsubscribing import token_of
from store.command import Command
from store.handler import open_handler
from tests.api.behind import one_time
from tests.api.conftest import MASTER_KEYS, Client, Gesta, Member, Tenant, platform_key, projecting, serving
from tests.api.definitions import AI_TASK, APPROVAL, HOOKED, INSTANT, SCHEDULED, TASK
from tests.api.rights import RUN, SUITE
from tests.conftest import Database

T = TypeVar("T")
Case: TypeAlias = schemathesis.Case[Any]
Check: TypeAlias = Callable[[CheckContext, schemathesis.Response, Case], bool | None]

SECONDS = 30
ALL = bool(os.environ.get("GESTA_TEST_ALL"))
BURY = """
UPDATE runtime.jobs SET state = 'dead', lease_until = NULL, error = convert_to('{"type": "broken"}', 'UTF8') WHERE id = %s
"""
UNKNOWN_HEADER = "x-schemathesis-unknown-property"
BY_PLATFORM = {"tenants": 0.9, "invitations": 0.8, "approvals": 0.1, "totp": 0.1}
"""By the first word of a path: how often the platform asks, rather than an owner."""
TWO_TOPICS = "execution.started.v1,approval.requested.v1"
USERS = {"members": "strangers", "approvals": "approvers"}
"""Whom a `user_id` names, by the first word of a path: else the owner."""
HEADERS = (
    "Idempotency-Key",
    "If-Match",
    "Gesta-Occurred-At",
    "Gesta-Correlation-Id",
    "Last-Event-ID",
    "Gesta-Proof",
)


@dataclass(repr=False)
class World:
    """`answers`: how often each operation was answered with which status.

    Shown in short: Hypothesis shows it with whatever fails, and complains in place of that where it is long.
    """

    gesta: Gesta
    tenant: Tenant
    owner: Member
    loop: asyncio.AbstractEventLoop
    url: str
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    position: str | None = None
    fences: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    """By request: one that the owner was asked."""
    known: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    numbers: Iterator[int] = field(default_factory=itertools.count)
    wrong: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    """How many requests were made wrong alike so far; see `enough`."""
    session: requests.Session = field(default_factory=requests.Session)

    # Calls, from the thread of the tests

    def try_out(self, case: Case) -> None:
        """Aim, call, and hold the answer against the document."""
        if self.enough(case):
            return
        made_up = (case.operation.label, case.path_parameters, case.query, case.headers, case.body)
        random = Random(zlib.crc32(repr(made_up).encode()))
        # A header that nobody knows must do no harm; schemathesis forgets that where a number is declared beside it.
        unchecked: list[Check] = [negative_data_rejection] if UNKNOWN_HEADER in case.headers else []
        headers = self.aim(case, random)
        response = case.call_and_validate(
            base_url=self.url, headers=headers, timeout=SECONDS, excluded_checks=unchecked, session=self.session
        )
        self.answers[case.operation.label][response.status_code] += 1
        for position in response.headers.get("gesta-position", ()):
            self.position = position

    def succeeded(self, label: str) -> bool:
        """Whether the operation has done what it is for."""
        return any(200 <= status < 300 for status in self.answers[label])

    def enough(self, case: Case) -> bool:
        """By day one is tried of those that are wrong in the same place and way, such as the types that a field is not of,
        and a sixth of the others. By night all are."""
        if ALL or case.meta is None or not isinstance(case.meta.phase.data, CoveragePhaseData):
            return False
        found = case.meta.phase.data
        way = (case.operation.label, found.parameter_location, found.parameter, found.location, found.scenario)
        self.wrong[way] += 1
        turn = zlib.crc32(f"{way} {self.wrong[way]}".encode()) % 6
        return case.meta.generation.mode.is_negative and self.wrong[way] > 1 and turn != 0

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    # Aim

    def aim(self, case: Case, random: Random) -> dict[str, str]:
        """Changes the case; its authorization."""
        made_wrong = _made_wrong(case)
        kind = case.path.removeprefix("/v1").strip("/").partition("/")[0]
        by_platform = random.random() < BY_PLATFORM.get(kind, 0.4)
        if ParameterLocation.PATH not in made_wrong and case.path_parameters and random.random() < 0.9:
            case.path_parameters = {
                name: 1 if name == "number" else self.something(kind, case, random) for name in case.path_parameters
            }
            if kind == "archived-executions" and "key" in case.path_parameters:
                case.path_parameters["key"] = "workflow_executions"
            if "table" in case.path_parameters:
                case.path_parameters["table"] = "roles"
            if "comment_id" in case.path_parameters:
                case.path_parameters["comment_id"] = self.wait_for(self._comment(case.path_parameters["id"]))
        if ParameterLocation.QUERY not in made_wrong and case.query:
            case.query = self._query(dict(case.query), random)
        if ParameterLocation.QUERY not in made_wrong and case.path.endswith("/permissions/history"):
            case.query = {**dict(case.query or {}), "permission": random.choice(sorted(PERMISSIONS))}
            if random.random() < 0.8:
                case.query.pop("user_id", None)
        if ParameterLocation.BODY not in made_wrong and isinstance(case.body, dict):
            case.body = self._body(dict(case.body), kind, case, random)
        if kind == "totp" and not made_wrong:
            self.wait_for(self._make_totp_ready(case))
        if ParameterLocation.HEADER not in made_wrong:
            for name in HEADERS:
                if name in case.headers and random.random() < 0.8:
                    del case.headers[name]
        if ParameterLocation.HEADER not in made_wrong or _probed(case) not in (None, "Gesta-On-Behalf-Of"):
            self._on_behalf(case, random)
        if _probed(case) != "Gesta-Tenant":
            case.headers.pop("Gesta-Tenant", None)
            if by_platform and kind != "tenants":
                case.headers["Gesta-Tenant"] = self.tenant.slug
        token = self.gesta.platform.token if by_platform else self.owner.client.token
        return {"Authorization": f"Bearer {token}"}

    def _on_behalf(self, case: Case, random: Random) -> None:
        if case.headers.pop("Gesta-On-Behalf-Of", None) is not None and random.random() < 0.3:
            case.headers["Gesta-On-Behalf-Of"] = self.owner.user_id

    def something(self, kind: str, case: Case, random: Random) -> str:
        """The id of one that exists: any for a question, often a fresh one for a command."""
        wanted, make_ready = ALSO_READY.get((kind, case.path.rpartition("/")[2]), (kind, World._nothing))
        have = self.known[wanted]
        fresh = not have or (case.method != "GET" and random.random() < (0.1 if _made_wrong(case) else 0.8))
        if fresh:
            have.append(self.wait_for(self._make(wanted)))
        found = have[-1] if fresh else random.choice(have[-3:])
        self.wait_for(make_ready(self, found))
        return found

    def _query(self, query: dict[str, Any], random: Random) -> dict[str, Any]:
        if "execution_id" in query:
            query["execution_id"] = self._one("executions")
        if "topics" in query and random.random() < 0.8:
            query["topics"] = TWO_TOPICS
        if "at_least" in query and self.position is not None:
            query["at_least"] = self.position
        for name in ("cursor", "at_least", "as_of", "may", "step"):
            if random.random() < 0.8:
                query.pop(name, None)
        if "wait" in query:
            query["wait"] = 0  # most executions here never end: the time would only pass
        return query

    def _body(self, body: dict[str, Any], kind: str, case: Case, random: Random) -> dict[str, Any]:
        if kind == "bulk-operations":
            return self._bulk(body, random)
        if case.path.endswith("/approvals/bulk"):
            return self._many_approvals(body, random)
        if kind == "inbox" and random.random() < 0.85:
            return {"items": [{"name": "mine", "filter": {"workflow_key": "purchase"}, "order": "-priority"}]}

        def instead(name: str, make: Callable[[], Any], share: float = 0.85) -> None:
            if name in body and random.random() < share:
                body[name] = make()

        instead("wait_seconds", lambda: 0, 1.0)  # for jobs that do not come
        instead("types", lambda: ["resize-image"])
        if kind == "jobs":
            self._enqueued(body, random)
        if kind == "approvals" and "title" in body:
            self._asked(body, random)
        if kind == "ai-tasks":
            self._agents(body, random)
        instead("fence", lambda: self.fences.get(str((case.path_parameters or {}).get("id")), 1))
        instead("workflow_key", lambda: random.choice(["purchase", "instant", "resize"]))
        instead("version", lambda: 1 if case.path.endswith("/rollback") else None)
        instead("input", lambda: {"amount": random.randrange(1000)})
        instead("items", lambda: [{**item, "input": {"amount": 1}} for item in body["items"][:5]], 1.0)  # not a thousand
        instead("error", lambda: {**body["error"], "type": "Broken"} if isinstance(body["error"], dict) else body["error"])
        instead("tenant", lambda: None)
        instead("node_id", lambda: "start")
        if case.path.endswith("/fork"):
            self._forked(body, random)
        instead("to_version", lambda: random.choice([1, 1, 2]))
        instead("mapping", lambda: random.choice([{}, {"start": "start"}]))
        instead("outcome", lambda: random.choice(["approved", "rejected"]))
        instead("role", lambda: random.choice([None, "approver"]))
        instead("user_id", lambda: self.wait_for(self._make(USERS.get(kind, "owner"))))
        instead("owner_id", lambda: self.owner.user_id)
        instead("manager_id", lambda: random.choice([None, self.owner.user_id]))
        instead("attributes", lambda: {"cost_centre": random.choice(["4711", 4711, ["4711", "4712"]])})
        instead("role_ids", lambda: [self._one("roles")])
        instead("permissions", lambda: random.sample(list(PERMISSIONS), 3))
        instead("definition", lambda: self._definition(body["definition"], case, random))
        instead("slug", lambda: f"tenant-{next(self.numbers)}")
        instead("email", lambda: f"{next(self.numbers)}@example.com")
        if kind == "roles":
            instead("key", lambda: f"role-{next(self.numbers)}")
        if kind == "delegations":
            instead("from_user_id", lambda: self._one("members"))
            instead("to_user_id", lambda: self.owner.user_id)
            instead("condition", lambda: random.choice([None, "request.priority > 3"]))
            instead("workflows", lambda: ["purchase"])
            instead("starts_at", lambda: None)
            instead("ends_at", lambda: random.choice([None, "2999-01-01T00:00:00Z"]))
        if kind == "approvals" and "/preview" in case.path and random.random() < 0.7:
            return _previewed(case)
        if kind == "approvals":
            instead("step", lambda: "one" if case.path.endswith("/return") else None)
            instead("on_behalf_of", lambda: None)
            instead("expires_in", lambda: random.choice([None, "P3D"]))
            instead("from_user_id", lambda: self.owner.user_id)
            instead("to_user_id", lambda: self.wait_for(self._make("approvers")))
            instead("attachments", lambda: random.choice([None, []]))
            instead("question_id", lambda: self.questions.get(str((case.path_parameters or {}).get("id"))))
        if kind == "prompts":
            instead("key", lambda: f"prompt-{next(self.numbers)}")
            instead("template", lambda: {"user": "Greet {{ name }}."})
            instead("output_schema", lambda: None)
            instead("variables", lambda: {"name": "Ada"} if case.path.endswith("/render") else {"name": {"required": False}})
        if kind == "ai-providers":
            instead("base_url", lambda: "https://models.example/v1")
            instead("secret", lambda: None)
            instead("prices", lambda: {"small": {"input": "0.1", "output": "0.2", "currency": "EUR"}})
        if kind == "ai-models":
            instead("models", lambda: random.choice([["offline/echo"], ["openai:small", "openai:large"]]))
        if kind == "calendars":
            instead("key", lambda: f"calendar-{next(self.numbers)}")
            instead("time_zone", lambda: random.choice(["UTC", "Europe/Berlin"]))
            instead("hours", lambda: {"tue": [{"from": "09:00", "to": random.choice(["12:00", "24:00"])}]})
            instead("holidays", lambda: ["2026-12-25"])
        if kind == "budgets":
            instead("scope", lambda: "tenant")
            instead("subject", lambda: None)
            instead("period", lambda: "day")
            instead("time_zone", lambda: "UTC")
            instead("limits", lambda: {"cost": {"amount": "1.50", "currency": "EUR"}, "calls": random.randrange(100)})
            instead("soft", lambda: 0.5)
        if kind == "evaluations":
            return random.choice([body, {**(RUN if case.path.endswith("/runs") else SUITE)}])
        if kind == "secrets":
            instead("name", lambda: f"secret-{next(self.numbers)}")
            instead("hosts", lambda: ["api.example.com"])
        if kind == "notifications":
            instead("url", lambda: "https://hooks.example/")
            instead("events", lambda: ["execution.*"])
            instead("secret", lambda: None)
            instead("format", lambda: "standard")
            instead("mail", lambda: ["requested"] if "preferences" in case.path else None)
            instead("digest", lambda: {"every": "day"})
        if body.get("callback") is not None:
            instead("callback", lambda: {"endpoint_id": self._one("notifications")})
        instead("from", lambda: "2026-01-01T00:00:00Z")
        instead("to", lambda: "2026-01-01T05:00:00Z")
        instead("expires_at", lambda: "2999-01-01T00:00:00Z")
        return body

    def _many_approvals(self, body: dict[str, Any], random: Random) -> dict[str, Any]:
        if random.random() < 0.2:
            return body
        requests = [self._one("approvals"), str(UUID(int=random.getrandbits(128)))]
        action = random.choice(["decide", "claim", "release"])
        also = {"outcome": "approved"} if action == "decide" else {}
        return {"action": action, "items": [{"id": id, **also} for id in requests]}

    def _bulk(self, body: dict[str, Any], random: Random) -> dict[str, Any]:
        """What goes together, of what was made up, mostly."""
        if random.random() < 0.2:
            return body
        action = random.choice(["cancel", "pause", "resume", "terminate", "signal", "fork", "migrate", "start"])
        named = {"execution_ids": [str(UUID(int=random.getrandbits(128)))]}
        target: dict[str, Any] = random.choice([{"filter": {"status": "running", "workflow_key": "purchase"}}, named])
        options: dict[str, dict[str, Any]] = {"signal": {"name": "went"}, "migrate": {"to_version": 1}}
        also = options.get(action, {})
        return {"action": action, **target, **also, "reason": body.get("reason"), "dry_run": random.random() < 0.5}

    def _forked(self, body: dict[str, Any], random: Random) -> None:
        """From where there is something: none of those that it is asked of has failed. Names are taken soon."""
        if random.random() < 0.85:
            body["node_id"] = "start"
        for name in ("business_key", "labels"):
            if random.random() < 0.8:
                body.pop(name, None)

    def _enqueued(self, body: dict[str, Any], random: Random) -> None:
        """Words that only a reader of the documentation finds: mostly left out, or good ones."""
        for job in (body, *(item for item in body.get("items", ()) if isinstance(item, dict))):
            if "type" in job and random.random() < 0.85:
                job["type"] = "other"
            for name in ("timeout", "run_at", "run_after", "on_conflict", "retry", "rate"):
                if random.random() < 0.8:
                    job.pop(name, None)

    def _asked(self, body: dict[str, Any], random: Random) -> None:
        """The same of approval requests of their own."""
        for name in body.keys() - {"title", "description", "context", "priority"}:
            if random.random() < 0.85:
                del body[name]
        if random.random() < 0.5:
            body["by"] = {"roles": ["approver"]}

    def _agents(self, body: dict[str, Any], random: Random) -> None:
        """The same of AI tasks, and of what is reported of them."""
        for name in body.keys() - {
            "model",
            "prompt",
            "input",
            "context",
            "name",
            "priority",
            "external",
            "turns",
            "finish",
            "reason",
        }:
            if random.random() < 0.85:
                del body[name]
        if "prompt" in body and random.random() < 0.85:
            body["prompt"] = "Say it."
        if "turns" in body and random.random() < 0.85:
            turn = {"model": "large-1", "provider": "ours", "text": "It."}
            body |= {"turns": [turn] * random.randrange(1, 3), "finish": random.choice([None, {}, {"output": 7}])}

    def _definition(self, made_up: Any, case: Case, random: Random) -> Any:
        """A good one, or one in which something made up, or something of another place, stands in the place of something."""
        good = {**copy.deepcopy(random.choice([APPROVAL, TASK, AI_TASK])), "key": self._key(case)}
        if random.random() < 0.5:
            return good
        *_, place = itertools.accumulate(range(random.randrange(1, 5)), lambda at, _: _inside(at, random), initial=good)
        return good if place is good else _replaced(good, place, random.choice([made_up, good["nodes"], "=1 +", 7, None]))

    def _key(self, case: Case) -> str:
        """Of the workflow that the request is about, or a new one."""
        id = str((case.path_parameters or {}).get("id"))
        return self.keys.get(id) or f"made-{next(self.numbers)}"

    def _one(self, kind: str) -> str:
        if not self.known[kind]:
            self.known[kind].append(self.wait_for(self._make(kind)))
        return self.known[kind][-1]

    # Things, made in the thread of the server

    async def _make(self, kind: str) -> str:
        match kind:
            case "executions":
                return str((await self._start("purchase"))["id"])
            case "approvals":
                return str((await self._start("purchase"))["open"][0]["id"])
            case "approvals in steps":
                steps = [{"name": name, "by": {"roles": ["approver"]}, "ad_hoc": True} for name in ("one", "two")]
                made = await self._posted(self.tenant.admin, "/approvals", {"title": "In steps", "steps": steps})
                await self._decide(made)
                return made
            case "approvals of several":
                users = [self.owner.user_id, await self._make("approvers")]
                body: dict[str, Any] = {"title": "Of several", "by": {"users": users}, "rule": {"type": "unanimous"}}
                return await self._posted(self.tenant.admin, "/approvals", body)
            case "approval-links":
                made = await self._make("approvals")
                return await self._posted(self.owner.client, f"/approvals/{made}/links", {"outcome": "approved"})
            case "enrolled":
                member = await self.tenant.member("approver")
                await member.client.post("/totp")
                return member.user_id
            case "approvers":
                return (await self.tenant.member("approver")).user_id
            case "owner":
                return self.owner.user_id
            case "ai-tasks":
                return str((await self._start("classify"))["open"][0]["id"])
            case "external":
                asked = {"model": "large", "prompt": "Say it.", "external": True}
                return await self._posted(self.tenant.admin, "/ai-tasks", asked)
            case "own-jobs":
                return await self._posted(self.tenant.admin, "/jobs", {"type": "other"})
            case "jobs":
                await self._start("resize")  # there may be older ones, which are as good
                body = {"types": ["resize-image"], "worker_id": "w", "lease_seconds": 600}
                (job,) = (await self.tenant.admin.post("/jobs/lease", body)).json()["items"]
                self.fences[job["id"]] = job["fence"]
                return str(job["id"])
            case "workflows" | "drafts":
                key = f"workflow-{next(self.numbers)}"
                made = await self._posted(self.tenant.admin, "/workflows", {"definition": {**INSTANT, "key": key}})
                self.keys[made] = key
                if kind == "workflows":
                    await self.tenant.admin.post(f"/workflows/{made}/publish")
                return made
            case "triggers":
                key = f"scheduled-{next(self.numbers)}"
                await self.tenant.publish({**SCHEDULED, "key": key})
                found = await self.tenant.admin.get(f"/triggers?workflow_key={key}")
                return str(found.json()["items"][0]["id"])
            case "webhooks":
                key = f"hooked-{next(self.numbers)}"
                await self.tenant.publish({**HOOKED, "key": key})
                found = await self.tenant.admin.get(f"/triggers?workflow_key={key}")
                return str(found.json()["items"][0]["id"])
            case "hooks":
                rotated = await self.tenant.admin.post(f"/triggers/{await self._make('webhooks')}/rotate")
                return str(rotated.json()["address"]).removeprefix("/hooks/")
            case "strangers":
                body = {"email": f"{next(self.numbers)}@else.example", "display_name": "Somebody"}
                return await self._posted(self.gesta.platform, "/users", body)
            case "delegations":
                body = {"from_user_id": await self._make("members"), "to_user_id": self.owner.user_id}
                return await self._posted(self.tenant.admin, "/delegations", body)
            case "prompts":
                key = f"prompt-{next(self.numbers)}"
                variables = {"name": {"required": False}, "account": {"sensitive": True, "required": False}}
                template = {"user": "Greet {{ name }} {{ account }}."}
                await self.tenant.admin.post("/prompts", {"key": key, "template": template, "variables": variables})
                await self.tenant.admin.post(f"/prompts/{key}/publish")
                return key
            case "ai-providers":
                key, body = (
                    f"provider-{next(self.numbers)}",
                    {"kind": "openai_compatible", "base_url": "https://models.example/v1"},
                )
                await self.tenant.admin.call("PUT", f"/ai-providers/{key}", body)
                return key
            case "ai-models":
                key = f"model-{next(self.numbers)}"
                await self.tenant.admin.call("PUT", f"/ai-models/{key}", {"models": ["offline/echo"]})
                return key
            case "calendars":
                hours = {"mon": [{"from": "09:00", "to": "17:00"}]}
                body = {"key": f"calendar-{next(self.numbers)}", "name": "Made", "time_zone": "UTC", "hours": hours}
                return await self._posted(self.tenant.admin, "/calendars", body)
            case "limits":
                given = {"scope": "key", "name": f"key-{next(self.numbers)}", "concurrency": 100}
                return str((await self.tenant.admin.post("/limits", given)).json()["id"])
            case "retention":
                key = f"flow-{next(self.numbers)}"
                await self.tenant.publish({**INSTANT, "key": key})
                given = {"days": 90, "workflow_key": key}
                return str((await self.tenant.admin.post("/retention", given)).json()["id"])
            case "archived-executions":
                return await self._archived()
            case "budgets":
                key = f"budget-{next(self.numbers)}"
                await self._set_budget(key)
                return key
            case "evaluations":
                return str((await self.tenant.admin.post("/evaluations", SUITE)).json()["id"])
            case "bulk-operations":
                asked = {"action": "pause", "execution_ids": [(await self._start("purchase"))["id"]]}
                return str((await self.tenant.admin.post("/bulk-operations", asked)).json()["id"])
            case "invitations":
                email = f"{next(self.numbers)}@guest.example"
                await self._posted(self.gesta.platform, "/users", {"email": email, "display_name": "Guest"})
                return await self._posted(self.tenant.admin, "/invitations", {"email": email})
            case "members" | "users":
                return (await self.tenant.member("viewer")).user_id
            case "roles" | "tables":
                body = {"key": f"made-{next(self.numbers)}", "name": "Made", "permissions": ["tenants:read"]}
                return await self._posted(self.tenant.admin, "/roles", body)
            case "api-keys":
                return await self._posted(self.tenant.admin, "/api-keys", {"name": "made", "permissions": []})
            case "secrets":
                return await self._posted(
                    self.tenant.admin, "/secrets", {"name": f"made-{next(self.numbers)}", "value": "sesame, open"}
                )
            case "notifications":
                await self._make_room()
                body = {"url": "https://hooks.example/", "events": ["execution.*"]}
                return await self._posted(self.tenant.admin, "/notifications/endpoints", body)
            case "event feeds":
                await self._make_room()
                body = {"url": "https://hooks.example/", "events": ["execution.*"], "format": "events"}
                return await self._posted(self.tenant.admin, "/notifications/endpoints", body)
            case "unsubscribe":
                return token_of(MASTER_KEYS, self.tenant.id, UUID(self.owner.user_id))
            case "deliveries":
                endpoint_id = await self._make("notifications")
                return await self._posted(self.tenant.admin, f"/notifications/endpoints/{endpoint_id}/test", None)
            case "tenants":
                return str((await self.gesta.tenant(f"other-{next(self.numbers)}")).id)
            case _:
                raise LookupError(f"how is one of {kind} made?")

    async def _start(self, key: str) -> dict[str, Any]:
        started = await self.tenant.admin.post(
            "/executions", {"workflow_key": key, "input": {"amount": 1, "url": "a", "claim": "b"}}
        )
        assert started.status_code == 201, started.text
        return dict(started.json())

    async def _archived(self) -> str:
        """An execution that was over long before its time in the tables began to count."""
        key = f"kept-{next(self.numbers)}"
        await self.tenant.publish({**INSTANT, "key": key})
        await self.tenant.admin.post("/retention", {"days": 1, "workflow_key": key})
        id = UUID((await self._start(key))["id"])
        async with open_handler(self.gesta.database.system_url) as handler:
            long_ago = datetime.now(UTC) - timedelta(days=2)
            archived = Command(self.tenant.id, "execution.archive", Envelope("system", "test"))
            await handler.handle(archived, lambda view: archive(view, id, long_ago))
        return str(id)

    async def _posted(self, client: Client, path: str, body: Any) -> str:
        made = await client.post(path, body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def _make_room(self) -> None:
        """A tenant has so many endpoints at most, and they come from everywhere: made-up requests, deliveries."""
        found = (await self.tenant.admin.get("/notifications/endpoints")).json()["items"]
        for one in found if len(found) > 20 else ():
            if one["id"] not in (*self.known["notifications"][-3:], *self.known["event feeds"][-3:]):
                await self.tenant.admin.call("DELETE", f"/notifications/endpoints/{one['id']}")

    # What must have happened before a command can do what it is for

    async def _bury(self, job_id: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.gesta.database.system_url, autocommit=True) as connection:
            await connection.execute(BURY, [job_id])

    async def _decide(self, request_id: str) -> None:
        await self.owner.client.post(f"/approvals/{request_id}/decide", {"outcome": "approved"})

    async def _claim(self, id: str) -> None:
        await self.owner.client.post(f"/approvals/{id}/claim")

    async def _draft(self, id: str) -> None:
        await self.owner.client.call("PUT", f"/approvals/{id}/draft", {"draft": {"comment": "So far."}})

    async def _recall(self, request_id: str) -> None:
        await self.owner.client.post(f"/approvals/{request_id}/recall", {})

    async def _comment(self, request_id: str) -> str:
        return await self._said(self.owner.client, f"/approvals/{request_id}/comments", {"text": "So."})

    async def _said(self, client: Client, path: str, body: Any) -> str:
        said = await client.post(path, body)
        assert said.status_code == 200, said.text
        return str(said.json()["id"])

    async def _ask_owner(self, request_id: str) -> None:
        """By another one of those who are asked."""
        asker = await self.tenant.member("approver", "operator")
        body = {"text": "Why?", "to_user_id": self.owner.user_id}
        self.questions[request_id] = await self._said(asker.client, f"/approvals/{request_id}/ask", body)

    async def _pause(self, execution_id: str) -> None:
        await self.tenant.admin.post(f"/executions/{execution_id}/pause")

    async def _pause_trigger(self, trigger_id: str) -> None:
        await self.tenant.admin.post(f"/triggers/{trigger_id}/pause")

    async def _disable(self, endpoint_id: str) -> None:
        await self.tenant.admin.post(f"/notifications/endpoints/{endpoint_id}/disable")

    async def _redraft(self, key: str) -> None:
        draft = {"template": {"user": f"Greet {next(self.numbers)}."}}
        await self.tenant.admin.call("PUT", f"/prompts/{key}/draft", draft)

    async def _republish(self, key: str) -> None:
        await self._redraft(key)
        await self.tenant.admin.post(f"/prompts/{key}/publish")

    async def _archive_prompt(self, key: str) -> None:
        await self.tenant.admin.post(f"/prompts/{key}/archive")

    async def _archive(self, workflow_id: str) -> None:
        await self.tenant.admin.post(f"/workflows/{workflow_id}/archive")

    async def _make_totp_ready(self, case: Case) -> None:
        """What the owner's one-time passwords have come to before, and a code for what is asked."""
        await self.tenant.admin.call("DELETE", f"/members/{self.owner.user_id}/totp")
        if case.method == "POST" and not case.path.endswith("/confirm"):
            return
        secret = (await self.owner.client.post("/totp")).json()["secret"]
        code = one_time(secret)
        if case.method == "DELETE":
            await self.owner.client.post("/totp/confirm", code)
            code = one_time(secret, 1)
        case.body = {**code}

    async def _suspend_member(self, user_id: str) -> None:
        await self.tenant.admin.post(f"/members/{user_id}/suspend")

    async def _suspend(self, tenant_id: str) -> None:
        await self.gesta.platform.post(f"/tenants/{tenant_id}/suspend")

    async def _set_budget(self, key: str) -> None:
        """Also one that was removed."""
        await self.tenant.admin.call("PUT", f"/budgets/{key}", {"scope": "tenant", "period": "day", "limits": {"calls": 100}})

    async def _nothing(self, _id: str) -> None:
        pass


ALSO_READY: dict[tuple[str, str], tuple[str, Callable[[World, str], Coroutine[Any, Any, None]]]] = {
    ("ai-tasks", "turns"): ("external", World._nothing),
    ("budgets", "periods"): ("budgets", World._set_budget),
    ("jobs", "retry"): ("jobs", World._bury),
    ("jobs", "cancel"): ("own-jobs", World._nothing),
    ("approvals", "draft"): ("approvals", World._draft),
    ("approvals", "release"): ("approvals", World._claim),
    ("approvals", "return"): ("approvals in steps", World._nothing),
    ("approvals", "add-approver"): ("approvals in steps", World._nothing),
    ("approvals", "reassign"): ("approvals of several", World._nothing),
    ("approvals", "revoke"): ("approvals of several", World._decide),
    ("approvals", "withdraw"): ("approvals of several", World._nothing),
    ("approvals", "recall"): ("approvals of several", World._nothing),
    ("approvals", "resubmit"): ("approvals of several", World._recall),
    ("approvals", "comments"): ("approvals of several", World._nothing),
    ("approvals", "{comment_id}"): ("approvals of several", World._nothing),
    ("approvals", "ask"): ("approvals of several", World._nothing),
    ("approvals", "answer"): ("approvals", World._ask_owner),
    ("executions", "resume"): ("executions", World._pause),
    ("triggers", "resume"): ("triggers", World._pause_trigger),
    ("notifications", "enable"): ("notifications", World._disable),
    ("notifications", "feed"): ("event feeds", World._nothing),
    ("notifications", "rewind"): ("event feeds", World._nothing),
    ("triggers", "rotate"): ("webhooks", World._nothing),
    ("tenants", "reactivate"): ("tenants", World._suspend),
    ("workflows", "publish"): ("drafts", World._nothing),
    ("prompts", "publish"): ("prompts", World._redraft),
    ("prompts", "rollback"): ("prompts", World._republish),
    ("prompts", "restore"): ("prompts", World._archive_prompt),
    ("workflows", "restore"): ("workflows", World._archive),
    ("members", "reactivate"): ("members", World._suspend_member),
    ("members", "totp"): ("enrolled", World._nothing),
}
"""By the first and the last word of a path: what it is about, and how that is made ready."""


def _previewed(case: Case) -> dict[str, Any]:
    if case.path.endswith("/preview-past"):
        return {"definition": {"title": "x", "by": {"roles": ["approver"]}}, "filter": {"workflow_key": "purchase"}, "limit": 3}
    return {"workflow_key": "purchase", "node_id": "review", "input": {"amount": 1}}


def _made_wrong(case: Case) -> set[ParameterLocation]:
    meta = case.meta
    return set() if meta is None else {place for place, info in meta.components.items() if info.mode.is_negative}


def _probed(case: Case) -> str | None:
    return None if case.meta is None else case.meta.phase.data.parameter


def _inside(value: Any, random: Random) -> Any:
    match value:
        case dict() if value:
            return random.choice(list(value.values()))
        case list() if value:
            return random.choice(value)
        case _:
            return value


def _replaced(value: Any, place: Any, by: Any) -> Any:
    if value is place:
        return by
    match value:
        case dict():
            return {key: _replaced(item, place, by) for key, item in value.items()}
        case list():
            return [_replaced(item, place, by) for item in value]
        case _:
            return value


@contextmanager
def running(database: Database) -> Iterator[World]:
    """A server and a projector in a thread of their own, and what is in their tables to begin with."""
    made: Future[tuple[World, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        token = await platform_key(database)
        async with projecting(database) as projector, serving(database) as http:
            gesta = Gesta(http, database, Client(http, token), projector)
            tenant = await gesta.tenant()
            for definition in (APPROVAL, INSTANT, TASK, AI_TASK):
                again = await tenant.publish(definition)
                await tenant.admin.call("PUT", f"/workflows/{again}/draft", {"definition": {**definition, "name": "Again"}})
                await tenant.admin.post(f"/workflows/{again}/publish")
            owner = await tenant.member("owner", "approver")
            world = World(gesta, tenant, owner, asyncio.get_running_loop(), str(http.base_url).rstrip("/"))
            world.session.trust_env = False  # the environment would be searched for proxies with each request
            made.set_result((world, stop))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if made.done():
                raise
            made.set_exception(error)

    thread = threading.Thread(target=run, name="gesta")
    thread.start()
    try:
        world, stop = made.result(SECONDS)
        try:
            yield world
        finally:
            world.session.close()
            world.loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(SECONDS)
