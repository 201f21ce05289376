"""The same scenarios without a server and with one: a real API, a worker of the platform, and the doubles in the SDK's worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from client import Client
from client.protocol import get
from domain.facts import Json
from engine.engine import Engine
from testkit import NEVER, Member, NoAnswerLeft, NotSo, Refused, Server, fails, in_turn, response, scenario, takes
from tests.api.conftest import Gesta, gesta
from tests.client.conftest import url_of
from tests.engine.drawing import EVALUATOR, ask, drawing
from tests.engine.items import body
from tests.worker.house import ScriptedProvider, at_work
from worker.worker import open_worker

__all__ = ["gesta"]

RETRY = {"max_attempts": 3, "initial_interval": "PT0.05S"}
ORDERS: Json = {"url": "https://shop.example/orders", "method": "POST", "body": {"amount": "=input.amount"}, "idempotent": True}
SHIP: Json = {"workflow_key": "shipping", "version": 2, "input": {"order": "=nodes.order.output.number"}}


def shop() -> Json:
    """A model, a service, a person, a worker, another workflow: everything that has doubles."""
    nodes: dict[str, Any] = {
        "start": "start",
        "classify": (
            "ai_agent",
            {"model": "openai:x", "prompt": "='Classify ' + input.text", "output_schema": {"type": "string"}},
        ),
        "order": ("http", {**ORDERS, "output": {"number": "=response.body.number", "who": "=input.text"}}, {"retry": RETRY}),
        "review": ask("yes:approve:approver", "no:reject", due_in="PT0.1S"),
        "charge": ("task", {"job_type": "charge", "input": {"n": "=nodes.order.output.number"}}, {"retry": RETRY}),
        "ship": ("workflow", SHIP),
        "end": (
            "end",
            {"output": ["=nodes.classify.output", "=nodes.order.output", "=nodes.charge.output", "=nodes.ship.output"]},
        ),
        "no": ("end", {"output": "no"}),
    }
    edges = ("start > classify", "classify > order", "order > review", "review.yes > charge", "review.no > no", "charge > ship")
    return drawing(nodes, *edges, "ship > end")


def bought(on: Server | None) -> None:
    with scenario(
        shop(),
        workers={"charge": in_turn(OSError("away"), lambda input: {"paid": input["n"]})},
        ai={"classify": lambda input: input["prompt"].upper()},
        http={"order": in_turn(response(503), response(201, {"number": 7}))},
        workflows={"shipping": lambda input: {"sent": input["order"]}},
        on=on,
    ) as s:
        run = s.start({"text": "it", "amount": 3}, by="ben")
        s.pass_time("PT1S")
        assert (run.waiting, run.overdue) == (["review"], ["review"])
        with pytest.raises(Refused, match="not_eligible"):
            run.decide("review", "yes", by="ben", roles=["clerk"])
        run.approve("review", by="ann", roles=["approver"])
        s.pass_time("PT1S")
        assert run.completed == ["CLASSIFY IT", {"number": 7, "who": "it"}, {"paid": 7}, {"sent": 7}]
        assert run.visited == ["start", "classify", "order", "review", "charge", "ship", "end"]
        assert [asked.of for asked in s.asked] == ["classify", "order", "order", "charge", "charge", "shipping"]
        assert s.asked_of("order")[1] == s.asked_of("order")[0]
        assert s.asked_of("order")[0]["body"] == {"amount": 3}
        assert [child.completed for child in run.children] == [{"sent": 7}]
        assert [one.id for one in s.runs] == [run.id]


def told(on: Server | None) -> None:
    """Events, signals, and time that passes."""
    nodes: dict[str, Any] = {
        "start": "start",
        "hear": ("wait_event", {"event_type": "paid", "when": "event.data.order == input.order"}),
        "late": ("wait", {"duration": "PT0.2S"}),
        "tell": ("emit", {"event_type": "shipped", "data": "=input.order"}),
        "end": ("end", {"output": "=nodes.hear.output.data.by"}),
    }
    edges = ("start > hear", "hear > late", "late > tell", "tell > end", "hear.timeout > end")
    with scenario(drawing(nodes, *edges), on=on) as s:
        one, other = s.start({"order": 1}), s.start({"order": 2})
        s.event("paid", {"order": 1, "by": "an event"})
        other.signal("paid", {"order": 2, "by": "a signal"})
        s.pass_time("PT0.5S")
        assert one.completed == "an event"
        assert other.completed == "a signal"


def called(on: Server | None) -> None:
    """By requests to a webhook."""
    trigger = {"type": "webhook", "when": "body.type == 'paid'", "business_key": "=body.order", "input": {"order": "=body.order"}}
    nodes: dict[str, Any] = {"start": "start", "ship": ("task", {"job_type": "ship", "input": "=input.order"}), "end": "end"}
    schema = {"type": "object", "properties": {"order": {"type": "string"}}}
    definition = drawing(nodes, "start > ship", "ship > end", triggers=[trigger], input_schema=schema)
    with scenario(definition, workers={"ship": NEVER}, on=on) as s:
        assert s.request({"type": "paid", "order": "A"}, id="1") == "started"
        assert s.request({"type": "paid", "order": "A"}, id="1", headers={"X-Shop": "a"}, query={"a": "b"}) == "duplicate"
        assert s.request({"type": "seen", "order": "B"}) == "ignored"
        assert s.request({"type": "paid", "order": "A"}) == "skipped"
        with pytest.raises(Refused, match="expression_error: business_key"):
            s.request({"type": "paid", "order": 7})
        (run,) = s.runs
        assert run.waiting == ["ship"]
        assert s.asked_of("ship") == ["A"]


def called_by_a_model(on: Server | None) -> None:
    tool = {"type": "mcp", "tool_name": "ship", "business_key": "=arguments.order"}
    nodes: dict[str, Any] = {"start": "start", "ship": ("task", {"job_type": "ship", "input": "=input.order"}), "end": "end"}
    schema = {"type": "object", "properties": {"order": {"type": "string"}}}
    definition = drawing(nodes, "start > ship", "ship > end", triggers=[tool], input_schema=schema)
    with scenario(definition, workers={"ship": NEVER}, on=on) as s:
        run = s.call({"order": "A"})
        assert run.waiting == ["ship"]
        with pytest.raises(Refused, match="name_taken"):
            s.call({"order": "A"})
        with pytest.raises(Refused, match="expression_error: business_key"):
            s.call({"order": 7})
        assert s.asked_of("ship") == ["A"]


def by_hand(on: Server | None) -> None:
    nodes: dict[str, Any] = {"start": "start", "a": ("task", {"job_type": "a"}), "b": ("task", {"job_type": "b"}), "end": "end"}
    with scenario(drawing(nodes, "start > a", "a > b", "b > end"), workers={"b": NEVER}, on=on) as s:
        run = s.start()
        run.complete("a", 1)
        assert (run.output_of("a"), run.waiting) == (1, ["b"])
        assert "b (task): " in run.standing
        assert "its double never answers" in run.standing
        assert run.fail("b", "broken", retryable=False).failed["code"] == "broken"
        stopped = s.start()
        assert stopped.pause("wait").status == "paused"
        assert stopped.resume().cancel("over").cancelled == "over"


def fanned_out(on: Server | None) -> None:
    within = body({"work": ("task", {"job_type": "='res' + 'ize'", "input": "=item"})})
    node = ("foreach", {"items": "=input.items", "body": within, "on_item_error": "continue"})
    nodes: dict[str, Any] = {"start": "start", "each": node, "end": ("end", {"output": "=nodes.each.output.results"})}
    definition = drawing(nodes, "start > each", "each > end", "each.error > end")
    with scenario(
        definition, workers={"resize": lambda n: fails("torn", retryable=False) if n == 2 else takes("PT0.01S", n)}, on=on
    ) as s:
        run = s.start({"items": [1, 2, 3]})
        s.pass_time("PT1S")
        assert run.completed == [1, None, 3]
        assert sorted(s.asked_of("resize")) == [1, 2, 3]


def substituted(on: Server | None) -> None:
    """A colleague decides in somebody's place, for as long as that one says."""
    asking = ("approval", {"title": "Pay?", "by": {"users": ["=input.who"]}})
    nodes: dict[str, Any] = {"start": "start", "review": asking, "end": "end"}
    definition = drawing(nodes, "start > review", "review.approved > end", "review.rejected > end")
    people = {"ann": Member(["approver"]), "ben": Member(["admin"])}
    with scenario(definition, people=people, on=on) as s:
        run, other = [s.start({"who": s.id_of("ann")}) for _ in range(2)]
        assert run.asked("review") == {"users": ["ann"], "roles": []}
        with pytest.raises(Refused, match="no_delegation"):
            run.approve("review", by="ben", on_behalf_of="ann")
        given = s.delegate("ann", "ben", condition="request.title == 'Pay?'")
        with pytest.raises(Refused, match="not_eligible"):
            run.approve("review", by="ben")
        assert run.approve("review", by="ben", on_behalf_of="ann").status == "completed"
        given.take_back()
        with pytest.raises(Refused, match="no_delegation"):
            other.approve("review", by="ben", on_behalf_of="ann")


