"""`gesta what-if` over what a server has recorded: it tells where executions would have gone, and changes nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from cli.main import app
from cli.trying import cases
from engine.what_if.changing import with_names
from projections.projector import Projector
from tests.api.conftest import Client, Gesta, Member, Tenant, projecting, serving
from tests.conftest import Database

TABLES = """
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_|information_schema' ORDER BY 1, 2
"""
ASK: dict[str, Any] = {"title": "Pay it?", "by": {"roles": ["approver"]}, "rule": {"type": "single"}}
EXPENSE: dict[str, Any] = {
    "key": "spending",
    "name": "Spending",
    "triggers": [{"type": "manual"}],
    "input_schema": {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "ask", "type": "approval", "config": ASK},
        {
            "id": "size",
            "type": "condition",
            "config": {"branches": [{"handle": "large", "when": "input.amount > 10000"}], "default": "small"},
        },
        {"id": "director", "type": "approval", "config": {"title": "So much?", "by": {"roles": ["admin"]}}},
        {"id": "paid", "type": "end", "config": {"output": {"paid": "=input.amount"}}},
        {"id": "refused", "type": "fail", "config": {"code": "refused", "message": "It is not paid."}},
    ],
    "edges": [
        {"source": "start", "target": "ask"},
        {"source": "ask", "source_handle": "approved", "target": "size"},
        {"source": "ask", "source_handle": "rejected", "target": "refused"},
        {"source": "size", "source_handle": "small", "target": "paid"},
        {"source": "size", "source_handle": "large", "target": "director"},
        {"source": "director", "source_handle": "approved", "target": "paid"},
        {"source": "director", "source_handle": "rejected", "target": "refused"},
    ],
}


async def started(acme: Tenant, amount: int) -> str:
    body = {"workflow_key": "spending", "business_key": f"EXP-{amount}", "input": {"amount": amount}}
    made = await acme.admin.post("/executions", body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def decide(execution_id: str, who: Member, outcome: str) -> None:
    execution = (await who.client.get(f"/executions/{execution_id}")).json()
    (asked,) = [each for each in execution["open"] if each["kind"] == "approval"]
    made = await who.client.post(f"/approvals/{asked['id']}/decide", {"outcome": outcome})
    assert made.status_code == 200, made.text


async def a_month(database: Database, token: str, tenant_id: UUID) -> list[str]:
    """Three expenses that are over, one of them refused, and one that is not. Nothing goes on any more."""
    async with projecting(database) as projector, serving(database) as http:
        platform = Client(http, token)
        acme = Tenant(Gesta(http, database, platform, projector), tenant_id, "acme", platform.with_headers(Gesta_Tenant="acme"))
        await acme.publish(EXPENSE)
        ann, director = await acme.member("approver"), await acme.member("admin")
        ids = [await started(acme, amount) for amount in (3_000, 7_000, 12_000, 1)]
        for id, outcome in zip(ids, ("rejected", "approved", "approved"), strict=False):
            await decide(id, ann, outcome)
        await decide(ids[2], director, "approved")
    await Projector(database.system_url).catch_up()
    return ids


def rows(database: Database) -> dict[tuple[str, ...], Any]:
    """A digest of every row there is, where it lies, and by which transaction it is there."""
    of = {
        "r": sql.SQL("SELECT count(*), sum(hashtext(t::text)::bigint), max(t.xmin::text::bigint) FROM {} t"),
        "S": sql.SQL("SELECT last_value, is_called FROM {}"),
    }
    with psycopg.connect(database.superuser_url) as connection:
        tables = connection.execute(TABLES).fetchall()
        return {tuple(name): connection.execute(of[kind].format(sql.Identifier(*name))).fetchone() for *name, kind in tables}


async def test_what_would_have_gone_elsewhere_is_told_and_nothing_is_changed(
    database: Database, seeded_acme: tuple[str, UUID], seeded: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, url in (("DATABASE_URL", database.owner_url), ("GESTA_SYSTEM_DATABASE_URL", database.system_url)):
        monkeypatch.setenv(name, url)
    monkeypatch.setattr(cases, "PAGE", 2)
    ids = await a_month(database, seeded[1], seeded_acme[1])
    before = rows(database)
    assert {schema for schema, *_ in before} >= {"ledger", "runtime", "projections"}

    async def what_if(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["what-if", "--tenant", "acme", *words])

    of_all = ("--workflow", "spending")
    own = await what_if(*of_all)
    assert (own.exit_code, own.stdout.splitlines()) == (
        0,
        ["3 finished executions each through its own version:", "        3 the same"],
    ), own.output

    limit = 'size.branches=[{"handle": "large", "when": "input.amount > 5000"}]'
    lower = await what_if(*of_all, "--set", limit, "--json")
    *told, last = map(json.loads, lower.stdout.splitlines())
    assert (lower.exit_code, {each["business_key"]: each["verdict"] for each in told}) == (
        1,
        {"EXP-3000": "same", "EXP-7000": "elsewhere", "EXP-12000": "same"},
    )
    (point,) = last["summary"]["differences"]
    assert (point["node_id"], point["would"]["to"], point["executions"]) == ("size", ["director"], 1)
    text = (await what_if(*of_all, "--set", limit)).stdout
    assert f"EXP-7000 ({ids[1]}): size: small to paid → large to director; would still wait at director" in text
    assumed = await what_if(*of_all, "--set", limit, "--assume", "director=rejected")
    assert "would have failed (refused)" in assumed.stdout

    two = await what_if(*of_all, "--set", 'ask.rule={"type": "multiple", "count": 2}')
    assert "        2 elsewhere" in two.stdout
    assert "2 ask: approved to size → still waiting" in two.stdout
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({**EXPENSE, "nodes": [n for n in EXPENSE["nodes"] if n["id"] != "director"]}))
    unsound = await what_if("--definition", str(file))
    assert (unsound.exit_code, "could not be published" in " ".join(unsound.stderr.split())) == (2, True)
    file.write_text(json.dumps({**EXPENSE, "name": "The same"}))
    assert (await what_if("--definition", str(file))).exit_code == 0
    file.write_text(json.dumps(with_names(EXPENSE, {"ask": "manager"})))
    assert (await what_if("--definition", str(file), "--rename", "ask=manager")).exit_code == 0
    one = await what_if(ids[3], ids[2], "--json", "--version", "1")
    first, second, _ = map(json.loads, one.stdout.splitlines())
    assert (first["verdict"], first["why"], second["verdict"]) == ("not_played", "It is not over yet.", "same")
    few = await what_if(*of_all, "--limit", "2", "--json")
    assert json.loads(few.stdout.splitlines()[-1])["summary"]["more"] is True
    none = await what_if(*of_all, "--to", "2020-01-01T00:00:00Z")
    said = "No finished execution of spending is among those asked for: nothing was played."
    assert (none.exit_code, none.stdout.splitlines()) == (0, [said])
    for wrong in (
        (),
        ("--workflow", "nothing"),
        (*of_all, "--version", "9"),
        (*of_all, "--set", "nobody.rule=1"),
        (*of_all, ids[0]),
        (ids[0], str(seeded_acme[1])),
    ):
        assert (await what_if(*wrong)).exit_code == 2, wrong
    assert rows(database) == before
