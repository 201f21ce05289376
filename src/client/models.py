"""What the API answers, as values. Each keeps the whole answer in `data`; the fields that programs use have a type."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from client.errors import ApiError

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

T = TypeVar("T")

ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class FieldError:
    """One fault of a request: a JSON pointer, query parameter or header, a code and a sentence."""

    path: str
    code: str
    message: str


@dataclass(frozen=True)
class OpenItem:
    """What an execution waits for. `kind`: approval, task, ai_task, event …; `id`: of the request, the job, the AI task."""

    kind: str
    id: str
    node_id: str
    activation_id: str


@dataclass(frozen=True)
class ExecutionResult:
    """How an execution stands right after a command. `open`: what it waits for now."""

    id: str
    status: str
    version: int
    open: tuple[OpenItem, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "ExecutionResult":
        return cls(data["id"], data["status"], data["version"], _open_items(data))


@dataclass(frozen=True)
class MigrationPreview:
    """What a migration would come to. `obstacles`: why it is not possible. What would move is in `data`."""

    possible: bool
    from_version: int
    to_version: int
    obstacles: tuple[FieldError, ...]
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "MigrationPreview":
        obstacles = tuple(FieldError(each["path"], each["code"], each["message"]) for each in data["obstacles"])
        return cls(data["possible"], data["from_version"], data["to_version"], obstacles, data)


@dataclass(frozen=True)
class Execution:
    """An execution as the tables show it. `error` is a code, `error_details` {code, message, node_id}."""

    id: str
    status: str
    version: int
    workflow_key: str
    workflow_version: int
    business_key: str | None
    input: Json
    """None in lists, as `output` is: get the execution for both."""
    output: Json
    error: str | None
    error_details: Json
    open: tuple[OpenItem, ...]
    """Empty in lists."""
    data: Mapping[str, Any] = field(repr=False)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Execution":
        return cls(
            data["id"],
            data["status"],
            data["version"],
            data["workflow_key"],
            data["workflow_version"],
            data["business_key"],
            data.get("input"),
            data.get("output"),
            data["error"],
            data["error_details"],
            _open_items(data),
            data,
        )


@dataclass(frozen=True)
class BulkOperation:
    """One action on many executions. `matched`: how many; the other counts grow with each step."""

    id: str
    action: str
    status: str
    matched: int
    done: int
    failed: int
    skipped: int
    version: int
    data: Mapping[str, Any] = field(repr=False)
    """With `failures`, where it was read: {index, execution_id, code, message}."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "BulkOperation":
        counts = data["matched"], data["done"], data["failed"], data["skipped"]
        return cls(data["id"], data["action"], data["status"], *counts, data["version"], data)


