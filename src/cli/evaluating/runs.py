"""The runs of an evaluation, some at a time: each is gone on with until it is recorded.

Nothing is kept here. Who goes on with the evaluation asks of every run how it stands; ids of tasks follow from the run.
"""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from client import ApiError, Client, GestaError
from client.protocol import command, get, part

BUDGET_SPENT, OVER = "evaluation_budget_spent", "evaluation_over"
LOOK = 10.0
"""Seconds after which a run that is waited for is looked at again."""

Run = dict[str, Any]


def start(client: Client, suite: dict[str, Any]) -> str:
    return str(client.run(command("/evaluations", suite))["id"])


def evaluation(client: Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.run(get(f"/evaluations/{part(id)}"))
    return found


def results(client: Client, id: str) -> Iterator[dict[str, Any]]:
    """The oldest first."""
    cursor = None
    while True:
        page = client.run(get(f"/evaluations/{part(id)}/results", {"limit": 200, "cursor": cursor, "order": "created_at"}))
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def what_came_of_it(client: Client, id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return evaluation(client, id), list(results(client, id))


class Evaluating:
    """The runs of one evaluation that are not recorded yet, by as many threads as the suite wants."""

    def __init__(self, client: Client, evaluation: dict[str, Any], timeout: float | None) -> None:
        self._client = client
        self._id, self._suite = evaluation["id"], evaluation["suite"]
        self._until = None if timeout is None else time.monotonic() + timeout
        self._left: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._why: list[str] = []

    def run(self) -> str | None:
        """Why it did not come to its end; None: it did. Raises KeyboardInterrupt at once: what is under way goes on by itself."""
        recorded = {(each["variant"], each["case_name"], each["number"]) for each in results(self._client, self._id)}
        for repeat in range(1, self._suite["repeat"] + 1):
            for case in self._suite["cases"]:
                for variant in self._suite["variants"]:
                    if (variant["name"], case["name"], repeat) not in recorded:
                        self._left.put({"variant": variant["name"], "case": case["name"], "repeat": repeat})
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._suite["concurrency"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._why[0] if self._why else None

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._record(self._left.get_nowait())
            except queue.Empty:
                return
            except GestaError as error:
                self._stop(error)

    def _record(self, run: Run) -> None:
        while not self._stopped.is_set():
            stands = self._client.run(command(f"/evaluations/{part(self._id)}/runs", run))["run"]
            if stands["state"] == "recorded":
                return
            for task in stands["waits_for"]:
                while not self._stopped.is_set() and not self._client.wait_ai_task(task, self._patience()).ended:
                    if self._until is not None and time.monotonic() >= self._until:
                        self._say(f"The time is up. `gesta eval --resume {self._id}` goes on.")

    def _patience(self) -> float:
        return LOOK if self._until is None else max(1.0, min(LOOK, self._until - time.monotonic()))

    def _stop(self, error: GestaError) -> None:
        if isinstance(error, ApiError) and error.code == BUDGET_SPENT:
            try:
                self._client.run(command(f"/evaluations/{part(self._id)}/cancel", {"reason": error.detail}))
            except GestaError as refused:  # another thread, or somebody else, was before
                if not (isinstance(refused, ApiError) and refused.code == OVER):
                    self._say(str(refused))
            self._say(error.detail)
        else:
            self._say(f"{error}\n`gesta eval --resume {self._id}` goes on.")

    def _say(self, why: str) -> None:
        self._why.append(why)
        self._stopped.set()
