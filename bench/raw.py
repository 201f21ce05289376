"""The limit: what PostgreSQL itself commits when pgbench inserts five rows at a time."""

import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from bench.stage import RAW, Stage

TABLE = """
CREATE TABLE IF NOT EXISTS raw (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id uuid NOT NULL, version bigint NOT NULL, topic text NOT NULL, meta bytea NOT NULL, data bytea NOT NULL,
    UNIQUE (stream_id, version))
"""
SCRIPT = """
INSERT INTO raw (stream_id, version, topic, meta, data)
SELECT stream.id, n, 'activation.completed.v1', repeat('m', 130)::bytea, repeat('d', 150)::bytea
FROM (SELECT gen_random_uuid() AS id OFFSET 0) AS stream, generate_series(1, 5) AS n;
"""
CLIENTS = 8


def pgbench(on: Stage) -> Path | None:
    """The program, where the server's binaries bring it."""
    program = on.server.binaries.path / "pgbench"
    return program if program.exists() else None


def commits_a_second(on: Stage, program: Path, count: int) -> float:
    with psycopg.connect(on.superuser(RAW), autocommit=True) as connection:
        connection.execute(TABLE)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        options = ["--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2", f"--transactions={count // CLIENTS}"]
        ended = subprocess.run(
            [program, *options, f"--file={script.name}", on.superuser(RAW)], capture_output=True, text=True, check=False
        )
    rate = re.search(r"^tps = ([\d.]+)", ended.stdout, re.MULTILINE)
    if ended.returncode != 0 or rate is None:
        raise RuntimeError(f"pgbench failed: {ended.stderr}")
    return float(rate.group(1))
