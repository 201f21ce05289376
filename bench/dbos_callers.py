"""Callers of the peer's queue, in a process of their own: dbos_callers.py URL. The worker is `dbos_steps`.

For each line on its input, "<threads> <workflows>", it enqueues that many, each by a caller who waits for its end, and answers
"<how many> <seconds> <median seconds of a workflow>". Imports nothing of ours.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from dbos import DBOSClient  # type: ignore[import-not-found]

OPTIONS = {"queue_name": "bench", "workflow_name": "three_steps"}
POLL_SECONDS = 0.1

client = DBOSClient(system_database_url=sys.argv[1])


def call(number: int) -> float:
    begun = time.perf_counter()
    ended = client.enqueue(OPTIONS, {"amount": number}).get_result(polling_interval_sec=POLL_SECONDS)
    if ended != {"ok": True}:
        raise SystemExit(f"a workflow ended with {ended}")
    return time.perf_counter() - begun


print("ready", flush=True)
for line in sys.stdin:
    threads, count = map(int, line.split())
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        seconds = list(pool.map(call, range(count)))
    print(count, time.perf_counter() - begun, median(seconds), flush=True)
client.destroy()
