"""A disk that is full when a table is to grow: 503 for every command and every job, never 500, and all is well afterwards.

PostgreSQL then fails single statements, by this SQLSTATE, and goes on serving. Triggers say it in the disk's place.
"""

import psycopg
import pytest

from tests.api.conftest import Client, Tenant
from tests.api.working import lease, leased, report, start

FULL = """
CREATE FUNCTION public.no_space() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
GRANT EXECUTE ON FUNCTION public.no_space() TO PUBLIC;
CREATE TRIGGER no_space BEFORE INSERT ON ledger.events FOR EACH ROW EXECUTE FUNCTION public.no_space();
CREATE TRIGGER no_space BEFORE UPDATE ON runtime.jobs FOR EACH ROW EXECUTE FUNCTION public.no_space();
CREATE TRIGGER no_space BEFORE INSERT OR UPDATE ON projections.audit_logs FOR EACH ROW EXECUTE FUNCTION public.no_space();
"""
SPACE = "DROP FUNCTION public.no_space() CASCADE"


async def test_what_needs_room_is_unavailable_until_there_is_some(
    acme: Tenant, worker: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await start(acme)
    held = await leased(worker)
    await start(acme)
    with psycopg.connect(acme.gesta.database.superuser_url, autocommit=True) as superuser:
        superuser.execute(FULL)
        asked = [
            await acme.admin.post("/executions", {"workflow_key": "resize", "input": {"url": "a.png"}}),
            await acme.gesta.platform.post("/tenants", {"slug": "other", "name": "Other", "settings": {}}),
            await report(worker, held, "complete", {"output": 1}),
            await report(worker, held, "heartbeat"),
            await lease(worker),
        ]
        assert [answer.status_code for answer in asked] == [503] * len(asked)
        assert all(answer.headers["Retry-After"] for answer in asked)
        superuser.execute(SPACE)
    assert (await report(worker, held, "complete", {"output": 1})).status_code == 200
    assert (await report(worker, await leased(worker), "complete", {"output": 2})).status_code == 200
    assert "Traceback" not in caplog.text
