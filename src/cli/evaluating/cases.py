"""Cases that a suite does not list but describes: the last AI tasks of a node, as they were asked."""

from datetime import datetime
from typing import Any

from client import Client

FIELDS = {"workflow_key", "node_id", "since", "limit"}
USUAL, MOST = 20, 100


class NoSuchCases(Exception):
    """The message says why."""


def found(client: Client, suite: dict[str, Any]) -> dict[str, Any]:
    """The suite with `{"from_task": id}` in the place of each `{"from": {workflow_key, node_id?, since?, limit?}}`.

    Raises NoSuchCases, and what the API refuses.
    """
    cases = list[Any]()
    for place, case in enumerate(suite.get("cases", ()) if isinstance(suite.get("cases", ()), list) else ()):
        if not isinstance(case, dict) or "from" not in case:
            cases.append(case)
            continue
        more = {name: value for name, value in case.items() if name not in ("from", "name")}
        tasks = _tasks(client, case["from"], f"/cases/{place}/from")
        if not tasks:
            raise NoSuchCases(f"/cases/{place}/from: there are no AI tasks such as it describes.")
        cases += [{**more, "from_task": id} for id in tasks]
    return {**suite, "cases": cases} if "cases" in suite else suite


def _tasks(client: Client, wanted: Any, path: str) -> list[str]:
    """The newest first; only those that are over."""
    if not isinstance(wanted, dict) or not isinstance(wanted.get("workflow_key"), str) or wanted.keys() - FIELDS:
        raise NoSuchCases(f"{path}: must be {{workflow_key, node_id?, since?, limit?}}.")
    limit, since = wanted.get("limit", USUAL), _moment(wanted.get("since"), path)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise NoSuchCases(f"{path}/limit: must be a whole number from 1 to {MOST}.")
    ids, cursor = list[str](), None
    while len(ids) < limit:
        page = client.ai_tasks(workflow_key=wanted["workflow_key"], limit=200, cursor=cursor)
        for task in page:
            if since is not None and datetime.fromisoformat(task.data["created_at"]) < since:
                return ids
            if task.ended and wanted.get("node_id") in (None, task.data["node_id"]) and len(ids) < limit:
                ids.append(task.id)
        cursor = page.next_cursor
        if cursor is None:
            break
    return ids


def _moment(text: Any, path: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NoSuchCases(f"{path}/since: must be a time with its zone, such as 2026-01-05T09:00:00Z.")
    return moment
