"""`python -m bench.lag_watch URL TENANT_ID`: what the tables show of a ledger, looked up every few milliseconds.

A process that does nothing else: whoever plays a thousand commands a second would get to it late. Prints the moment and the
position, whenever that is another one, and ends when its standard input does. The clock is the machine's, not the process's.
"""

import select
import sys
import time

import psycopg

LOOK_SECONDS = 0.003
STANDS = "SELECT position FROM projections.freshness WHERE tenant_id = %s"


def watch(url: str, tenant_id: str) -> None:
    last, ended = -1, False
    with psycopg.connect(url, autocommit=True) as conn:
        while not ended:
            ended = bool(select.select([sys.stdin], [], [], LOOK_SECONDS)[0])  # and then once more
            row = conn.execute(STANDS, [tenant_id], prepare=True).fetchone()
            position = int(row[0]) if row else 0
            if position != last:
                last = position
                print(time.monotonic(), last, flush=True)


if __name__ == "__main__":
    watch(*sys.argv[1:])
