"""The player of the declarations, on a small log of our own making."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from client import AsyncClient
from engine.cel import CelEvaluator
from engine.validate import validate
from examples.declarations import by_worker
from examples.declarations.compare import OPEN_PLACES, PLACES, QUESTIONS, STATES, Figures, Question, differences, expected
from examples.declarations.log import Case, Step, read_cases
from examples.declarations.player import DEFINITION, Api, Refused, Script, Stage, play, play_case, set_up
from examples.declarations.turns import InTurns
from tests.api.conftest import Gesta

SAMPLE = Path(__file__).parent / "sample.csv"
CASES = read_cases(SAMPLE)
LATER = CASES[0].steps[-1].at

REQUESTS = Question(
    "requests in steps by their outcome and how each step ended",
    """
    SELECT found.outcome || ': ' || found.steps, count(*)
    FROM (
        SELECT r.outcome, string_agg(s.name || ' ' || s.status, ', ' ORDER BY s.step) AS steps
        FROM projections.approval_steps s
        JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (s.tenant_id, s.request_id)
        GROUP BY r.id, r.outcome
    ) AS found
    GROUP BY 1
    """,
)


def nothing(_taken: int) -> None:
    """Nobody watches."""


async def stage_of(gesta: Gesta, script: Script | None = None) -> tuple[Api, Stage]:
    api = Api(gesta.http)
    return api, await set_up(api, gesta.platform.token, script or Script())


async def asked(gesta: Gesta, stage: Stage, questions: tuple[Question, ...]) -> Mapping[str, Figures]:
    await gesta.projector.catch_up()
    async with await psycopg.AsyncConnection.connect(gesta.database.api_url) as connection:
        await connection.execute("SELECT set_config('gesta.tenant_id', %s, false)", (stage.tenant_id,))
        return {question.title: dict(await (await connection.execute(question.sql)).fetchall()) for question in questions}


def assert_same(log: Mapping[str, Figures], tables: Mapping[str, Figures]) -> None:
    assert log.keys() == tables.keys()
    assert {title: differences(log[title], tables[title]) for title in log} == {title: [] for title in log}


async def test_the_tables_say_what_the_log_says(gesta: Gesta) -> None:
    api, stage = await stage_of(gesta)
    await play(api, stage, CASES, 3, nothing)
    assert api.commands >= len(CASES) + sum(len(case.steps) for case in CASES)
    tables = await asked(gesta, stage, QUESTIONS)
    assert_same(expected(CASES), tables)
    assert tables[STATES.title] == {"paid": 3, "saved": 1, "withdrawn": 1, "returned": 2, "paid and withdrawn": 1}
    assert tables[PLACES.title] == {
        "declare": 8,
        "approval/review": 9,
        "approval/budget_owner": 4,
        "approval/supervisor": 3,
        "final": 4,
        "paying": 4,
        "returned": 4,
        "withdrawn": 2,
    }
    (requests,) = (await asked(gesta, stage, (REQUESTS,))).values()
    assert requests == {
        "final_approved: review completed, budget_owner completed, supervisor completed": 1,
        "final_approved: review completed, budget_owner completed, supervisor skipped": 1,
        "final_approved: review completed, budget_owner skipped, supervisor completed": 1,
        "final_approved: review completed, budget_owner skipped, supervisor skipped": 1,
        "rejected: review completed, budget_owner completed, supervisor completed": 1,
        "rejected: review completed, budget_owner completed, supervisor closed": 1,
        "rejected: review completed, budget_owner closed, supervisor closed": 3,
    }


async def test_a_player_that_begins_again_finds_its_place(gesta: Gesta) -> None:
    api, stage = await stage_of(gesta)
    half = [replace(case, steps=case.steps[: len(case.steps) // 2]) for case in CASES if len(case.steps) > 1]
    await play(api, stage, half, 2, nothing)
    tables = await asked(gesta, stage, QUESTIONS)
    assert_same(expected(half), tables)
    assert tables[OPEN_PLACES.title] == {
        "approval/review": 2,
        "approval/budget_owner": 1,
        "approval/supervisor": 1,
        "final": 1,
        "returned": 1,
        "withdrawn": 1,
    }
    before = api.commands
    again = (await stage_of(gesta))[1]
    assert again.tenant_id == stage.tenant_id
    await play(api, again, CASES, 2, nothing)
    whole, taken = (sum(len(case.steps) for case in cases) for cases in (CASES, half))
    assert api.commands - before == whole - taken + 1  # only "saved" had not begun
    assert_same(expected(CASES), await asked(gesta, again, QUESTIONS))


async def test_a_player_that_dies_again_and_again_takes_no_step_twice(gesta: Gesta) -> None:
    """Cut off after every fifth step that it was told of, with others on their way, wherever in a request that is."""
    api, stage = await stage_of(gesta)
    deaths, alive = 0, True
    while alive:
        try:
            await play(api, stage, CASES, 3, dying_after(5))
            alive = False
        except* Killed:
            deaths += 1
    assert deaths >= 3
    assert_same(expected(CASES), await asked(gesta, stage, QUESTIONS))


class Killed(Exception):
    """The player is no more."""


def dying_after(steps: int) -> Callable[[int], None]:
    """What hears of steps, and of those of before in one number, which do not count here."""
    heard = 0

    def progress(taken: int) -> None:
        nonlocal heard
        heard += taken == 1
        if heard > steps:
            raise Killed

    return progress


async def test_a_figure_that_differs_is_found(gesta: Gesta) -> None:
    api, stage = await stage_of(gesta)
    await play(api, stage, CASES[1:], 2, nothing)
    tables = await asked(gesta, stage, QUESTIONS)
    assert all(differences(log, tables[title]) for title, log in expected(CASES).items() if title != OPEN_PLACES.title)


@pytest.mark.parametrize(
    ("before", "step", "status", "code"),
    [
        ((), Step("payments", "payment_handled", LATER), 422, "unknown_outcome"),
        ((), Step("budget-owner", "approved", LATER), 403, "not_eligible"),
        ((), Step("employee", "final_approved", LATER), 403, "not_eligible"),
        (("pre-approver",), Step("budget-owner", "approved", LATER), 422, "unknown_outcome"),
        (("administration", "budget-owner"), Step("administration", "approved", LATER), 422, "unknown_outcome"),
    ],
    ids=[
        "paid before it is approved",
        "the budget owner before the administration",
        "the employee for the supervisor",
        "the budget owner, whose step is skipped",
        "the administration again",
    ],
)
async def test_a_step_out_of_order_or_by_another_role_is_refused(
    gesta: Gesta, before: tuple[str, ...], step: Step, status: int, code: str
) -> None:
    api, stage = await stage_of(gesta)
    taken = (CASES[0].steps[0], *(Step(role, "approved", CASES[0].steps[1].at) for role in before))
    with pytest.raises(Refused) as refused:
        await play_case(api, stage, Case("wrong", 1.0, (*taken, step)), nothing)
    assert (refused.value.status, refused.value.problem["code"]) == (status, code)
    assert_same(expected([Case("wrong", 1.0, taken)]), await asked(gesta, stage, QUESTIONS))


async def test_payments_are_the_work_of_a_worker(gesta: Gesta) -> None:
    api, stage = await stage_of(gesta, by_worker.SCRIPT)
    async with AsyncClient(str(gesta.http.base_url), stage.keys["payments"]) as client:
        worker = by_worker.worker(client, CASES)
        await play(api, stage, CASES, 3, nothing)
        serving = asyncio.create_task(worker.serve())  # not sooner: after a payment of today no decision of 2024 is accepted
        for case_id in ("paid", "returned", "both", "short"):
            await until_paid(api, stage, case_id)
        worker.stop()
        await serving
    tables = await asked(gesta, stage, by_worker.questions(QUESTIONS))
    assert_same(by_worker.expected_by_worker(CASES), tables)
    assert tables[by_worker.PAYMENTS.title] == {"completed": 3, "failed": 1}


async def until_paid(api: Api, stage: Stage, case_id: str) -> None:
    asked_for = {"business_key": case_id, "workflow_key": "declaration", "node_id": "paying"}
    async with asyncio.timeout(30):
        while (await api.call("GET", "/executions", stage.keys["employee"], params=asked_for))["items"]:
            pass  # asking takes a while in itself


def test_two_of_each_process_used_in_turns_play_the_same() -> None:
    """Two APIs, two projectors and two workers; each call goes to the API that did not see the one before."""
    command = [sys.executable, "-m", "examples.declarations", str(SAMPLE), "--processes", "2", "--in-flight", "3"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=240)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 APIs in turns" in ended.stdout
    assert "the tables say what the log says" in ended.stdout
    steps = sum(len(case.steps) for case in CASES)
    assert f"{len(CASES)} cases, {steps} steps" in ended.stdout
    assert ended.stdout.count("holds") == ended.stdout.count("equal") == 2, ended.stdout


async def test_a_client_of_several_apis_goes_to_each_in_turn(gesta: Gesta) -> None:
    """The first of these is not there."""
    urls = ["http://127.0.0.1:1", str(gesta.http.base_url)]
    limits = httpx2.Limits(max_connections=4)
    async with httpx2.AsyncClient(base_url=urls[0], transport=InTurns(urls, limits)) as http:
        reached = []
        for _ in range(4):
            try:
                reached.append((await http.get("/healthz")).status_code)
            except httpx2.ConnectError:
                reached.append(0)
    assert reached == [0, 200, 0, 200]


def test_the_definitions_have_no_faults() -> None:
    evaluator = CelEvaluator()
    demo = json.loads((Path(__file__).parents[2] / "examples/demo/expense.json").read_text())
    definitions: list[dict[str, Any]] = [DEFINITION, dict(by_worker.SCRIPT.definition), demo]
    for definition in definitions:
        assert [finding for finding in validate(definition, evaluator) if finding.severity == "error"] == []


def test_a_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(SAMPLE.read_text().replace("Declaration SAVED", "Declaration LOST"))
    with pytest.raises(ValueError, match=r"case saved, step 1.*LOST"):
        read_cases(path)