@dataclass(frozen=True)
class BulkForecast:
    """What would become of one execution now. `outcome`: done, failed or skipped; code and message where it is failed."""

    execution_id: str
    outcome: str
    code: str | None
    message: str | None
    obstacles: tuple[FieldError, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "BulkForecast":
        obstacles = tuple(FieldError(each["path"], each["code"], each["message"]) for each in data["obstacles"])
        return cls(data["execution_id"], data["outcome"], data["code"], data["message"], obstacles)


@dataclass(frozen=True)
class BulkPreview:
    """What a bulk operation would act on. `too_many`: there are more than it may have; `sample`: the first ten.

    `forecasts`: of a migration: what would become of each of the first ten.
    """

    matched: int
    too_many: bool
    sample: tuple[Execution, ...]
    forecasts: tuple[BulkForecast, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "BulkPreview":
        sample = tuple(Execution.of(one) for one in data["sample"])
        forecasts = tuple(BulkForecast.of(one) for one in data.get("forecasts", ()))
        return cls(data["matched"], data["too_many"], sample, forecasts)


@dataclass(frozen=True)
class Approval:
    """An approval request as the tables show it."""

    id: str
    status: str
    version: int
    execution_id: str | None
    """None, as `node_id` is, of one that no execution asks for."""
    node_id: str | None
    title: str
    outcome: str | None
    data: Mapping[str, Any] = field(repr=False)

    @property
    def closed(self) -> bool:
        return self.status not in ("pending", "with_requester")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Approval":
        return cls(
            data["id"],
            data["status"],
            data["version"],
            data["execution_id"],
            data["node_id"],
            data["title"],
            data["outcome"],
            data,
        )


@dataclass(frozen=True)
class ApprovalResult:
    """A request for a decision right after a command."""

    id: str
    status: str
    version: int
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "ApprovalResult":
        return cls(data["id"], data["status"], data["version"], data)


@dataclass(frozen=True)
class DecisionResult:
    """What a decision led to: the request's `outcome`, and how its execution stands; None: no execution asks."""

    approval_id: str
    status: str
    outcome: str | None
    execution: ExecutionResult | None
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "DecisionResult":
        approval = data["approval"]
        execution = None if data["execution"] is None else ExecutionResult.of(data["execution"])
        return cls(approval["id"], approval["status"], approval["outcome"], execution, data)


@dataclass(frozen=True)
class Said:
    """What was said about a request. `id`: of the question, the answer or the comment; `version`: the request's."""

    id: str
    approval_id: str
    version: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Said":
        return cls(data["id"], data["approval_id"], data["version"])


@dataclass(frozen=True)
class Comment:
    """What somebody said about a request. `kind`: question, answer or comment. `text`: None where it was taken back.

    `question_id`: which one an answer is for. `user_id`: None where names are not shown.
    """

    id: str
    kind: str
    user_id: str | None
    text: str | None
    question_id: str | None
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Comment":
        return cls(data["id"], data["kind"], data["user_id"], data["text"], data["question_id"], data)


@dataclass(frozen=True)
class InboxItem:
    """A step of an approval request that waits for the caller to decide. `id`: of the request, for `decide`.

    `step`: its name, None where it does not ask in steps. `standing_in_for`: in whose place the caller decides, None for
    themselves: for `on_behalf_of`. `due_at`: of the step.
    """

    id: str
    version: int
    title: str
    step: str | None
    standing_in_for: str | None
    priority: int
    due_at: datetime | None
    overdue: bool
    claimed_by: str | None
    workflow_key: str | None
    execution_id: str | None
    requested_by: str | None
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "InboxItem":
        return cls(
            data["id"],
            data["version"],
            data["title"],
            data["step_name"],
            data.get("standing_in_for"),
            data["priority"],
            None if data["due_at"] is None else datetime.fromisoformat(data["due_at"]),
            data["overdue"],
            data["claimed_by"],
            data["workflow_key"],
            data["execution_id"],
            data["requested_by"],
            data,
        )


@dataclass(frozen=True)
class InboxCounts:
    """How much waits for the caller. `more`: there is more than was counted. What else is counted is in `data`."""

    total: int
    overdue: int
    claimed: int
    by_priority: Mapping[int, int]
    by_workflow: Mapping[str, int]
    standing_in_for: Mapping[str, int]
    more: bool
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "InboxCounts":
        by_priority = {int(priority): count for priority, count in data["by_priority"].items()}
        of_others = data.get("standing_in_for", {})
        counts = data["total"], data["overdue"], data.get("claimed", 0)
        return cls(*counts, by_priority, data["by_workflow"], of_others, data["more"], data)


@dataclass(frozen=True)
class SavedFilter:
    """A query of the inbox that a user has given a name. `filter`: as the query of GET /v1/inbox."""

    name: str
    filter: Mapping[str, str]
    order: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "SavedFilter":
        return cls(data["name"], data["filter"], data["order"])


@dataclass(frozen=True)
class Decision:
    """What is decided on one of many requests. `version`: where the request has changed since, it is refused."""

    approval_id: str
    outcome: str
    comment: str | None = None
    form: Json = None
    role: str | None = None
    reason: str | None = None
    step: str | None = None
    on_behalf_of: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Workflow:
    """A workflow after a command on it. `published_version`: None where none is published yet."""

    id: str
    key: str
    status: str
    version: int
    published_version: int | None
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Workflow":
        return cls(data["id"], data["key"], data["status"], data["version"], data["published_version"], data)


@dataclass(frozen=True)
class Job:
    """Work that was leased. `fence` is the token that its report must show; `attempt` counts from 1."""

    id: str
    fence: int
    type: str
    input: Json
    attempt: int
    lease_until: datetime
    """By the database's clock."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Job":
        until = datetime.fromisoformat(data["lease_until"])
        return cls(data["id"], data["fence"], data["type"], data["input"], data["attempt"], until)


@dataclass(frozen=True)
class AiTaskResult:
    """An AI task right after a command. `turns`: that were answered in all, after a report."""

    id: str
    status: str
    version: int
    turns: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "AiTaskResult":
        return cls(data["id"], data["status"], data["version"], data.get("turns"))

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class AiTask:
    """An AI task as the tables show it: pending, running, waiting (for people or a workflow), completed, failed or cancelled."""

    id: str
    status: str
    version: int
    model: str
    execution_id: str | None
    """None of one that no execution asks for."""
    output: Json = field(repr=False)
    """None in lists: get the task."""
    error: str | None
    cost: Decimal | None
    """As far as it is known, in `currency`."""
    currency: str | None
    data: Mapping[str, Any] = field(repr=False)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "AiTask":
        return cls(
            data["id"],
            data["status"],
            data["version"],
            data["model"],
            data["execution_id"],
            data.get("output"),
            data["error"],
            None if data["actual_cost"] is None else Decimal(data["actual_cost"]),
            data["currency"],
            data,
        )


@dataclass(frozen=True)
class EnqueuedResult:
    """How a job stands right after it was enqueued or cancelled. `existing`: it is the one that had the unique key."""

    id: str
    status: str
    version: int
    existing: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "EnqueuedResult":
        return cls(data["id"], data["status"], data["version"], data.get("existing", False))


@dataclass(frozen=True)
class EnqueuedJob:
    """A job of its own as the tables show it: pending, completed, failed or cancelled. `error` is {type, message}."""

    id: str
    type: str
    status: str
    version: int
    unique_key: str | None
    attempts: int
    """How many have ended."""
    run_at: datetime
    input: Json
    """None in lists, as `output` is: get the job for both."""
    output: Json
    error: Json
    data: Mapping[str, Any] = field(repr=False)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "EnqueuedJob":
        return cls(
            data["id"],
            data["type"],
            data["status"],
            data["version"],
            data["unique_key"],
            data["attempts"],
            datetime.fromisoformat(data["run_at"]),
            data.get("input"),
            data.get("output"),
            data["error"],
            data,
        )


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed. `type`: what the node's error is called. `retryable`: whether another attempt might mend it."""

    type: str
    message: str
    retryable: bool = True


@dataclass(frozen=True)
class Report:
    """What became of a job: its output, or the failure of this attempt."""

    job: Job
    output: Json = None
    failure: Failure | None = None


@dataclass(frozen=True)
class NextJobs:
    """Which jobs a worker wants with the answer to its reports: `most` of these types, if there are any by then."""

    types: tuple[str, ...]
    worker_id: str
    most: int = 1
    lease_seconds: float = 60.0


@dataclass(frozen=True)
class Exchange:
    """What reports were answered. `refused`: for each, in their order, None or why. `jobs`: what there is to do next.

    `jobs` is None where the server is of a release that hands out none with its answers.
    """

    refused: "tuple[ApiError | None, ...]"
    jobs: tuple[Job, ...] | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list. Ask again with `cursor=page.next_cursor` for what follows; None: that was all."""

    items: tuple[T, ...]
    next_cursor: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    @classmethod
    def of(cls, data: Mapping[str, Any], item: Callable[[Mapping[str, Any]], T]) -> "Page[T]":
        return cls(tuple(item(one) for one in data["items"]), data["next_cursor"])


def _open_items(data: Mapping[str, Any]) -> tuple[OpenItem, ...]:
    return tuple(OpenItem(one["kind"], one["id"], one["node_id"], one["activation_id"]) for one in data.get("open", ()))