SCENARIOS = [bought, told, called, called_by_a_model, by_hand, fanned_out, substituted]


@pytest.mark.parametrize("play", SCENARIOS)
def test_without_a_server(play: Callable[[Server | None], None]) -> None:
    play(None)


@pytest.fixture
async def server(gesta: Gesta) -> AsyncIterator[Server]:
    """A tenant of its own for tests; ann approves, ben may only start."""
    tenant = await gesta.tenant()
    ann, ben, author = await tenant.member("approver"), await tenant.member("admin"), await tenant.member("owner")
    url, database = url_of(gesta), gesta.database
    opened = open_worker(database.system_url, Engine(EVALUATOR), ScriptedProvider(), listen_url=database.listen_url)
    async with opened as worker, at_work(worker):
        with (
            Client(url, author.client.token) as client,
            Client(url, ann.client.token) as anns,
            Client(url, ben.client.token) as bens,
        ):
            yield Server(client, {"ann": anns, "ben": bens}, patience=10)


@pytest.mark.parametrize("play", SCENARIOS)
async def test_with_a_server(server: Server, play: Callable[[Server | None], None]) -> None:
    await asyncio.to_thread(play, server)


async def test_what_a_double_says_of_the_test_reaches_it_and_nothing_stays_behind(server: Server) -> None:
    nodes: dict[str, Any] = {"start": "start", "a": ("task", {"job_type": "a"}), "end": "end"}
    looped = drawing(nodes, "start > a", "a > end")

    def play() -> None:
        with scenario(looped, workers={"a": in_turn()}, on=server) as s:
            run = s.start()
            with pytest.raises(NoAnswerLeft):
                _ = run.completed

    await asyncio.to_thread(play)
    left = await asyncio.to_thread(server.client.executions)
    assert {each.status for each in left.items} == {"cancelled"}
    workflows = await asyncio.to_thread(lambda: server.client.run(get("/workflows")))
    assert {each["status"] for each in workflows["items"]} == {"archived"}


async def test_on_a_server_time_is_real_and_people_have_keys(server: Server) -> None:
    nodes: dict[str, Any] = {"start": "start", "review": ask(), "end": "end"}
    asking = drawing(nodes, "start > review", "review.approved > end", "review.rejected > end")

    def play() -> None:
        with scenario(asking, on=Server(server.client, server.people, patience=0.2)) as s:
            run = s.start()
            with pytest.raises(ValueError, match="longer than a test may take"):
                s.pass_time("P1D")
            with pytest.raises(ValueError, match="has no client of zoe, but of: ann, ben"):
                run.approve("review", by="zoe")
            with pytest.raises(NotSo, match="review \\(approval\\): a decision"):
                _ = run.completed

    await asyncio.to_thread(play)
