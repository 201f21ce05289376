"""Reports that come while a request is under way go together in the next; each is answered for itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from client import AnswerLost, ApiError, AsyncClient, Invalid, Job, LeaseLost, Report
from client.reporting import Reporting
from tests.api.conftest import Client as Raw
from tests.api.conftest import Gesta, Tenant
from tests.api.working import execution, lease, start
from tests.client.conftest import url_of


class Line:
    """A client's `report` that notes how many reports each request has; the first waits until it may go."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.sizes: list[int] = []
        self.under_way = asyncio.Event()
        self.go = asyncio.Event()

    async def report(self, reports: Sequence[Report]) -> Sequence[ApiError | None]:
        self.sizes.append(len(reports))
        self.under_way.set()
        await self.go.wait()
        return await self._client.report(reports, patience=5.0)


@pytest.fixture
async def line(gesta: Gesta, hand: Raw) -> AsyncIterator[Line]:
    async with AsyncClient(url_of(gesta), hand.token) as client:
        yield Line(client)


async def jobs_of(acme: Tenant, hand: Raw, count: int) -> list[Job]:
    for _ in range(count):
        await start(acme)
    return [Job.of(item) for item in (await lease(hand, max=count)).json()["items"]]


async def tell(line: Line, reports: list[tuple[Report, int]]) -> list[Any]:
    """What comes of them: all but the first are there while the first is under way."""
    reporting = Reporting(line.report)
    first, *others = reports
    tasks = [asyncio.create_task(reporting.report(*first))]
    await asyncio.wait_for(line.under_way.wait(), 30)
    tasks += [asyncio.create_task(reporting.report(*other)) for other in others]
    await asyncio.sleep(0)
    line.go.set()
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)


async def outputs(acme: Tenant) -> list[Any]:
    """Of all executions, in the order in which they were started; None: it runs."""
    items = (await acme.admin.get("/executions", order="created_at")).json()["items"]
    found = [(await execution(acme, item["id"]))["output"] for item in items]
    return [output and output["resized"] for output in found]


async def test_what_comes_meanwhile_goes_together(acme: Tenant, hand: Raw, line: Line) -> None:
    jobs = await jobs_of(acme, hand, 5)
    assert await tell(line, [(Report(job, number + 1), 1) for number, job in enumerate(jobs)]) == [None] * 5
    assert line.sizes == [1, 4]
    assert await outputs(acme) == [1, 2, 3, 4, 5]


async def test_one_that_is_unreadable_and_one_that_is_lost_spoil_nothing(acme: Tenant, hand: Raw, line: Line) -> None:
    one, two, three, four = await jobs_of(acme, hand, 4)
    stale = replace(two, fence=99)
    came = await tell(line, [(Report(one, 1), 1), (Report(stale, 2), 1), (Report(three, "\0"), 3), (Report(four, 4), 1)])
    assert [type(each) for each in came] == [type(None), LeaseLost, Invalid, type(None)]
    assert await outputs(acme) == [1, None, None, 4]


async def test_a_request_stays_small(acme: Tenant, hand: Raw, line: Line) -> None:
    jobs = await jobs_of(acme, hand, 4)
    large = "x" * 300_000
    assert await tell(line, [(Report(jobs[0], 1), 1), *((Report(job, large), len(large)) for job in jobs[1:])]) == [None] * 4
    assert line.sizes == [1, 1, 1, 1]


async def test_a_server_that_is_away_is_told_to_everyone_who_waits() -> None:
    job = Job.of({"id": "j", "fence": 1, "type": "t", "input": None, "attempt": 1, "lease_until": "2026-01-01T00:00:00Z"})
    async with AsyncClient("http://127.0.0.1:1", "gk") as client:
        reporting = Reporting(partial(client.report, patience=0.0))
        came = await asyncio.gather(*(reporting.report(Report(job, n)) for n in range(3)), return_exceptions=True)
    assert [type(each) for each in came] == [AnswerLost] * 3


async def test_what_is_still_on_its_way_at_the_end_is_given_up(acme: Tenant, hand: Raw, line: Line) -> None:
    (job,) = await jobs_of(acme, hand, 1)
    reporting = Reporting(line.report)
    waiting = asyncio.create_task(reporting.report(Report(job, 1)))
    await asyncio.wait_for(line.under_way.wait(), 30)
    waiting.cancel()
    await asyncio.wait_for(reporting.aclose(), 30)
    assert await outputs(acme) == [None]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_an_answer_for_fewer_or_more_than_was_reported_leaves_nobody_waiting(count: int, acme: Tenant, hand: Raw) -> None:
    first, second = await jobs_of(acme, hand, 2)

    async def odd(reports: Sequence[Report]) -> Sequence[ApiError | None]:
        assert len(reports) == 2
        return [None] * count

    reporting = Reporting(odd)
    told = asyncio.gather(reporting.report(Report(first, "a")), reporting.report(Report(second, "b")), return_exceptions=True)
    outcomes = await asyncio.wait_for(told, 30)
    assert [type(outcome) for outcome in outcomes] == [AnswerLost, AnswerLost]
