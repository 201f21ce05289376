"""How an execution stands, for the message of a test that fails."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.facts import Json
from testkit.stage import Happening

if TYPE_CHECKING:
    from testkit.runs import Open

MOST_LINES = 60
MOST_SHOWN = 200
"""Characters of a value."""


def standing(status: str, open: "Sequence[Open]", history: Sequence[Happening], unserved: Mapping[str, str]) -> str:
    lines = [f"It is {status}." if status != "failed" else f"It is failed: {_error(history)}."]
    if open:
        lines += ["It waits at:", *(f"  {each.node_id} ({each.node_type}): {_waits(each, unserved)}" for each in open)]
    told = list(_history(history))
    lines.append("What happened:")
    if len(told) > MOST_LINES:
        lines.append(f"  … {len(told) - MOST_LINES} lines before")
    return "\n".join([*lines, *(f"  {line}" for line in told[-MOST_LINES:])])


def _waits(open: "Open", unserved: Mapping[str, str]) -> str:
    said = [_wait(wait, unserved) for wait in open.waits]
    return "; ".join(said) or "nothing"


def _wait(wait: Mapping[str, Json], unserved: Mapping[str, str]) -> str:
    match wait["kind"]:
        case "job":
            return unserved.get(str(wait["id"]), f"a worker ({wait['about']})")
        case "approval":
            return "a decision"
        case "ai_task":
            return "a model"
        case "event":
            return f"an event or a signal {wait['about']}"
        case "execution":
            return f"the execution that it has started of {wait['about']}"
        case "timer":
            return f"a timer ({wait['about']})"
        case kind:
            return str(kind)


def _history(history: Sequence[Happening]) -> Iterator[str]:
    for each in history:
        said = _line(each)
        if said:
            yield f"{_after(each.at - history[0].at):>8}  {said}"


def _line(each: Happening) -> str:
    data, node = each.data, each.data.get("node_id")
    match each.topic:
        case "execution.started":
            return f"started with {_shown(data.get('input'))}"
        case "activation.started":
            return f"{node} ({data.get('node_type')}) began" + (
                f" with {_shown(data['input'])}" if data.get("input") is not None else ""
            )
        case "activation.retried":
            return f"{node} failed ({_said(data['error'])}), and is tried again in {data['delay_ms'] / 1000:g} s"
        case "activation.completed":
            way = f" by {data['handle']}" if data.get("handle") else ""
            return f"{node} completed{way}: {_shown(data.get('output'))}"
        case "activation.failed":
            way = f", and left by {data['handle']}" if data.get("handle") else ", and nothing handles it"
            return f"{node} failed ({_said(data['error'])}){way}"
        case "activation.cancelled":
            return f"{node} was cancelled: {data.get('reason')}"
        case "execution.signalled":
            return f"the signal {data['name']} came with {_shown(data.get('payload'))}"
        case "execution.failed":
            return f"failed: {data['code']}: {data['message']}"
        case "execution.completed":
            return f"completed with {_shown(data.get('output'))}"
        case "activation.waiting" | "execution.held":
            return ""
        case topic:
            return topic.partition(".")[2]


def _error(history: Sequence[Happening]) -> str:
    return next((f"{each.data['code']}: {each.data['message']}" for each in history if each.topic == "execution.failed"), "")


def _said(error: Mapping[str, Json]) -> str:
    return f"{error['type']}: {error['message']}"


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _after(span: timedelta) -> str:
    seconds = span.total_seconds()
    days, rest = divmod(int(seconds), 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {clock}" if days else clock
