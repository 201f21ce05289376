"""The peer's side of `steps`, run by a Python that has DBOS Transact: dbos_steps.py URL.

Workflows of three steps. For each line on its input, "<threads> <workflows>", it calls that many directly, waits for each, and
answers "<how many> <seconds> <median seconds of a workflow>". It also works off a queue, for `dbos_callers`.
Imports nothing of ours.
"""

import sys
import threading
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]

QUEUE = "bench"
POLL_SECONDS = 0.1

DBOS(config={"name": "bench", "system_database_url": sys.argv[1], "log_level": "ERROR", "run_admin_server": False})


@DBOS.step()  # type: ignore[untyped-decorator]
def step(number: int) -> Any:
    return {"amount": number}


@DBOS.workflow(name="three_steps")  # type: ignore[untyped-decorator]
def three_steps(given: Any) -> Any:
    for _ in range(3):
        step(given["amount"])
    return {"ok": True}


def work(numbers: Iterable[int], seconds: list[float]) -> None:
    for number in numbers:
        begun = time.perf_counter()
        three_steps({"amount": number})
        seconds.append(time.perf_counter() - begun)


def measure(threads: int, count: int) -> tuple[int, float, float]:
    seconds: list[float] = []
    workers = [threading.Thread(target=work, args=(range(count // threads), seconds)) for _ in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(seconds) != count // threads * threads:
        raise SystemExit("a workflow failed")
    return len(seconds), time.perf_counter() - begun, median(seconds)


DBOS.launch()
DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS)
three_steps({"amount": 0})
print("ready", flush=True)
for line in sys.stdin:
    print(*measure(*map(int, line.split())), flush=True)
DBOS.destroy()
