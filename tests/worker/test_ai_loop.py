"""Agents that use tools: each call of a model and of a tool is on record, and is made once."""

import asyncio
import json
import signal
from collections import Counter
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskEvent,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
)
from domain.approval import Decider
from domain.budget import BUDGET_PERIOD, Limits, Wish, set_budget
from domain.facts import Json
from engine.ai_messages import AssistantMessage, UserMessage
from engine.ai_replay import replay
from engine.approvals import decide_approval
from engine.engine import cancel
from projections.projector import Projector
from projections.verify import verify
from runtime.pools import connect
from store.command import Command
from tests.cli.test_db import gesta
from tests.cli.test_doctor import addresses
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import ENGINE, PATIENCE, WHO, House, ScriptedProvider, at_work, house, worker_of
from tests.worker.outbound.servers import LOOPBACK, answering, server
from tests.worker.test_killed import started, stopped
from worker import ai_runner
from worker.ai.provider import AiAnswer, AiCall
from worker.ai.scripted import play
from worker.leases import LeftToLease
from worker.outbound.client import Outbound

PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}


class Offline(ScriptedProvider):
    """Plays what the task's input says, and counts."""

    made = 0

    async def call(self, call: AiCall) -> AiAnswer:
        self.made += 1
        self.calls.append(call)
        return play(call)


def tool(port: int, name: str = "lookup", **more: Json) -> Json:
    request = {"url": f"='http://127.0.0.1:{port}/items/' + string(arguments.id)", **more.pop("request", {})}
    return {"name": name, "type": "http", "parameters": PARAMETERS, "request": request, **more}


def agent_with(tools: list[Json], answers: list[Json], **config: Json) -> Json:
    fields = {name: config.pop(name) for name in ("retry", "timeout") if name in config}
    asked = {"model": "offline/script", "prompt": "Go.", "input": {"answers": answers}, "tools": tools, **config}
    nodes = {"s": "start", "a": ("ai_agent", asked, fields), "e": ("end", {"output": "=nodes.a.output"})}
    return drawing(nodes, "s > a", "a > e")


def calls(*ids: int, tool: str = "lookup") -> Json:
    return {"calls": [{"tool": tool, "arguments": {"id": id}} for id in ids]}


def ok(body: Json) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        len(data),
        data,
    )


async def task_of(home: House) -> AiTask:
    (stream,) = {event.stream_id for event in await home.events() if event.topic == "ai_task.requested.v1"}
    return (await home.handler.read(home.tenant_id, AI_TASK, stream))[0]


async def test_an_agent_calls_its_tools_turn_by_turn_and_answers(database: Database, tmp_path: Path) -> None:
    seen = list[bytes]()
    async with house(database) as home, server(answering(ok({"price": 7}), seen=seen)) as port:
        tools = [tool(port, policy={"deny": "arguments.id > 100"}), tool(port, "order", request={"method": "POST"})]
        answers = [calls(1, 101), calls(2, tool="order"), calls(1, tool="nothing"), {"text": "It costs {{last}}"}]
        way_out = Outbound(permitted=LOOPBACK)
        async with worker_of(database, provider=Offline(), outbound=way_out) as worker, at_work(worker):
            execution = await home.start(agent_with(tools, answers))
            ended = await home.ended(execution)
        task = await task_of(home)
        assert (ended.status, task.output) == ("completed", "It costs There is no tool nothing here.")
        statuses = [[call.status for call in turn.calls] for turn in task.turns]
        assert statuses == [["succeeded", "denied"], ["succeeded"], ["denied"], []]
        assert (task.totals.attempts, task.totals.tool_calls) == (4, 2)
        assert task.turns[0].calls[0].result == {"status": 200, "body": {"price": 7}}
        denied = [each.event.reason for each in await home.events() if isinstance(each.event, AiTaskToolCallDenied)]
        assert denied == ["policy", "not_allowed"]
        heads = [each.split(b"\r\n")[0] for each in seen]
        assert heads == [b"GET /items/1 HTTP/1.1", b"POST /items/2 HTTP/1.1"]
        assert f"Idempotency-Key: {task.turns[1].calls[0].id}".encode() in seen[1]
        assert home.jobs() == []
        await played_again(home, tmp_path)
        assert len(seen) == 2


async def played_again(home: House, at: Path) -> None:
    """From the ledger, by the command line: the server would count a call, and there is no provider."""
    task_id = next(str(event.stream_id) for event in await home.events() if event.topic == "ai_task.requested.v1")
    words = "ai", "replay", task_id, "--tenant", str(home.tenant_id)
    settings = addresses(home.database)
    same, told = gesta(at, *words, **settings), gesta(at, *words, "--json", **settings)
    assert (same.returncode, told.returncode) == (0, 0), same.stderr
    assert same.stdout.startswith("The same: 16 events, 4 turns, 4 attempts, 2 calls of tools, 2 denied calls.")
    report = json.loads(told.stdout)
    assert (report["same"], report["status"], report["recorded"], report["difference"]) == (True, "completed", 16, None)
    (at / "policy.json").write_text(json.dumps({"order": {"deny": "true"}}))
    other = gesta(at, *words, "--policy", str(at / "policy.json"), **settings)
    assert other.returncode == 1
    assert "Event 8 of 16 differs. It differs in calls." in other.stdout
    assert gesta(at, "ai", "replay", str(home.tenant_id), "--tenant", str(home.tenant_id), **settings).returncode == 2


