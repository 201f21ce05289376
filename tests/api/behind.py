"""One case for each command of the API: another process has changed what it is about since this process last looked.

Each case is a coroutine function named as the operation is. It has `behind`, a process that knows an old state, because it wrote
it; and `ahead`, the process that goes on from there. It returns the answer of the one that is behind.
"""

import asyncio
import os
import secrets
import socket
import sys
import time
from base64 import b32decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

import httpx2

from domain.totp import SECONDS, code_at
from tests.api.conftest import Client, Gesta, Member, Tenant, serving
from tests.api.definitions import AI_TASK, HOOKED, INSTANT, SCHEDULED
from tests.api.rights import RUN, SUITE
from tests.api.working import leased, report
from tests.conftest import Database

ANYBODY = [{"name": "approved", "kind": "approve"}]


def line(key: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    """A workflow of these nodes, one after another, by whichever handle is theirs."""
    ids = ["start", *(node["id"] for node in nodes), "end"]
    handles = {"approval": "approved", "ai_agent": "success", "task": "success"}
    edges = [
        {"source": one, "target": other, **({"source_handle": handles[node["type"]]} if node else {})}
        for one, other, node in zip(ids[:-1], ids[1:], [None, *nodes], strict=True)
    ]
    ends = [{"id": "start", "type": "start", "config": {}}, {"id": "end", "type": "end", "config": {}}]
    return {"key": key, "name": key, "triggers": [{"type": "manual"}], "nodes": [*ends, *nodes], "edges": edges}


def approval(id: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "type": "approval", "config": {"title": id, "rule": {"type": "single"}, "outcomes": ANYBODY}, **fields}


def job(id: str) -> dict[str, Any]:
    return {"id": id, "type": "task", "config": {"job_type": "resize-image"}}


def agent(id: str) -> dict[str, Any]:
    return {**AI_TASK["nodes"][1], "id": id, "config": {"model": "offline/echo", "prompt": "Say it."}}


APPROVALS = line("approvals", approval("first"), approval("second"), approval("third"))
JOBS = line("jobs", job("one"), job("two"), job("three"))
AGENTS = line("agents", agent("a"), agent("b"), agent("c"))
# each of them gives way to the next one by its error
AGENTS["edges"] = [{**edge, "source_handle": "error"} if edge["source"] in "ab" else edge for edge in AGENTS["edges"]]
AGENTS["edges"] += [{"source": agent, "source_handle": "success", "target": "end"} for agent in "ab"]


@dataclass(frozen=True)
class Two:
    """The same tenant and the same person, at two processes."""

    ahead: Tenant
    behind: Tenant
    person: Member
    worker: Client
    """At the process that is ahead."""

    def at(self, process: Tenant, client: Client) -> Client:
        """Somebody's key at a process."""
        return Client(process.gesta.http, client.token, client.headers)

    def turned(self) -> "Two":
        """The other way round."""
        return Two(self.behind, self.ahead, self.person, self.at(self.behind, self.worker))

    async def started(self, definition: dict[str, Any], **input: Any) -> str:
        """The id of an execution that was started, and so is known, behind."""
        await self.behind.publish(definition)
        return await begun(self.behind, definition["key"], **input)

    async def open(self, execution_id: str) -> str:
        """The id of the one thing that an execution waits for, as the tables say."""
        (item,) = (await ok(self.ahead.admin.get(f"/executions/{execution_id}")))["open"]
        return str(item["id"])

    async def decided(self, process: Tenant, execution_id: str) -> httpx2.Response:
        """Decide the approval that an execution waits for, at a process."""
        request_id = await self.open(execution_id)
        person = self.at(process, self.person.client)
        return await person.post(f"/approvals/{request_id}/decide", {"outcome": "approved"})

    async def moved(self, **input: Any) -> str:
        """An execution known behind at its first approval, which is ahead at its second."""
        execution_id = await self.started(APPROVALS, **input)
        await ok(self.decided(self.ahead, execution_id))
        return execution_id

    async def second_job(self) -> dict[str, Any]:
        """Leased, of an execution that is known behind as waiting for its first one."""
        await self.started(JOBS)
        await ok(report(self.worker, await leased(self.worker), "complete"))
        return await leased(self.worker)

    async def second_agent(self) -> str:
        """The AI task of an execution that is known behind as waiting for its first one."""
        execution_id = await self.started(AGENTS)
        first = await self.open(execution_id)
        await ok(self.ahead.admin.post(f"/ai-tasks/{first}/cancel"))
        return await self.open(execution_id)

    async def user(self) -> str:
        """Registered behind."""
        email = f"{secrets.token_hex(4)}@acme.example"
        made = await ok(self.behind.gesta.platform.post("/users", {"email": email, "display_name": "Somebody"}))
        return str(made["id"])

    async def added(self, process: Tenant, user_id: str, *roles: str) -> httpx2.Response:
        role_ids = [await self.ahead.role_id(role) for role in roles]
        return await process.admin.post("/members", {"user_id": user_id, "role_ids": role_ids})

    async def role(self, process: Tenant, key: str = "auditor") -> str:
        made = await ok(process.admin.post("/roles", {"key": key, "name": "Auditor", "permissions": ["executions:read"]}))
        return str(made["id"])

    async def workflow(self, process: Tenant) -> str:
        return str((await ok(process.admin.post("/workflows", {"definition": INSTANT})))["id"])


@asynccontextmanager
async def two_processes(gesta: Gesta) -> AsyncIterator[Two]:
    """A second one beside the one that there is."""
    async with serving(gesta.database) as http:
        yield await two_in("acme", gesta, http)


async def two_in(slug: str, gesta: Gesta, http: httpx2.AsyncClient) -> Two:
    """A new tenant at two processes. `http`: of the second one."""
    other = Gesta(http, gesta.database, Client(http, gesta.platform.token), gesta.projector)
    behind = await gesta.tenant(slug)
    ahead = Tenant(other, behind.id, behind.slug, other.platform.with_headers(Gesta_Tenant=behind.slug))
    person = await behind.member("approver")
    worker = await behind.service("jobs:work")
    return Two(ahead, behind, person, Client(http, worker.token))


@asynccontextmanager
async def two_apart(gesta: Gesta) -> AsyncIterator[Two]:
    """Two processes of the `gesta` command, as an operator runs them, beside the one that there is."""
    async with serving_apart(gesta.database) as one, serving_apart(gesta.database) as other:
        behind, ahead = (
            Gesta(http, gesta.database, Client(http, gesta.platform.token), gesta.projector) for http in (one, other)
        )
        acme = await behind.tenant()
        there = Tenant(ahead, acme.id, acme.slug, ahead.platform.with_headers(Gesta_Tenant=acme.slug))
        worker = await acme.service("jobs:work")
        yield Two(there, acme, await acme.member("approver"), Client(other, worker.token))


@asynccontextmanager
async def serving_apart(
    database: Database, log: IO[bytes] | int = asyncio.subprocess.DEVNULL, /, **more: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """`gesta api` in a process of its own, and a client for it. `log`: where its log goes. `more`: of its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    addresses = {
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
        "GESTA_LISTEN_DATABASE_URL": database.listen_url,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        "api",
        env={**kept, **addresses, "GESTA_PORT": str(port), **more},
        stderr=log,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            async with asyncio.timeout(120):
                while not await _answers(http):
                    assert process.returncode is None, "the process has ended"
                    await asyncio.sleep(0.05)
            yield http
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).status_code == 200
    except httpx2.TransportError:
        return False


async def ok(answering: Awaitable[httpx2.Response]) -> Any:
    answer = await answering
    assert answer.status_code < 300, answer.text
    return answer.json()


async def begun(process: Tenant, key: str, **input: Any) -> str:
    return str((await ok(process.admin.post("/executions", {"workflow_key": key, "input": input})))["id"])


# Executions


async def executions_start(two: Two) -> httpx2.Response:
    workflow_id = await two.behind.publish(INSTANT)
    await begun(two.behind, "instant")
    await ok(two.ahead.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": {**APPROVALS, "key": "instant"}}))
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/publish"))
    answer = await two.behind.admin.post("/executions", {"workflow_key": "instant", "version": 2})
    assert [item["node_id"] for item in answer.json()["open"]] == ["first"]
    return answer


async def executions_bulk(two: Two) -> httpx2.Response:
    """The key is another workflow's by now."""
    workflow_id = await two.behind.publish(INSTANT)
    await begun(two.behind, "instant")
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/archive"))
    await two.ahead.publish(APPROVALS)
    answer = await two.behind.admin.post("/executions/bulk", {"workflow_key": "approvals", "items": [{}, {}]})
    assert [item["status"] for item in answer.json()["items"]] == [201, 201]
    refused = await two.behind.admin.post("/executions/bulk", {"workflow_key": "instant", "items": [{}]})
    assert [item["problem"]["code"] for item in refused.json()["items"]] == ["workflow_archived"]
    return answer


async def executions_change(two: Two) -> httpx2.Response:
    return await two.behind.admin.call("PATCH", f"/executions/{await two.moved()}", {"labels": {"team": "north"}, "priority": 3})


async def executions_cancel(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/executions/{await two.moved()}/cancel")


async def executions_terminate(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/executions/{await two.moved()}/terminate")


async def executions_pause(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/executions/{await two.moved()}/pause")


async def executions_resume(two: Two) -> httpx2.Response:
    execution_id = await two.moved()
    await ok(two.ahead.admin.post(f"/executions/{execution_id}/pause"))
    return await two.behind.admin.post(f"/executions/{execution_id}/resume")


async def executions_signal(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/executions/{await two.moved()}/signal", {"name": "hello"})


async def executions_fork(two: Two) -> httpx2.Response:
    """From the approval that the process behind has never seen."""
    execution_id = await two.moved()
    items = (await ok(two.ahead.admin.get(f"/executions/{execution_id}/history", limit=200)))["items"]
    node_id = [item["node_id"] for item in items if item["topic"].startswith("activation.started.")][-1]
    return await two.behind.admin.post(f"/executions/{execution_id}/fork", {"node_id": node_id})


async def executions_migrate(two: Two) -> httpx2.Response:
    """To a version that the process behind has never heard of, from an approval that it has not seen either."""
    execution_id = await two.moved()
    (workflow,) = (await ok(two.ahead.admin.get("/workflows", key="approvals")))["items"]
    renamed = line("approvals", approval("first"), approval("other"))
    await ok(two.ahead.admin.call("PUT", f"/workflows/{workflow['id']}/draft", {"definition": renamed}))
    await ok(two.ahead.admin.post(f"/workflows/{workflow['id']}/publish"))
    answer = await two.behind.admin.post(f"/executions/{execution_id}/migrate", {"to_version": 2, "mapping": {"second": "other"}})
    assert [item["node_id"] for item in answer.json()["open"]] == ["other"]
    return answer


async def approvals_ask(two: Two) -> httpx2.Response:
    """Of a role that the process behind has never heard of."""
    await two.role(two.behind, "other")
    await two.role(two.ahead)
    return await two.behind.admin.post("/approvals", {"title": "A new press?", "by": {"roles": ["approver", "auditor"]}})


async def approvals_decide(two: Two) -> httpx2.Response:
    return await two.decided(two.behind, await two.moved())


def step(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "by": {"roles": ["approver"]}, **more}


IN_STEPS = line("in-steps", approval("ask"))
IN_STEPS["nodes"][2]["config"] = {"title": "ask", "outcomes": ANYBODY, "steps": [step("one"), step("two", ad_hoc=True)]}


async def at_second_step(two: Two) -> str:
    """A request that is known behind at its first step."""
    request_id = await two.open(await two.started(IN_STEPS))
    person = two.at(two.ahead, two.person.client)
    await ok(person.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))
    return request_id


async def approvals_send_back(two: Two) -> httpx2.Response:
    person, body = two.at(two.behind, two.person.client), {"step": "one", "comment": "Once more."}
    return await person.post(f"/approvals/{await at_second_step(two)}/return", body)


async def approvals_add_approver(two: Two) -> httpx2.Response:
    person, other = two.at(two.behind, two.person.client), await two.ahead.member("approver")
    return await person.post(f"/approvals/{await at_second_step(two)}/add-approver", {"user_id": other.user_id})


async def at_second(two: Two) -> tuple[Client, str]:
    """At the process that is behind, the person's; and the request that has come about ahead."""
    return two.at(two.behind, two.person.client), await two.open(await two.moved())


async def approvals_claim(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.post(f"/approvals/{request_id}/claim", {})


async def approvals_release(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    await ok(two.at(two.ahead, two.person.client).post(f"/approvals/{request_id}/claim", {}))
    return await person.post(f"/approvals/{request_id}/release", {})


SEVERAL = line("several", approval("ask"))
SEVERAL["nodes"][2]["config"] = {
    "title": "ask",
    "by": {"roles": ["approver"]},
    "rule": {"type": "all_answer"},
    "outcomes": [*ANYBODY, {"name": "no", "kind": "reject"}, {"name": "enough", "kind": "withdraw"}],
}
SEVERAL["edges"] += [{"source": "ask", "source_handle": name, "target": "end"} for name in ("no", "enough")]


async def asked_several(two: Two) -> tuple[Member, str]:
    """Another one who is asked, and the request that the person has started behind."""
    other = await two.ahead.member("approver")
    starter = two.at(two.behind, two.person.client)
    role_ids = [await two.ahead.role_id(role) for role in ("approver", "operator")]
    await ok(two.ahead.admin.call("PATCH", f"/members/{two.person.user_id}", {"role_ids": role_ids}))
    await two.behind.publish(SEVERAL)
    started = await ok(starter.post("/executions", {"workflow_key": "several"}))
    return other, str(started["open"][0]["id"])


async def approvals_make_link(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.post(f"/approvals/{request_id}/links", {"outcome": "approved"})


async def approval_links_revoke(two: Two) -> httpx2.Response:
    ahead = two.at(two.ahead, two.person.client)
    request_id = await two.open(await two.moved())
    made = await ok(ahead.post(f"/approvals/{request_id}/links", {"outcome": "approved"}))
    return await two.at(two.behind, two.person.client).call("DELETE", f"/approval-links/{made['id']}")


def one_time(secret: str, later: int = 0) -> dict[str, str]:
    """A code of now, or of the next half minutes."""
    return {"code": code_at(b32decode(secret), int(time.time()) // SECONDS + later)}


async def totp_enrol(two: Two) -> httpx2.Response:
    await ok(two.at(two.behind, two.person.client).post("/totp"))
    await ok(two.at(two.ahead, two.person.client).post("/totp"))
    return await two.at(two.behind, two.person.client).post("/totp")


async def totp_confirm(two: Two) -> httpx2.Response:
    await ok(two.at(two.behind, two.person.client).post("/totp"))
    begun = await ok(two.at(two.ahead, two.person.client).post("/totp"))
    return await two.at(two.behind, two.person.client).post("/totp/confirm", one_time(begun["secret"]))


async def totp_remove(two: Two) -> httpx2.Response:
    begun = await ok(two.at(two.behind, two.person.client).post("/totp"))
    await ok(two.at(two.ahead, two.person.client).post("/totp/confirm", one_time(begun["secret"])))
    return await two.at(two.behind, two.person.client).call("DELETE", "/totp", one_time(begun["secret"], 1))


async def members_reset_totp(two: Two) -> httpx2.Response:
    await ok(two.at(two.ahead, two.person.client).post("/totp"))
    return await two.behind.admin.call("DELETE", f"/members/{two.person.user_id}/totp")


async def approvals_revoke(two: Two) -> httpx2.Response:
    _, request_id = await asked_several(two)
    ahead = two.at(two.ahead, two.person.client)
    await ok(ahead.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/revoke", {})


async def approvals_reassign(two: Two) -> httpx2.Response:
    other, request_id = await asked_several(two)
    late = await two.ahead.member("approver")
    body = {"from_user_id": other.user_id, "to_user_id": late.user_id}
    return await two.behind.admin.post(f"/approvals/{request_id}/reassign", body)


async def approvals_withdraw(two: Two) -> httpx2.Response:
    other, request_id = await asked_several(two)
    await ok(two.at(two.ahead, other.client).post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/withdraw")


async def approvals_override(two: Two) -> httpx2.Response:
    """By a right that the process behind has not heard of yet."""
    person, request_id = await at_second(two)
    role_ids = [await two.ahead.role_id(role) for role in ("approver", "owner")]
    await ok(two.ahead.admin.call("PATCH", f"/members/{two.person.user_id}", {"role_ids": role_ids}))
    return await person.post(f"/approvals/{request_id}/override", {"outcome": "approved", "reason": "It is urgent."})


async def approvals_preview(two: Two) -> httpx2.Response:
    """Of a role that the process behind has never heard of."""
    await two.role(two.behind, "other")
    await two.role(two.ahead)
    return await two.behind.admin.post("/approvals/preview", {"request": {"title": "A press?", "by": {"roles": ["auditor"]}}})


async def approvals_preview_past(two: Two) -> httpx2.Response:
    _, request_id = await at_second(two)
    definition = {"title": "A press?", "by": {"roles": ["approver"]}}
    answer = await two.behind.admin.post("/approvals/preview-past", {"definition": definition, "ids": [request_id]})
    assert "problem" not in answer.json()["items"][0], answer.text
    return answer


async def approvals_act_on_many(two: Two) -> httpx2.Response:
    """What has come about ahead, and what was decided there."""
    person, request_id = await at_second(two)
    other = (await ok(two.ahead.admin.post("/approvals", {"title": "A new press?"})))["id"]
    await ok(two.at(two.ahead, two.person.client).post(f"/approvals/{other}/decide", {"outcome": "approved"}))
    items = [{"id": id, "outcome": "approved"} for id in (request_id, other)]
    answer = await person.post("/approvals/bulk", {"action": "decide", "items": items})
    assert [item["status"] for item in answer.json()["items"]] == [200, 409], answer.text
    return answer


async def inbox_save(two: Two) -> httpx2.Response:
    """The last word is what is kept, at whichever process it was said."""
    here, there = two.at(two.behind, two.person.client), two.at(two.ahead, two.person.client)
    await ok(here.call("PUT", "/inbox/filters", {"items": [{"name": "one", "filter": {}}]}))
    await ok(there.call("PUT", "/inbox/filters", {"items": [{"name": "two", "filter": {}}]}))
    answer = await here.call("PUT", "/inbox/filters", {"items": [{"name": "three", "filter": {"overdue": "true"}}]})
    assert (await ok(there.get("/inbox/filters"))) == answer.json()
    return answer


async def approvals_recall(two: Two) -> httpx2.Response:
    other, request_id = await asked_several(two)
    await ok(two.at(two.ahead, other.client).post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/recall")


async def approvals_resubmit(two: Two) -> httpx2.Response:
    _, request_id = await asked_several(two)
    await ok(two.at(two.ahead, two.person.client).post(f"/approvals/{request_id}/recall"))
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/resubmit")


async def approvals_ask_question(two: Two) -> httpx2.Response:
    """Somebody who has become a member since."""
    _, request_id = await asked_several(two)
    late = await two.ahead.member("approver")
    body = {"text": "Why?", "to_user_id": late.user_id}
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/ask", body)


async def approvals_answer_question(two: Two) -> httpx2.Response:
    other, request_id = await asked_several(two)
    asked = await ok(two.at(two.ahead, other.client).post(f"/approvals/{request_id}/ask", {"text": "Why?"}))
    body = {"question_id": asked["id"], "text": "So."}
    return await two.at(two.behind, two.person.client).post(f"/approvals/{request_id}/answer", body)


async def approvals_comment(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.post(f"/approvals/{request_id}/comments", {"text": "So."})


async def commented_ahead(two: Two) -> tuple[Client, str]:
    """At the process that is behind, the person's; and the address of what they have said ahead."""
    person, request_id = await at_second(two)
    ahead = two.at(two.ahead, two.person.client)
    said = await ok(ahead.post(f"/approvals/{request_id}/comments", {"text": "So."}))
    return person, f"/approvals/{request_id}/comments/{said['id']}"


async def approvals_edit_comment(two: Two) -> httpx2.Response:
    person, address = await commented_ahead(two)
    return await person.call("PATCH", address, {"text": "Not so."})


async def approvals_delete_comment(two: Two) -> httpx2.Response:
    person, address = await commented_ahead(two)
    return await person.call("DELETE", address)


async def approvals_save_draft(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.call("PUT", f"/approvals/{request_id}/draft", {"draft": {"comment": "Hm."}})


async def approvals_drop_draft(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.call("DELETE", f"/approvals/{request_id}/draft")


async def approvals_watch(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    return await person.post(f"/approvals/{request_id}/watch")


async def approvals_unwatch(two: Two) -> httpx2.Response:
    person, request_id = await at_second(two)
    await ok(two.at(two.ahead, two.person.client).post(f"/approvals/{request_id}/watch"))
    return await person.post(f"/approvals/{request_id}/unwatch")


async def events_receive(two: Two) -> httpx2.Response:
    """An event is received once, also where another process had it first."""
    event = {"specversion": "1.0", "id": "7", "source": "shop", "type": "paid", "data": {"order": 1}}
    await ok(two.behind.admin.post("/events", {**event, "id": "6"}))
    await ok(two.ahead.admin.post("/events", event))
    answer = await two.behind.admin.post("/events", event)
    assert answer.json()["status"] == "duplicate", answer.text
    return answer


# Triggers


async def scheduled(two: Two) -> str:
    """The id of a trigger that is known behind."""
    await two.behind.publish(SCHEDULED)
    trigger_id = str((await ok(two.behind.admin.get("/triggers")))["items"][0]["id"])
    await ok(two.behind.admin.post(f"/triggers/{trigger_id}/pause"))
    await ok(two.ahead.admin.post(f"/triggers/{trigger_id}/resume"))
    return trigger_id


async def triggers_pause(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/triggers/{await scheduled(two)}/pause")


async def triggers_resume(two: Two) -> httpx2.Response:
    trigger_id = await scheduled(two)
    await ok(two.ahead.admin.post(f"/triggers/{trigger_id}/pause"))
    return await two.behind.admin.post(f"/triggers/{trigger_id}/resume")


async def triggers_run(two: Two) -> httpx2.Response:
    """Its input is that of the version published ahead."""
    trigger_id = await scheduled(two)
    changed = {**SCHEDULED, "triggers": [{**SCHEDULED["triggers"][0], "input": {"new": True}}]}
    workflow_id = (await ok(two.ahead.admin.get(f"/triggers/{trigger_id}")))["workflow_id"]
    await ok(two.ahead.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": changed}))
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/publish"))
    answer = await two.behind.admin.post(f"/triggers/{trigger_id}/run")
    started = await ok(two.ahead.admin.get(f"/executions/{answer.json()['id']}"))
    assert (started["input"], started["workflow_version"]) == ({"new": True}, 2)
    return answer


async def triggers_rotate(two: Two) -> httpx2.Response:
    """The address of before is no more, at both processes."""
    await two.behind.publish(HOOKED)
    trigger_id = (await ok(two.behind.admin.get("/triggers")))["items"][0]["id"]
    first = await ok(two.behind.admin.post(f"/triggers/{trigger_id}/rotate"))
    second = await ok(two.ahead.admin.post(f"/triggers/{trigger_id}/rotate"))
    assert (await two.behind.admin.http.post(first["address"])).status_code == 404
    assert (await two.behind.admin.http.post(second["address"])).status_code == 202
    answer = await two.behind.admin.post(f"/triggers/{trigger_id}/rotate")
    assert (await two.ahead.admin.http.post(second["address"])).status_code == 404
    return answer


async def triggers_backfill(two: Two) -> httpx2.Response:
    trigger_id = await scheduled(two)
    body = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T03:00:00Z"}
    await ok(two.ahead.admin.post(f"/triggers/{trigger_id}/backfill", body))
    answer = await two.behind.admin.post(f"/triggers/{trigger_id}/backfill", {**body, "to": "2026-01-01T04:00:00Z"})
    assert answer.json()["times"] == 1, answer.text
    return answer


# AI tasks and jobs


async def ai_tasks_ask(two: Two) -> httpx2.Response:
    """Whose output a role reviews that the process behind has never heard of."""
    await two.role(two.behind, "other")
    await two.role(two.ahead)
    review = {"when": "always", "by": {"roles": ["approver", "auditor"]}}
    return await two.behind.admin.post("/ai-tasks", {"model": "offline/echo", "prompt": "Say it.", "review": review})


async def ai_tasks_report_turns(two: Two) -> httpx2.Response:
    """After a turn that the process ahead was told of."""
    asked = {"model": "large", "prompt": "Say it.", "external": True}
    path = f"/ai-tasks/{(await ok(two.behind.admin.post('/ai-tasks', asked)))['id']}/turns"
    turn = {"model": "large-1", "provider": "ours", "text": "It."}
    await ok(two.ahead.admin.post(path, {"turns": [turn]}))
    answer = await two.behind.admin.post(path, {"turns": [turn], "finish": {}})
    assert answer.json()["turns"] == 2, answer.text
    return answer


async def ai_tasks_cancel(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/ai-tasks/{await two.second_agent()}/cancel")


async def ai_tasks_retry(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"/ai-tasks/{await two.second_agent()}/retry")


async def jobs_lease(two: Two) -> httpx2.Response:
    await two.started(JOBS)
    await ok(report(two.worker, await leased(two.worker), "complete"))
    body = {"types": ["resize-image"], "worker_id": "behind"}
    answer = await two.at(two.behind, two.worker).post("/jobs/lease", body)
    assert len(answer.json()["items"]) == 1
    return answer


async def jobs_heartbeat(two: Two) -> httpx2.Response:
    return await report(two.at(two.behind, two.worker), await two.second_job(), "heartbeat")


async def jobs_release(two: Two) -> httpx2.Response:
    return await report(two.at(two.behind, two.worker), await two.second_job(), "release")


async def jobs_complete(two: Two) -> httpx2.Response:
    return await report(two.at(two.behind, two.worker), await two.second_job(), "complete")


async def jobs_fail(two: Two) -> httpx2.Response:
    return await report(two.at(two.behind, two.worker), await two.second_job(), "fail", {"error": {"type": "Broken"}})


async def jobs_report(two: Two) -> httpx2.Response:
    held = await two.second_job()
    body = {"reports": [{"id": held["id"], "fence": held["fence"], "output": 1}]}
    answer = await two.at(two.behind, two.worker).post("/jobs/report", body)
    assert [item["status"] for item in answer.json()["items"]] == [200]
    return answer


async def own_job(two: Two, **more: Any) -> dict[str, Any]:
    """Known behind as pending, and leased ahead."""
    await ok(two.behind.admin.post("/jobs", {"type": "resize-image", **more}))
    return await leased(two.worker)


async def jobs_enqueue(two: Two) -> httpx2.Response:
    """The one that has the key is over by then."""
    held = await own_job(two, unique_key="k")
    await ok(report(two.worker, held, "complete"))
    answer = await two.behind.admin.post("/jobs", {"type": "resize-image", "unique_key": "k"})
    assert answer.status_code == 201, answer.text
    return answer


async def jobs_enqueue_many(two: Two) -> httpx2.Response:
    """Another process has enqueued one with the key."""
    await own_job(two)
    ahead = await ok(two.ahead.admin.post("/jobs", {"type": "resize-image", "unique_key": "k"}))
    answer = await two.behind.admin.post("/jobs/bulk", {"items": [{"type": "resize-image", "unique_key": "k"}]})
    assert answer.json()["items"] == [{"status": 200, "job": {**ahead, "existing": True}}]
    return answer


async def jobs_cancel(two: Two) -> httpx2.Response:
    retry = {"max_attempts": 2}
    held = await own_job(two, retry=retry)
    await ok(report(two.worker, held, "fail", {"error": {"type": "Broken"}}))
    return await two.behind.admin.post(f"/jobs/{held['id']}/cancel")


async def jobs_retry(two: Two) -> httpx2.Response:
    held = await own_job(two)
    await ok(report(two.worker, held, "fail", {"error": {"type": "Broken"}}))
    return await two.behind.admin.post(f"/jobs/{held['id']}/retry")


# Workflows


async def query_run(two: Two) -> httpx2.Response:
    """By somebody whose key the process behind has never heard of."""
    analyst = await two.ahead.member("analyst")
    return await two.at(two.behind, analyst.client).post("/query", {"sql": "SELECT slug FROM tenants"})


async def workflows_lint(two: Two) -> httpx2.Response:
    return await two.behind.admin.post("/workflows/validate", {"definition": INSTANT})


async def workflows_draft(two: Two) -> httpx2.Response:
    """A refusal that is as true as before: the key is taken, whatever has become of the workflow."""
    workflow_id = await two.workflow(two.behind)
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/publish"))
    refused = await two.behind.admin.post("/workflows", {"definition": INSTANT})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    return await two.behind.admin.post("/workflows", {"definition": APPROVALS})


async def workflows_redraft(two: Two) -> httpx2.Response:
    workflow_id = await two.workflow(two.behind)
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/publish"))
    return await two.behind.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": INSTANT})


async def workflows_publish(two: Two) -> httpx2.Response:
    workflow_id = await two.behind.publish(INSTANT)
    await ok(two.ahead.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": {**APPROVALS, "key": "instant"}}))
    answer = await two.behind.admin.post(f"/workflows/{workflow_id}/publish")
    assert answer.json()["published_version"] == 2
    return answer


async def workflows_archive(two: Two) -> httpx2.Response:
    workflow_id = await two.workflow(two.behind)
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/publish"))
    return await two.behind.admin.post(f"/workflows/{workflow_id}/archive")


async def workflows_restore(two: Two) -> httpx2.Response:
    workflow_id = await two.behind.publish(INSTANT)
    await ok(two.ahead.admin.post(f"/workflows/{workflow_id}/archive"))
    answer = await two.behind.admin.post(f"/workflows/{workflow_id}/restore")
    assert answer.json()["status"] == "active"
    return answer


# People and access


async def users_register(two: Two) -> httpx2.Response:
    await two.user()
    return await two.behind.gesta.platform.post("/users", {"email": "new@acme.example", "display_name": "New"})


async def users_change(two: Two) -> httpx2.Response:
    user_id = await two.user()
    await ok(two.ahead.gesta.platform.call("PATCH", f"/users/{user_id}", {"display_name": "Other"}))
    return await two.behind.gesta.platform.call("PATCH", f"/users/{user_id}", {"is_active": False})


async def members_add(two: Two) -> httpx2.Response:
    user_id = await two.user()
    await ok(two.added(two.behind, user_id))
    await ok(two.ahead.admin.call("DELETE", f"/members/{user_id}"))
    return await two.added(two.behind, user_id, "approver")


async def members_change(two: Two) -> httpx2.Response:
    """To a role and a manager that are known ahead alone."""
    user_id, manager_id = await two.user(), await two.user()
    await ok(two.added(two.behind, user_id))
    role_id = await two.role(two.ahead)
    await ok(two.added(two.ahead, manager_id))
    return await two.behind.admin.call("PATCH", f"/members/{user_id}", {"role_ids": [role_id], "manager_id": manager_id})


async def members_remove(two: Two) -> httpx2.Response:
    user_id = await two.user()
    await ok(two.added(two.behind, user_id))
    await ok(two.ahead.admin.call("DELETE", f"/members/{user_id}"))
    await ok(two.added(two.ahead, user_id))
    return await two.behind.admin.call("DELETE", f"/members/{user_id}")


async def members_suspend(two: Two) -> httpx2.Response:
    user_id = await two.user()
    await ok(two.added(two.behind, user_id))
    await ok(two.behind.admin.post(f"/members/{user_id}/suspend"))
    await ok(two.ahead.admin.post(f"/members/{user_id}/reactivate"))
    return await two.behind.admin.post(f"/members/{user_id}/suspend")


async def members_reactivate(two: Two) -> httpx2.Response:
    user_id = await two.user()
    await ok(two.added(two.behind, user_id))
    await ok(two.ahead.admin.post(f"/members/{user_id}/suspend"))
    return await two.behind.admin.post(f"/members/{user_id}/reactivate")


async def invited(process: Tenant) -> str:
    made = await ok(process.admin.post("/invitations", {"email": "guest@else.example"}))
    invitation_id: str = made["id"]
    return invitation_id


async def guest(two: Two) -> None:
    await ok(two.behind.gesta.platform.post("/users", {"email": "guest@else.example", "display_name": "Guest"}))


async def invitations_invite(two: Two) -> httpx2.Response:
    """Invited, withdrawn elsewhere, and invited again."""
    invitation_id = await invited(two.behind)
    await ok(two.ahead.admin.call("DELETE", f"/invitations/{invitation_id}"))
    return await two.behind.admin.post("/invitations", {"email": "guest@else.example"})


async def calendar(process: Tenant) -> str:
    hours = {"mon": [{"from": "09:00", "to": "17:00"}]}
    body = {"key": "de", "name": "Germany", "time_zone": "Europe/Berlin", "hours": hours}
    return str((await ok(process.admin.post("/calendars", body)))["id"])


async def calendars_create(two: Two) -> httpx2.Response:
    """Another one beside that of the other process, whose key is taken here as well."""
    calendar_id = await calendar(two.behind)
    await ok(two.ahead.admin.call("PATCH", f"/calendars/{calendar_id}", {"name": "Other"}))
    body = await ok(two.behind.admin.get(f"/calendars/{calendar_id}"))
    given = {name: body[name] for name in ("key", "name", "time_zone", "hours")}
    refused = await two.behind.admin.post("/calendars", given)
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    return await two.behind.admin.post("/calendars", {**given, "key": "fr"})


async def calendars_change(two: Two) -> httpx2.Response:
    calendar_id = await calendar(two.behind)
    await ok(two.ahead.admin.call("PATCH", f"/calendars/{calendar_id}", {"holidays": ["2026-12-25"]}))
    answer = await two.behind.admin.call("PATCH", f"/calendars/{calendar_id}", {"name": "Other"})
    assert answer.json()["holidays"] == ["2026-12-25"], answer.text
    return answer


PROMPT: dict[str, Any] = {"template": {"user": "Hello."}}


async def prompt(process: Tenant, *versions: str) -> str:
    """The path of one with these versions and no draft."""
    await ok(process.admin.post("/prompts", {"key": "greet", **PROMPT}))
    for version in versions:
        await ok(process.admin.call("PUT", "/prompts/greet/draft", {"template": {"user": version}}))
        await ok(process.admin.post("/prompts/greet/publish"))
    return "/prompts/greet"


async def prompts_create(two: Two) -> httpx2.Response:
    """Another one beside that of the other process, whose key is taken here as well."""
    await prompt(two.behind)
    await ok(two.ahead.admin.call("PUT", "/prompts/greet/draft", {"template": {"user": "Other."}}))
    refused = await two.behind.admin.post("/prompts", {"key": "greet", **PROMPT})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    return await two.behind.admin.post("/prompts", {"key": "part", **PROMPT})


async def prompts_redraft(two: Two) -> httpx2.Response:
    path = await prompt(two.behind)
    await ok(two.ahead.admin.post(f"{path}/publish"))
    return await two.behind.admin.call("PUT", f"{path}/draft", PROMPT)


async def prompts_publish(two: Two) -> httpx2.Response:
    path = await prompt(two.behind, "One.")
    await ok(two.ahead.admin.call("PUT", f"{path}/draft", PROMPT))
    answer = await two.behind.admin.post(f"{path}/publish")
    assert answer.json()["current_version"] == 2, answer.text
    return answer


async def prompts_roll_back(two: Two) -> httpx2.Response:
    """To a version that the other process has published."""
    path = await prompt(two.behind, "One.")
    for text in ("Two.", "Three."):
        await ok(two.ahead.admin.call("PUT", f"{path}/draft", {"template": {"user": text}}))
        await ok(two.ahead.admin.post(f"{path}/publish"))
    return await two.behind.admin.post(f"{path}/rollback", {"version": 2})


async def prompts_archive(two: Two) -> httpx2.Response:
    path = await prompt(two.behind)
    await ok(two.ahead.admin.post(f"{path}/publish"))
    return await two.behind.admin.post(f"{path}/archive")


async def prompts_restore(two: Two) -> httpx2.Response:
    path = await prompt(two.behind)
    await ok(two.ahead.admin.post(f"{path}/archive"))
    return await two.behind.admin.post(f"{path}/restore")


async def prompts_render(two: Two) -> httpx2.Response:
    """What another process has published is shown."""
    path = await prompt(two.behind, "One.")
    await ok(two.ahead.admin.call("PUT", f"{path}/draft", {"template": {"user": "Two."}}))
    await ok(two.ahead.admin.post(f"{path}/publish"))
    answer = await two.behind.admin.post(f"{path}/render")
    assert answer.json()["prompt"] == "Two.", answer.text
    return answer


async def delegation(two: Two, process: Tenant) -> tuple[str, dict[str, str]]:
    """Its id, and from whom to whom."""
    people = [await two.user(), await two.user()]
    for one in people:
        await ok(two.added(two.ahead, one, "approver"))
    given = dict(zip(("from_user_id", "to_user_id"), people, strict=True))
    return str((await ok(process.admin.post("/delegations", given)))["id"]), given


async def delegations_give(two: Two) -> httpx2.Response:
    """The other way round, once what was given is taken back elsewhere."""
    delegation_id, given = await delegation(two, two.behind)
    back = {"from_user_id": given["to_user_id"], "to_user_id": given["from_user_id"]}
    refused = await two.behind.admin.post("/delegations", back)
    assert (refused.status_code, refused.json()["code"]) == (409, "delegation_cycle")
    await ok(two.ahead.admin.call("DELETE", f"/delegations/{delegation_id}"))
    return await two.behind.admin.post("/delegations", back)


async def delegations_end(two: Two) -> httpx2.Response:
    delegation_id, given = await delegation(two, two.behind)
    await ok(two.ahead.admin.post("/delegations", given))
    return await two.behind.admin.call("DELETE", f"/delegations/{delegation_id}")


LOCAL = {"kind": "openai_compatible", "base_url": "https://models.example/v1"}


async def ai_providers_set(two: Two) -> httpx2.Response:
    await ok(two.behind.admin.call("PUT", "/ai-providers/local", LOCAL))
    await ok(two.ahead.admin.call("PUT", "/ai-providers/local", {**LOCAL, "limits": {"concurrency": 5}}))
    answer = await two.behind.admin.call("PUT", "/ai-providers/local", LOCAL)
    assert answer.json()["limits"]["concurrency"] is None, answer.text
    return answer


async def ai_providers_remove(two: Two) -> httpx2.Response:
    await ok(two.ahead.admin.call("PUT", "/ai-providers/local", LOCAL))
    return await two.behind.admin.call("DELETE", "/ai-providers/local")


async def ai_models_set(two: Two) -> httpx2.Response:
    await ok(two.behind.admin.call("PUT", "/ai-models/fast", {"models": ["offline/echo"]}))
    await ok(two.ahead.admin.call("PUT", "/ai-models/fast", {"models": ["openai:small"]}))
    answer = await two.behind.admin.call("PUT", "/ai-models/fast", {"models": ["offline/echo"]})
    assert answer.json()["models"] == ["offline/echo"], answer.text
    return answer


async def ai_models_remove(two: Two) -> httpx2.Response:
    await ok(two.ahead.admin.call("PUT", "/ai-models/fast", {"models": ["offline/echo"]}))
    return await two.behind.admin.call("DELETE", "/ai-models/fast")


async def retention_set_days(two: Two) -> httpx2.Response:
    await ok(two.behind.admin.post("/retention", {"days": 90}))
    await ok(two.ahead.admin.post("/retention", {"days": 60}))
    return await two.behind.admin.post("/retention", {"days": 90})


async def retention_remove(two: Two) -> httpx2.Response:
    await two.behind.publish(INSTANT)
    made = await ok(two.ahead.admin.post("/retention", {"days": 90, "workflow_key": INSTANT["key"]}))
    return await two.behind.admin.call("DELETE", f"/retention/{made['id']}")


async def limits_set(two: Two) -> httpx2.Response:
    given = {"scope": "job_type", "name": "resize-image", "concurrency": 5}
    await ok(two.behind.admin.post("/limits", given))
    await ok(two.ahead.admin.post("/limits", {**given, "concurrency": 6}))
    return await two.behind.admin.post("/limits", given)


async def limits_remove(two: Two) -> httpx2.Response:
    made = await ok(two.ahead.admin.post("/limits", {"scope": "job_type", "name": "resize-image", "concurrency": 5}))
    return await two.behind.admin.call("DELETE", f"/limits/{made['id']}")


BUDGET: Any = {"scope": "tenant", "period": "month", "limits": {"calls": 5}}


async def budgets_set(two: Two) -> httpx2.Response:
    """One that was set here, and set otherwise in the other process, with the ETag of that."""
    await ok(two.behind.admin.call("PUT", "/budgets/monthly", BUDGET))
    ahead = await ok(two.ahead.admin.call("PUT", "/budgets/monthly", {**BUDGET, "limits": {"calls": 6}}))
    seen = two.behind.admin.with_headers(If_Match=f'"{ahead["version"]}"')
    return await seen.call("PUT", "/budgets/monthly", {**BUDGET, "limits": {"calls": 7}})


async def budgets_remove(two: Two) -> httpx2.Response:
    await ok(two.ahead.admin.call("PUT", "/budgets/monthly", BUDGET))
    return await two.behind.admin.call("DELETE", "/budgets/monthly")


async def bulk_operations_request(two: Two) -> httpx2.Response:
    """Of an execution that was started ahead."""
    await two.behind.publish(APPROVALS)
    await begun(two.ahead, "approvals")
    asked = {"action": "cancel", "filter": {"workflow_key": "approvals", "status": "running"}}
    answer = await two.behind.admin.post("/bulk-operations", asked)
    assert answer.json()["matched"] == 1
    return answer


async def bulk_operations_cancel(two: Two) -> httpx2.Response:
    asked = {"action": "cancel", "execution_ids": [await two.moved()]}
    made = await ok(two.ahead.admin.post("/bulk-operations", asked))
    return await two.behind.admin.post(f"/bulk-operations/{made['id']}/cancel")


async def evaluations_begin(two: Two) -> httpx2.Response:
    """With a prompt that was published ahead."""
    await two.ahead.admin.post("/prompts", {"key": "sort", "template": {"user": "Sort."}, "model": "offline/echo"})
    await ok(two.ahead.admin.post("/prompts/sort/publish"))
    variants = [{"name": "now", "prompt": {"key": "sort"}}]
    return await two.behind.admin.post("/evaluations", {**SUITE, "variants": variants})


async def evaluations_go_on_with(two: Two) -> httpx2.Response:
    """With a run whose task was asked for ahead: it is not asked for again."""
    made = await ok(two.behind.admin.post("/evaluations", SUITE))
    ahead = await ok(two.ahead.admin.post(f"/evaluations/{made['id']}/runs", RUN))
    answer = await two.behind.admin.post(f"/evaluations/{made['id']}/runs", RUN)
    assert answer.json()["run"] == ahead["run"]
    return answer


async def evaluations_cancel(two: Two) -> httpx2.Response:
    made = await ok(two.ahead.admin.post("/evaluations", SUITE))
    return await two.behind.admin.post(f"/evaluations/{made['id']}/cancel")


async def invitations_withdraw(two: Two) -> httpx2.Response:
    return await two.behind.admin.call("DELETE", f"/invitations/{await invited(two.ahead)}")


async def invitations_accept(two: Two) -> httpx2.Response:
    """By somebody who was a member, as this process knows, and has been removed by now."""
    await guest(two)
    member = await ok(two.behind.admin.post(f"/invitations/{await invited(two.behind)}/accept"))
    await ok(two.ahead.admin.call("DELETE", f"/members/{member['user_id']}"))
    return await two.behind.admin.post(f"/invitations/{await invited(two.ahead)}/accept")


async def invitations_decline(two: Two) -> httpx2.Response:
    await guest(two)
    return await two.behind.admin.post(f"/invitations/{await invited(two.ahead)}/decline")


async def roles_create(two: Two) -> httpx2.Response:
    role_id = await two.role(two.behind)
    await ok(two.ahead.admin.call("DELETE", f"/roles/{role_id}"))
    return await two.behind.admin.post("/roles", {"key": "auditor", "name": "Again", "permissions": []})


async def roles_change(two: Two) -> httpx2.Response:
    role_id = await two.role(two.behind)
    await ok(two.ahead.admin.call("PATCH", f"/roles/{role_id}", {"name": "Other"}))
    return await two.behind.admin.call("PATCH", f"/roles/{role_id}", {"permissions": []})


async def roles_delete(two: Two) -> httpx2.Response:
    role_id = await two.role(two.behind)
    await ok(two.ahead.admin.call("PATCH", f"/roles/{role_id}", {"name": "Other"}))
    return await two.behind.admin.call("DELETE", f"/roles/{role_id}")


async def api_keys_create(two: Two) -> httpx2.Response:
    user_id = await two.user()
    refused = await two.behind.admin.post("/api-keys", {"name": "k", "permissions": [], "user_id": user_id})
    assert refused.status_code in (404, 422)
    await ok(two.added(two.ahead, user_id))
    return await two.behind.admin.post("/api-keys", {"name": "k", "permissions": [], "user_id": user_id})


async def api_keys_revoke(two: Two) -> httpx2.Response:
    made = await ok(two.ahead.admin.post("/api-keys", {"name": "k", "permissions": []}))
    return await two.behind.admin.call("DELETE", f"/api-keys/{made['id']}")


async def api_keys_hand_over(two: Two) -> httpx2.Response:
    """To somebody who has only just become a member."""
    user_id = await two.user()
    made = await ok(two.behind.admin.post("/api-keys", {"name": "k", "permissions": []}))
    refused = await two.behind.admin.post(f"/api-keys/{made['id']}/hand-over", {"owner_id": user_id})
    assert 400 <= refused.status_code < 500
    await ok(two.added(two.ahead, user_id))
    return await two.behind.admin.post(f"/api-keys/{made['id']}/hand-over", {"owner_id": user_id})


async def secret(process: Tenant) -> str:
    return str((await ok(process.admin.post("/secrets", {"name": "token", "value": "sesame, open"})))["id"])


async def secrets_create(two: Two) -> httpx2.Response:
    """Of a name that was taken, as this process knows, and is free by now."""
    await ok(two.ahead.admin.call("DELETE", f"/secrets/{await secret(two.behind)}"))
    return await two.behind.admin.post("/secrets", {"name": "token", "value": "sesame, close"})


async def secrets_rotate(two: Two) -> httpx2.Response:
    secret_id = await secret(two.behind)
    await ok(two.ahead.admin.post(f"/secrets/{secret_id}/rotate", {"value": "another one"}))
    answer = await two.behind.admin.post(f"/secrets/{secret_id}/rotate", {"value": "yet another"})
    assert answer.json()["number"] == 3
    return answer


async def secrets_delete(two: Two) -> httpx2.Response:
    secret_id = await secret(two.behind)
    await ok(two.ahead.admin.post(f"/secrets/{secret_id}/rotate", {"value": "another one"}))
    return await two.behind.admin.call("DELETE", f"/secrets/{secret_id}")


# Notifications


async def endpoint(process: Tenant) -> str:
    body = {"url": "https://hooks.example/", "events": ["execution.*"]}
    return str((await ok(process.admin.post("/notifications/endpoints", body)))["id"])


async def moved_endpoint(two: Two, verb: str = "disable", body: Any = None) -> str:
    """Known behind as it was created."""
    id = await endpoint(two.behind)
    await ok(two.ahead.admin.post(f"/notifications/endpoints/{id}/{verb}", body))
    return f"/notifications/endpoints/{id}"


async def notifications_create(two: Two) -> httpx2.Response:
    await endpoint(two.ahead)
    return await two.behind.admin.post("/notifications/endpoints", {"url": "https://hooks.example/", "events": ["*"]})


async def notifications_change(two: Two) -> httpx2.Response:
    answer = await two.behind.admin.call("PATCH", await moved_endpoint(two), {"description": "Another one"})
    assert answer.json()["status"] == "disabled"
    return answer


async def notifications_delete(two: Two) -> httpx2.Response:
    return await two.behind.admin.call("DELETE", await moved_endpoint(two, "rotate"))


async def notifications_disable(two: Two) -> httpx2.Response:
    path = await moved_endpoint(two)
    await ok(two.ahead.admin.post(f"{path}/enable"))
    await ok(two.behind.admin.post(f"{path}/disable"))
    await ok(two.ahead.admin.post(f"{path}/enable"))
    return await two.behind.admin.post(f"{path}/disable")


async def notifications_enable(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"{await moved_endpoint(two)}/enable")


async def notifications_rotate(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"{await moved_endpoint(two, 'rotate')}/rotate", {})


async def notifications_test(two: Two) -> httpx2.Response:
    return await two.behind.admin.post(f"{await moved_endpoint(two)}/test")


async def notifications_replay(two: Two) -> httpx2.Response:
    path = await moved_endpoint(two)
    await ok(two.ahead.admin.post(f"{path}/enable"))
    return await two.behind.admin.post(f"{path}/replay", {"from": "2026-01-01T00:00:00Z"})


async def notifications_rewind(two: Two) -> httpx2.Response:
    body = {"url": "https://hooks.example/", "events": ["execution.*"], "format": "events"}
    id = (await ok(two.behind.admin.post("/notifications/endpoints", body)))["id"]
    await ok(two.ahead.admin.post(f"/notifications/endpoints/{id}/rewind", {"position": 0}))
    return await two.behind.admin.post(f"/notifications/endpoints/{id}/rewind", {"position": 1})


async def notifications_put_preferences(two: Two) -> httpx2.Response:
    one = await two.user()
    await ok(two.added(two.ahead, one, "viewer"))
    key = (await ok(two.ahead.admin.post("/api-keys", {"name": "hers", "permissions": [], "user_id": one})))["token"]
    ahead, behind = (Client(process.admin.http, key) for process in (two.ahead, two.behind))
    await ok(ahead.call("PUT", "/notifications/preferences", {"mail": ["decided"]}))
    answer = await behind.call("PUT", "/notifications/preferences", {"mail": []})
    assert answer.json()["version"] == 2
    return answer


async def notifications_put_default(two: Two) -> httpx2.Response:
    await ok(two.ahead.admin.call("PUT", "/notifications/preferences/default", {"mail": ["decided"]}))
    return await two.behind.admin.call("PUT", "/notifications/preferences/default", {"mail": []})


async def deliveries_retry(two: Two) -> httpx2.Response:
    """Its endpoint was disabled when this process looked last."""
    path = await moved_endpoint(two)
    asked = await ok(two.behind.admin.post(f"{path}/test"))
    await ok(two.ahead.admin.post(f"{path}/enable"))
    await ok(two.ahead.admin.post(f"/deliveries/{asked['id']}/retry"))
    return await two.behind.admin.post(f"/deliveries/{asked['id']}/retry")


# Tenants


async def tenants_create(two: Two) -> httpx2.Response:
    await ok(two.ahead.gesta.platform.post("/tenants", {"slug": "other", "name": "Other"}))
    refused = await two.behind.gesta.platform.post("/tenants", {"slug": "other", "name": "Other"})
    assert refused.status_code == 409
    return await two.behind.gesta.platform.post("/tenants", {"slug": "third", "name": "Third"})


async def tenants_suspend(two: Two) -> httpx2.Response:
    platform, id = two.behind.gesta.platform, two.behind.id
    await ok(platform.post(f"/tenants/{id}/suspend"))
    await ok(two.ahead.gesta.platform.post(f"/tenants/{id}/reactivate"))
    return await platform.post(f"/tenants/{id}/suspend")


async def tenants_reactivate(two: Two) -> httpx2.Response:
    platform, id = two.behind.gesta.platform, two.behind.id
    await ok(platform.post(f"/tenants/{id}/suspend"))
    await ok(two.ahead.gesta.platform.post(f"/tenants/{id}/reactivate"))
    await ok(two.ahead.gesta.platform.post(f"/tenants/{id}/suspend"))
    return await platform.post(f"/tenants/{id}/reactivate")


async def tenant_change(two: Two) -> httpx2.Response:
    await ok(two.behind.admin.call("PATCH", "/tenant", {"name": "One"}))
    await ok(two.ahead.admin.call("PATCH", "/tenant", {"name": "Two"}))
    return await two.behind.admin.call("PATCH", "/tenant", {"name": "Three"})


CASES: dict[str, Callable[[Two], Awaitable[httpx2.Response]]] = {
    case.__name__: case
    for case in (
        executions_start,
        executions_bulk,
        executions_change,
        executions_cancel,
        executions_terminate,
        executions_pause,
        executions_resume,
        executions_signal,
        executions_fork,
        executions_migrate,
        events_receive,
        triggers_pause,
        triggers_resume,
        triggers_run,
        triggers_backfill,
        triggers_rotate,
        approvals_ask,
        approvals_decide,
        approvals_send_back,
        approvals_add_approver,
        approvals_claim,
        approvals_release,
        approvals_revoke,
        approvals_make_link,
        approval_links_revoke,
        totp_enrol,
        totp_confirm,
        totp_remove,
        members_reset_totp,
        approvals_reassign,
        approvals_withdraw,
        approvals_override,
        approvals_preview,
        approvals_preview_past,
        approvals_act_on_many,
        inbox_save,
        approvals_recall,
        approvals_resubmit,
        approvals_ask_question,
        approvals_answer_question,
        approvals_comment,
        approvals_edit_comment,
        approvals_delete_comment,
        approvals_save_draft,
        approvals_drop_draft,
        approvals_watch,
        approvals_unwatch,
        ai_tasks_ask,
        ai_tasks_report_turns,
        ai_tasks_cancel,
        ai_tasks_retry,
        jobs_lease,
        jobs_heartbeat,
        jobs_release,
        jobs_complete,
        jobs_fail,
        jobs_report,
        jobs_enqueue,
        jobs_enqueue_many,
        jobs_cancel,
        jobs_retry,
        query_run,
        workflows_lint,
        workflows_draft,
        workflows_redraft,
        workflows_publish,
        workflows_archive,
        workflows_restore,
        users_register,
        users_change,
        invitations_invite,
        invitations_withdraw,
        calendars_create,
        calendars_change,
        prompts_create,
        prompts_redraft,
        prompts_publish,
        prompts_roll_back,
        prompts_archive,
        prompts_restore,
        prompts_render,
        delegations_give,
        delegations_end,
        ai_providers_set,
        ai_providers_remove,
        ai_models_set,
        ai_models_remove,
        retention_set_days,
        retention_remove,
        limits_set,
        limits_remove,
        budgets_set,
        budgets_remove,
        bulk_operations_request,
        bulk_operations_cancel,
        evaluations_begin,
        evaluations_go_on_with,
        evaluations_cancel,
        invitations_accept,
        invitations_decline,
        members_add,
        members_change,
        members_remove,
        members_suspend,
        members_reactivate,
        roles_create,
        roles_change,
        roles_delete,
        api_keys_create,
        api_keys_revoke,
        api_keys_hand_over,
        secrets_create,
        secrets_rotate,
        secrets_delete,
        notifications_create,
        notifications_change,
        notifications_delete,
        notifications_disable,
        notifications_enable,
        notifications_rotate,
        notifications_test,
        notifications_replay,
        notifications_rewind,
        notifications_put_preferences,
        notifications_put_default,
        deliveries_retry,
        tenants_create,
        tenants_suspend,
        tenants_reactivate,
        tenant_change,
    )
}
