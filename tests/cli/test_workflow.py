"""gesta tenant create, member add, key create, workflow apply: an operator's first minutes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.api.conftest import Gesta, gesta
from tests.api.definitions import APPROVAL
from tests.api.working import run_sql

__all__ = ["gesta"]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(gesta: Gesta, tmp_path: Path) -> Command:
    """`gesta WORDS`, as somebody whose environment names the database, the API and a key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GESTA_", "DATABASE_URL"))}
    environment = {
        **kept,
        "DATABASE_URL": gesta.database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": gesta.database.system_url,
        "GESTA_API_DATABASE_URL": gesta.database.api_url,
        "GESTA_URL": str(gesta.http.base_url),
    }

    def run(*words: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        env = environment | ({"GESTA_API_KEY": key} if key else {})
        gesta_command = [sys.executable, "-m", "cli.main", *words]
        return subprocess.run(gesta_command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


async def elsewhere(command: Command, *words: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """In a thread: the server that it talks to runs in this event loop."""
    return await asyncio.to_thread(command, *words, key=key)


async def test_a_tenant_a_key_and_a_workflow(gesta: Gesta, command: Command, tmp_path: Path) -> None:
    made = await elsewhere(command, "tenant", "create", "acme")
    assert (made.returncode, made.stderr) == (0, "")
    again = await elsewhere(command, "tenant", "create", "acme")
    assert again.returncode == 1
    assert made.stdout.strip() in again.stderr
    key = (await elsewhere(command, "key", "create", "--tenant", "acme")).stdout.strip()
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(APPROVAL))
    drafted = await elsewhere(command, "workflow", "apply", str(file), key=key)
    assert "no version is published" in drafted.stdout, drafted.stderr
    published = await elsewhere(command, "workflow", "apply", str(file), "--publish", key=key)
    assert "version 1 is published" in published.stdout, published.stderr
    same = await elsewhere(command, "workflow", "apply", str(file), "--publish", key=key)
    assert "version 1 is published" in same.stdout
    file.write_text(json.dumps({**APPROVAL, "name": "Another name"}))
    prompt = tmp_path / "prompt.json"
    prompt.write_text(json.dumps({"key": "greet", "template": {"user": "Greet {{ name }}."}, "variables": {"name": {}}}))
    for _ in range(2):  # the second time it is there already, just as it is
        applied = await elsewhere(command, "prompt", "apply", str(prompt), "--publish", key=key)
        assert "version 1 is current" in applied.stdout, applied.stderr
    made_by = await run_sql(
        gesta.database, "SELECT bool_and(by_platform) AND bool_and(made_by IS NULL) FROM projections.api_keys"
    )
    assert made_by is True, "the command line acts with the platform's authority, and that is recorded"
    listed = await elsewhere(command, "tenant", "list")
    assert listed.stdout.split() == ["acme", made.stdout.strip(), "acme"]
    ann = await elsewhere(
        command, "member", "add", "Ann@example.com", "--tenant", "acme", "--role", "approver", "--name", "Ann A."
    )
    assert (ann.returncode, ann.stderr) == (0, "")
    hers = (await elsewhere(command, "key", "create", "--tenant", "acme", "--user", "ann@example.com")).stdout.strip()
    me = (await gesta.http.get("/v1/me", headers={"Authorization": f"Bearer {hers}"})).json()
    assert (me["user_id"], me["roles"]) == (ann.stdout.strip(), ["approver"])
    for words, ended, why in (
        (("ann@example.com", "--role", "approver"), 1, "This user is a member already."),
        (("bob@example.com", "--role", "pilot"), 2, "There is no role pilot."),
        (("bob", "--role", "approver"), 2, "This is not an e-mail address. An email address must have an @-sign."),
    ):
        refused = await elsewhere(command, "member", "add", *words, "--tenant", "acme")
        assert (refused.returncode, refused.stderr) == (ended, f"gesta: {why}\n")
    platform = (await elsewhere(command, "key", "create", "--platform")).stdout.strip()
    second = await elsewhere(command, "workflow", "apply", str(file), "--publish", "--tenant", "acme", key=platform)
    assert "version 2 is published" in second.stdout, second.stderr


async def test_what_is_wrong_is_said_in_a_line_or_a_line_each(gesta: Gesta, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "definition.json"
    file.write_text("{")
    assert (await elsewhere(command, "workflow", "apply", str(file), key="gk_x")).returncode == 2
    file.write_text(json.dumps(APPROVAL))
    assert "GESTA_API_KEY" in (await elsewhere(command, "workflow", "apply", str(file))).stderr
    assert "401" in (await elsewhere(command, "workflow", "apply", str(file), key="gk_x")).stderr
    tenant = await gesta.tenant()
    key = (await tenant.service("workflows:write", "workflows:publish", "workflows:read")).token
    file.write_text(json.dumps({**APPROVAL, "edges": []}))
    rejected = await elsewhere(command, "workflow", "apply", str(file), "--publish", key=key)
    assert rejected.returncode == 1
    assert "/definition" in rejected.stderr
    assert "Traceback" not in rejected.stderr
    for words in (("key", "create"), ("key", "create", "--tenant", "a", "--platform"), ("workflow", "apply", "missing.json")):
        assert (await elsewhere(command, *words)).returncode == 2
    nobody = await elsewhere(command, "key", "create", "--tenant", "nobody")
    assert (nobody.returncode, nobody.stderr) == (2, "gesta: There is no tenant nobody.\n")


async def test_an_analyst_gets_a_login_and_loses_it_again(command: Command, gesta: Gesta) -> None:
    """The tenant's own rows, by psql; what was given is on record, and the password is not."""

    def run(*words: str) -> Callable[[], subprocess.CompletedProcess[str]]:
        return lambda: command(*words)

    await gesta.tenant("globex")
    acme = await gesta.tenant("acme")
    made = await asyncio.to_thread(run("analyst", "create", "ann", "--tenant", "acme", "--expires", "2127-01-31"))
    assert made.returncode == 0, made.stderr
    told = dict(line.split(maxsplit=1) for line in made.stdout.splitlines())
    assert f"user={told['login']}" in told["connect"]
    twice = await asyncio.to_thread(run("analyst", "create", "ann", "--tenant", "acme"))
    assert (twice.returncode, twice.stderr) == (1, "gesta: There is an analyst of this name.\n")
    too_many = await asyncio.to_thread(run("analyst", "create", "zoe", "--tenant", "acme", "--connections", "21"))
    assert (too_many.returncode, too_many.stderr) == (2, "gesta: --connections: It must be from 1 to 20.\n")
    listed = await asyncio.to_thread(run("analyst", "list", "--tenant", "acme"))
    assert "ann " in listed.stdout
    assert "until 2127-01-31 00:00Z" in listed.stdout
    asked = ("-AtX", "-c", "SELECT slug FROM tenants")
    seen = await asyncio.to_thread(run("db", "psql", "--role", "analyst", "--tenant", "acme", "ann", *asked))
    assert seen.stdout == "acme\n", seen.stderr
    async with await psycopg.AsyncConnection.connect(gesta.database.server.url(told["login"], gesta.database.name)) as before:
        await before.execute("SELECT 1")
        again = await asyncio.to_thread(run("analyst", "rotate", "ann", "--tenant", "acme"))
        assert told["login"] in again.stdout
        assert told["password"] not in again.stdout
        with pytest.raises(psycopg.OperationalError):
            await before.execute("SELECT 1")
    nobody = await asyncio.to_thread(run("analyst", "rotate", "bob", "--tenant", "acme"))
    assert (nobody.returncode, nobody.stderr) == (2, "gesta: acme has no analyst bob.\n")
    dropped = await asyncio.to_thread(run("analyst", "drop", "ann", "--tenant", "acme"))
    assert dropped.stdout == f"dropped      {told['login']}\n"
    assert await run_sql(gesta.database, f"SELECT 1 FROM pg_roles WHERE rolname = '{told['login']}'") is None  # noqa: S608
    recorded = await acme.admin.get("/audit-logs", resource="analyst")
    actions = {item["action"] for item in recorded.json()["items"]}
    assert actions == {"analyst.dropped", "analyst.rotated", "analyst.create", "analyst.created"}
    assert told["password"] not in recorded.text
