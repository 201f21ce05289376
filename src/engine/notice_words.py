"""What a notification says to people, in words: made from the message that a program would be sent.

Whatever comes from requests (titles, reasons) is text of strangers: each channel writes it so that it stays text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.facts import Json
from domain.notices import TEST

LONGEST_TITLE, LONGEST_TEXT, LONGEST_FACT = 200, 2_000, 300
"""Characters."""
HEADLINES: Mapping[str, str] = {
    "execution.started": "Execution started",
    "execution.completed": "Execution completed",
    "execution.failed": "Execution failed",
    "execution.cancelled": "Execution cancelled",
    "execution.paused": "Execution paused",
    "execution.resumed": "Execution resumed",
    "approval.requested": "A decision is asked for",
    "approval.step_started": "A decision is asked for",
    "approval.approver_added": "A decision is asked for",
    "approval.reassigned": "A decision is asked for",
    "approval.reminded": "Reminder: a decision is asked for",
    "approval.escalated": "Escalated: a decision is asked for",
    "approval.decided": "A decision was made",
    "approval.resolved": "Decided",
    "approval.cancelled": "No decision is asked for any more",
    "approval.expired": "Nobody decided in time",
    "approval.overridden": "Decided by an override",
    "approval.recalled": "Taken back by who asked",
    "approval.sent_to_requester": "Sent back to you, to be changed",
    "approval.resubmitted": "Changed, and asked again",
    "approval.question_asked": "A question for you",
    "approval.question_answered": "A question was answered",
    "job.enqueued": "Job enqueued",
    "job.completed": "Job completed",
    "job.failed": "Job failed",
    "job.cancelled": "Job cancelled",
    "ai_task.completed": "AI task completed",
    "ai_task.failed": "AI task failed",
    "ai_task.cancelled": "AI task cancelled",
    "budget.warned": "A budget is nearly used up",
    "budget.exhausted": "A budget is used up",
    TEST: "This is a test",
}


@dataclass(frozen=True)
class Words:
    """`facts`: names and values, the most telling first. `request_id`: of the approval request that it is about."""

    headline: str
    title: str
    text: str
    facts: Sequence[tuple[str, str]]
    request_id: str | None = None


def words(message: Json) -> Words:
    """Of {type, timestamp, position, data}, as `engine.notice_messages` makes it."""
    type, data = message["type"], message["data"]
    headline = HEADLINES.get(type, type)
    if type == TEST:
        return Words(headline, "Gesta", data["message"], ())
    if type.startswith("approval."):
        return _of_approval(headline, data)
    if type.startswith("execution."):
        return _of_execution(headline, data)
    if type.startswith("ai_task."):
        return Words(headline, line(data.get("task_name"), LONGEST_TITLE), _failure(data), _facts(data, AI_TASK))
    if type.startswith("budget."):
        return _of_budget(headline, data)
    return Words(headline, line(data.get("type"), LONGEST_TITLE), _failure(data), _facts(data, JOB))


APPROVAL = {"outcome": "Outcome", "reason": "Reason", "step": "Step", "priority": "Priority", "due_at": "Due"}
EXECUTION = {"workflow_key": "Workflow", "business_key": "Business key", "status": "Status", "reason": "Reason"}
AI_TASK = {"status": "Status", "model": "Model", "reason": "Reason"}
JOB = {"status": "Status", "unique_key": "Key", "attempts": "Attempts", "reason": "Reason"}


def _of_approval(headline: str, data: Json) -> Words:
    decision = data.get("decision") or data.get("override") or {}
    told = {**data, **{name: decision.get(name) for name in ("outcome", "reason") if decision.get(name) is not None}}
    facts = [fact for fact in _facts(told, APPROVAL) if fact != ("Priority", "0")]
    if data.get("status") == "pending" and data.get("outcomes") and not decision:
        facts.append(("To choose", cut(", ".join(line(each, 64) for each in data["outcomes"]), LONGEST_FACT)))
    title = line(data.get("title"), LONGEST_TITLE)
    said = (data.get("question") or data.get("answer") or {}).get("text") or (data.get("recalled") or {}).get("comment")
    return Words(headline, title, paragraphs(said or data.get("description")), facts, data["id"])


def _of_execution(headline: str, data: Json) -> Words:
    return Words(headline, line(data.get("workflow_key"), LONGEST_TITLE), _failure(data), _facts(data, EXECUTION))


def _of_budget(headline: str, data: Json) -> Words:
    amount, of = data["amount"], "tenant" if data["scope"] == "tenant" else f"{data['scope']} {data['subject']}"
    unit = f" {data['currency']}" if amount == "cost" else ""
    facts = [(label, f"{data[name][amount]}{unit}") for name, label in BUDGET.items() if data[name][amount] is not None]
    told = {"unknown": "Nobody knows what the call would have cost, so it was not made."}.get(data.get("reason", ""), "")
    return Words(headline, line(data["key"], LONGEST_TITLE), told, [("Of", of), *facts, *_facts(data, {"ends_at": "Until"})])


BUDGET = {"used": "Used", "reserved": "Put aside", "limits": "Limit"}


def _failure(data: Json) -> str:
    error = data.get("error")
    return paragraphs(error.get("message") if isinstance(error, dict) else error)


def _facts(data: Json, names: Mapping[str, str]) -> list[tuple[str, str]]:
    shown = ((label, data.get(name)) for name, label in names.items())
    return [(label, line(value, LONGEST_FACT)) for label, value in shown if value is not None and value != ""]


def line(value: Json, most: int) -> str:
    """As one line of so many characters: what breaks or steers a line becomes a blank."""
    text = "" if value is None else str(value)
    return cut(" ".join("".join(character if character.isprintable() else " " for character in text).split()), most)


def paragraphs(value: Json, most: int = LONGEST_TEXT) -> str:
    """As it is, but for what steers and does not print; lines stay."""
    text = "" if value is None else str(value).replace("\r\n", "\n")
    return cut("".join(each if each.isprintable() or each == "\n" else " " for each in text).strip(), most)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