async def test_a_model_is_told_of_the_conversation_that_it_goes_on_with(database: Database) -> None:
    def says(text: str, **more: Json) -> tuple[str, Json]:
        return "ai_agent", {"model": "offline/script", "prompt": "Go.", "input": {"answers": [{"text": text}]}, **more}

    nodes = {"s": "start", "a": says("one"), "b": says("two", continues="a"), "c": says("three", continues="b"), "e": "end"}
    provider = Offline()
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        await home.ended(await home.start(drawing(nodes, "s > a", "a > b", "b > c", "c > e")))
    said = [[each.text for each in call.before if isinstance(each, AssistantMessage)] for call in provider.calls]
    assert said == [[], ["one"], ["one", "two"]]
    assert [each.text for each in provider.calls[1].before if isinstance(each, UserMessage)] == [provider.calls[0].text]


async def test_whoever_goes_on_begins_behind_the_last_end_on_record(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does it dies at each boundary, again and again, between what is on record and what is not."""
    passed, deaths, seen = Counter[str](), Counter[str](), list[bytes]()

    def dies(name: str) -> None:
        passed[name] += 1
        if passed[name] % 2:
            deaths[name] += 1
            raise LeftToLease(name)

    monkeypatch.setattr(ai_runner, "failpoint", dies)
    answers = [calls(1, 2), calls(3), {"text": "done {{last}}"}]
    retry = {"max_attempts": 9, "initial_interval": "PT0.01S"}
    provider, way_out = Offline(), Outbound(permitted=LOOPBACK)
    async with house(database) as home, server(answering(ok(7), seen=seen)) as port:
        async with worker_of(database, provider=provider, outbound=way_out) as worker, at_work(worker):
            execution = await home.start(agent_with([tool(port, retry=retry)], answers, retry=retry))
            assert (await home.ended(execution)).status == "completed"
        assert set(deaths) == {f"worker.{what}" for what in BOUNDARIES}
        task, events = await task_of(home), [each.event for each in await home.events()]
        assert task.output == 'done {"status": 200, "body": 7}'
        lost = [each for each in events if isinstance(each, AiTaskAttemptFailed)]
        assert {each.error.type for each in lost} == {"lease_lost"}
        assert len(lost) == deaths["worker.attempt_started"] + deaths["worker.attempt_called"]
        assert provider.made == passed["worker.attempt_called"] == 3 + deaths["worker.attempt_called"]
        assert len([each for each in events if isinstance(each, AiTaskAttemptSucceeded)]) == 3
        answered = [each.call_id for each in events if isinstance(each, AiTaskToolCallSucceeded)]
        assert len(answered) == len(set(answered)) == 3
        assert len(seen) == passed["worker.tool_called"] == 3 + deaths["worker.tool_called"]
        assert (task.totals.tool_calls, home.jobs()) == (3, [])
        made, stream = provider.made, [each for each in await home.events() if isinstance(each.event, AI_TASK.events)]
        again = replay(stream[0].stream_id, [cast(AiTaskEvent, each.event) for each in stream], ENGINE)
        assert (again.difference, again.state.turns, provider.made) == (None, task.turns, made)


BOUNDARIES = ("attempt_started", "attempt_called", "attempt_ended", "tool_started", "tool_called", "tool_ended")


FIVE_CALLS = [calls(1), calls(2), calls(1, tool="nothing"), calls(3, tool="pay"), {"text": "done"}]
"""Of a model, and three of tools: the last one is asked for, and one that there is no tool for is none."""
KILLED = (
    *(f"worker.job_leased:{time}" for time in (1, 2)),
    *(f"worker.attempt_{what}:{time}" for what in ("started", "called", "ended") for time in (1, 2, 3, 4, 5)),
    *(f"worker.tool_{what}:{time}" for what in ("started", "called", "ended") for time in (1, 2, 3)),
)
"""Each boundary of the loop. The job is leased a second time, and the third tool is called, once a person has said yes."""


@pytest.mark.parametrize(
    "failpoint", [pytest.param(each, marks=[] if each == "worker.tool_called:3" else pytest.mark.nightly) for each in KILLED]
)
async def test_a_loop_survives_its_worker(database: Database, tmp_path: Path, failpoint: str) -> None:
    """Killed as `kill -9` does it: one call for each that is finished, and once more for the one that was under way."""
    made, seen, retry = tmp_path / "calls", list[bytes](), {"max_attempts": 3, "initial_interval": "PT0.01S"}
    async with house(database) as home, server(answering(ok(7), seen=seen)) as port:
        asks = {"ask": True, "by": {"roles": ["clerk"]}}
        pay = tool(port, "pay", policy=asks, request={"method": "POST", "idempotent": True}, retry=retry)
        execution = await home.start(agent_with([tool(port), pay], FIVE_CALLS, retry=retry))
        first = await started(database, made, failpoint)
        async with asyncio.TaskGroup() as people:
            people.create_task(said_yes(home))
            assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
            home.lapse_all()
            second = await started(database, made)
            assert (await home.ended(execution)).status == "completed"
        assert await stopped(second) == 0
        called, underway = Counter(head.split(b" ")[1].decode() for head in seen), failpoint.removeprefix("worker.")
        at_tool = int(underway[-1]) if underway.startswith("tool_called") else 0
        assert called == {f"/items/{id}": 1 + (id == at_tool) for id in (1, 2, 3)}
        assert len(made.read_text().splitlines()) == 5 + underway.startswith("attempt_called")
        await only_what_was_under_way_repeats(home, underway)
        paid = [head.splitlines() for head in seen if b"/items/3 " in head]
        keys = {line for head in paid for line in head if line.startswith(b"Idempotency-Key: ")}
        assert len(keys) == 1, "the call's, however often it is sent"
        assert home.jobs() == []


@pytest.mark.nightly
async def test_what_was_put_aside_for_a_killed_worker_s_call_counts_though_its_task_is_cancelled(
    database: Database, tmp_path: Path
) -> None:
    """When its lease ends, and `gesta verify` finds nothing amiss before or after it."""
    async with house(database) as home:
        limits = Limits(calls=5)
        await home.handler.handle(
            Command(home.tenant_id, "budget.set", WHO), lambda view: set_budget(view, "all", Wish(period="total", limits=limits))
        )
        execution = await home.start(agent_with([], [{"text": "done"}]))
        first = await started(database, tmp_path / "calls", "worker.attempt_called")
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        await home.handler.handle(
            Command(home.tenant_id, "execution.cancel", WHO), lambda view: cancel(view, ENGINE, execution, "enough")
        )
        (period,) = {each.stream_id for each in await home.events() if isinstance(each.event, BUDGET_PERIOD.events)}

        async def aside_and_used() -> tuple[int, int]:
            state, _ = await home.handler.read(home.tenant_id, BUDGET_PERIOD, period)
            return state.reserved.calls, state.used.calls

        assert (await aside_and_used(), len(home.jobs())) == ((1, 0), 1)
        assert await amiss(home, database) == {}
        home.lapse_all()
        second = await started(database, tmp_path / "calls")

        async def counted() -> bool:
            return await aside_and_used() == (0, 1)

        await home.until(counted)
        assert await stopped(second) == 0
        assert home.jobs() == []
        assert await amiss(home, database) == {}
        assert len((tmp_path / "calls").read_text().splitlines()) == 1


async def amiss(home: House, database: Database) -> dict[str, list[str]]:
    """But for names, of which a house makes no use."""
    await Projector(database.system_url).catch_up()
    async with connect(database.system_url, name="test") as connection:
        found = await verify(connection, home.tenant_id)
    return {part: sentences for part, sentences in found.broken.items() if sentences and part != "claims"}


async def said_yes(home: House) -> None:
    """By a clerk, as soon as one is asked."""

    async def asked() -> bool:
        return "ai_task.asked.v1" in await home.topics()

    await home.until(asked)
    (request,) = {each.stream_id for each in await home.events() if each.topic.startswith("approval.requested")}
    clerk = Decider(uuid4(), {"clerk"})
    command = Command(home.tenant_id, "approval.decide", WHO)
    await home.handler.handle(command, lambda view: decide_approval(view, ENGINE, request, clerk, outcome="approved"))


async def only_what_was_under_way_repeats(home: House, underway: str) -> None:
    """It is on record as lost; every other call of a model and of a tool began once, and ended once."""
    task, events = await task_of(home), [each.event for each in await home.events()]
    lost = [each for each in events if isinstance(each, AiTaskAttemptFailed | AiTaskToolCallFailed)]
    assert {each.error.type for each in lost} <= {"lease_lost"}
    assert len([each for each in lost if isinstance(each, AiTaskAttemptFailed)]) == underway.startswith(
        ("attempt_started", "attempt_called")
    )
    assert len([each for each in lost if isinstance(each, AiTaskToolCallFailed)]) == underway.startswith(
        ("tool_started", "tool_called")
    )
    begun = [each for each in events if isinstance(each, AiTaskAttemptStarted | AiTaskToolCallStarted)]
    assert len(begun) == 5 + 3 + len(lost)
    assert len([each for each in events if isinstance(each, AiTaskAttemptSucceeded)]) == 5
    assert [[call.status for call in turn.calls] for turn in task.turns] == [
        ["succeeded"],
        ["succeeded"],
        ["denied"],
        ["succeeded"],
        [],
    ]
