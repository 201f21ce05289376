"""AI tasks by the clients, against a running server."""

from decimal import Decimal

import pytest

from client import AsyncClient, Conflict
from tests.api.conftest import Gesta, Tenant
from tests.client.conftest import url_of


async def test_an_agent_elsewhere_asks_for_a_task_and_reports_it(gesta: Gesta, acme: Tenant) -> None:
    key = (await acme.service("ai_tasks:run", "ai_tasks:read", "ai_tasks:control")).token
    turn = {"model": "large-1", "provider": "ours", "cost": "0.5", "currency": "EUR"}
    async with AsyncClient(url_of(gesta), key) as agent:
        asked = await agent.request_ai_task("What does it cost?", "large", external=True, name="Price check")
        looked = {"tool": "lookup", "arguments": {"id": 7}, "result": 12}
        reported = await agent.report_turns(asked.id, [{**turn, "calls": [looked]}])
        assert (reported.turns, reported.ended) == (1, False)
        assert (await agent.report_turns(asked.id, [{**turn, "text": "12"}], {})).ended
        done = await agent.wait_ai_task(asked.id, 5)
        assert (done.status, done.output, done.cost, done.currency) == ("completed", "12", Decimal(1), "EUR")
        assert (await agent.ai_task(asked.id)).data["calls"][0]["result"] == 12
        with pytest.raises(Conflict):
            await agent.report_turns(asked.id, finish={"output": "13"})
        other = await agent.request_ai_task("Say it.", "offline/echo")
        assert [each.id for each in await agent.ai_tasks(status="pending")] == [other.id]
        assert (await agent.cancel_ai_task(other.id, "Not needed.")).status == "cancelled"
