"""``gesta jobs``: what is in trouble is listed, and tried again when told."""

from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from tests.cli.test_db import gesta
from tests.cli.test_doctor import addresses, doctor
from tests.conftest import Database

JOB = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, attempt, max_attempts, fence, error, failures,
                          failure_type, failure_message, failure_fence, created_at, updated_at)
VALUES (%s, %s, %s, %s, now() + interval '1 hour', 0, 1, 3, 4, convert_to('{"type": "oops", "message": "no"}', 'UTF8'),
        %s, 'UnknownTopic', 'unknown', 4, now(), now())
"""
TIMER = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, failures, failure_type, failure_message, retry_at)
VALUES (%s, %s, now() - interval '1 hour', 'timeout', 2, 'KeyError', 'x', now() + interval '1 hour')
"""
STANDING = "SELECT type, state, attempt, run_at <= now() FROM runtime.jobs ORDER BY type"
DUE = "SELECT greatest(due_at, retry_at) <= now() FROM runtime.timers"
PLATFORM = UUID("00000000-0000-0000-0000-000000000001")


def test_what_is_in_trouble_is_listed_and_tried_again(tmp_path: Path, database: Database) -> None:
    environment = addresses(database)
    assert gesta(tmp_path, "jobs", "list", **environment).stdout == "Nothing to show.\n"
    assert gesta(tmp_path, "jobs", "retry", **environment).stdout == "Nothing fails, and nothing was given up.\n"
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(JOB, (PLATFORM, uuid4(), "dead-one", "dead", 0))
        superuser.execute(JOB, (PLATFORM, uuid4(), "failing-one", "waiting", 3))
        superuser.execute(JOB, (PLATFORM, uuid4(), "good-one", "waiting", 0))
        superuser.execute(TIMER, (PLATFORM, timer := uuid4()))

        listed = gesta(tmp_path, "jobs", "list", **environment).stdout
        assert "dead-one" in listed
        assert "oops: no" in listed
        assert "3 failures" in listed
        assert f"timer {timer}" in listed
        assert "KeyError: x" in listed
        assert "good-one" not in listed
        assert "dead-one" not in gesta(tmp_path, "jobs", "list", "--state", "failing", **environment).stdout
        assert "good-one" in gesta(tmp_path, "jobs", "list", "--state", "waiting", "--tenant", "platform", **environment).stdout
        assert doctor(tmp_path, **environment)[1]["work"].words == "1 jobs and 1 timers fail and are put off"

        assert gesta(tmp_path, "jobs", "retry", str(uuid4()), **environment).returncode == 2
        assert gesta(tmp_path, "jobs", "retry", str(timer), **environment).stdout == "1 will be retried.\n"
        assert superuser.execute(DUE).fetchall() == [(True,)]
        assert gesta(tmp_path, "jobs", "retry", **environment).stdout == "3 will be retried.\n"
        assert superuser.execute(STANDING).fetchall() == [
            ("dead-one", "ready", 0, True),
            ("failing-one", "ready", 1, True),
            ("good-one", "waiting", 1, False),
        ]
