"""What is sealed beside the ledger: what nobody names is swept, and another master key takes over while all goes on."""

from base64 import b64encode
from pathlib import Path
from uuid import UUID

import pytest

from domain import secret
from domain.secret import secret_id_of
from runtime.ids import new_id
from runtime.master_keys import KEY_BYTES, MasterKeys
from store import secrets
from store.command import Command
from store.secrets import Value
from store.vault import NotSetUp
from tests.cli.test_db import gesta
from tests.cli.test_doctor import addresses, doctor
from tests.conftest import Database
from tests.worker.house import WHO, House, house, worker_of
from worker.maintenance import sweep_secrets
from worker.worker import WorkerProcess

OLD, NEW = b"o" * KEY_BYTES, b"n" * KEY_BYTES
DUE = "UPDATE runtime.secrets SET sweep_after = clock_timestamp() - interval '1 second' WHERE sweep_after IS NOT NULL"


async def written(home: House, worker: WorkerProcess, name: str, text: str, keys: MasterKeys) -> Value:
    """A value that no event names yet."""
    value = Value(home.tenant_id, new_id(), secret_id_of(home.tenant_id, name))
    async with worker.context.pool.connection() as connection:
        await secrets.write(connection, keys, value, text)
    return value


async def kept(home: House, worker: WorkerProcess, name: str, text: str, keys: MasterKeys) -> Value:
    value = await written(home, worker, name, text, keys)
    command = Command(home.tenant_id, "secret.create", WHO)
    await home.handler.handle(command, lambda view: secret.create(view, value.secret_id, name, value.id))
    return value


def there(home: House) -> set[UUID]:
    return {id for (id,) in home.sql("SELECT id FROM runtime.secrets")}


async def test_what_no_event_names_is_swept_and_nothing_else(database: Database) -> None:
    """Killed before the event, or between a rotation and the end of the value of before."""
    keys = MasterKeys([OLD])
    async with house(database) as home, worker_of(database, master_keys=keys) as worker:
        named = await kept(home, worker, "token", "sesame, open", keys)
        abandoned = await written(home, worker, "token", "sesame, close", keys)
        never = await written(home, worker, "never", "created at all", keys)
        await sweep_secrets(worker.context)
        assert there(home) == {named.id, abandoned.id, never.id}, "a command may still be under way"
        home.sql(DUE)
        await sweep_secrets(worker.context)
        assert there(home) == {named.id}
        assert home.sql("SELECT sweep_after FROM runtime.secrets") == [(None,)], "it is not looked at again"

        second = await written(home, worker, "token", "sesame, close", keys)
        rotated = Command(home.tenant_id, "secret.rotate", WHO)
        await home.handler.handle(rotated, lambda view: secret.rotate(view, named.secret_id, second.id))
        home.sql(DUE)
        await sweep_secrets(worker.context)
        assert there(home) == {second.id}
        assert (await worker.context.vault.open(home.tenant_id, "token")).text == "sesame, close"


async def test_another_master_key_takes_over_while_secrets_are_in_use(database: Database, tmp_path: Path) -> None:
    old, both, new = MasterKeys([OLD]), MasterKeys([NEW, OLD]), MasterKeys([NEW])
    async with (
        house(database) as home,
        worker_of(database, master_keys=both) as worker,
        worker_of(database, master_keys=new) as after,
    ):
        for number in range(3):
            await kept(home, worker, f"token{number}", f"sesame {number}", old)
        with pytest.raises(NotSetUp, match="not among those given"):
            await after.context.vault.open(home.tenant_id, "token0")

        variables = addresses(database)
        none = gesta(tmp_path, "secrets", "rekey", **variables)
        assert (none.returncode, "GESTA_MASTER_KEY" in none.stderr) == (1, True)
        lacking = gesta(tmp_path, "secrets", "rekey", **variables, GESTA_MASTER_KEY=b64encode(NEW).decode())
        assert (lacking.returncode, f"3 under {old.id}" in lacking.stderr) == (1, True)
        given = f"{b64encode(NEW).decode()} {b64encode(OLD).decode()}"
        told = gesta(tmp_path, "secrets", "rekey", **variables, GESTA_MASTER_KEY=given)
        assert told.stdout == f"3 sealed anew under the master key {new.id}.\nNone is left under another key.\n", told.stderr
        for number in range(3):
            for one in (worker, after):
                assert (await one.context.vault.open(home.tenant_id, f"token{number}")).text == f"sesame {number}"
        assert "sesame" not in repr(await after.context.vault.open(home.tenant_id, "token0"))


async def test_the_doctor_says_whether_secrets_can_be_opened(database: Database, tmp_path: Path) -> None:
    """With the key, without it, with another in front, and where a value is gone."""
    keys, variables = MasterKeys([OLD]), addresses(database)
    old, new = (b64encode(key).decode() for key in (OLD, NEW))
    async with house(database) as home, worker_of(database, master_keys=keys) as worker:
        await kept(home, worker, "token", "sesame, open", keys)
        assert doctor(tmp_path, **variables, GESTA_MASTER_KEY=old)[1].keys() & {"master key", "secrets"} == set()
        for given in ({}, {"GESTA_MASTER_KEY": new}):
            code, told = doctor(tmp_path, **variables, **given)
            assert (code, told["master key"].state, told["master key"].words.startswith("1 secrets")) == (1, "fail", True)
        assert doctor(tmp_path, **variables, GESTA_MASTER_KEY=f"{new},{old}")[1]["master key"].remedy == "gesta secrets rekey"
        broken = doctor(tmp_path, **variables, GESTA_MASTER_KEY="short")[1]["master key"]
        assert (broken.state, "short" in broken.words) == ("fail", False)
