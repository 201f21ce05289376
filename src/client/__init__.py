"""A client of Gesta's API, and the worker that does its tasks. Needs httpx2, and nothing of the server.

    from client import Client

    gesta = Client("http://127.0.0.1:8080", "gk_…")
    started = gesta.start("expense", {"amount": 240}, business_key="E-1042")
    gesta.decide(started.open[0].id, "approved", comment="Within budget.")
    print(gesta.wait(started.id).output)

`AsyncClient` has the same methods, to be awaited. `Worker` runs functions as the work of `task` nodes.
"""

from client.clients import AsyncClient, Client
from client.errors import (
    AnswerLost,
    ApiError,
    Conflict,
    GestaError,
    Invalid,
    LeaseLost,
    NotFound,
    PermissionDenied,
    StillPending,
    StillRunning,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    VersionMismatch,
)
from client.models import (
    AiTask,
    AiTaskResult,
    Approval,
    ApprovalResult,
    BulkOperation,
    BulkPreview,
    Comment,
    Decision,
    DecisionResult,
    EnqueuedJob,
    EnqueuedResult,
    Exchange,
    Execution,
    ExecutionResult,
    Failure,
    FieldError,
    InboxCounts,
    InboxItem,
    Job,
    MigrationPreview,
    NextJobs,
    OpenItem,
    Page,
    Report,
    Said,
    SavedFilter,
    Workflow,
)
from client.worker import NonRetryable, Worker

__all__ = [
    "AiTask",
    "AiTaskResult",
    "AnswerLost",
    "ApiError",
    "Approval",
    "ApprovalResult",
    "AsyncClient",
    "BulkOperation",
    "BulkPreview",
    "Client",
    "Comment",
    "Conflict",
    "Decision",
    "DecisionResult",
    "EnqueuedJob",
    "EnqueuedResult",
    "Exchange",
    "Execution",
    "ExecutionResult",
    "Failure",
    "FieldError",
    "GestaError",
    "InboxCounts",
    "InboxItem",
    "Invalid",
    "Job",
    "LeaseLost",
    "MigrationPreview",
    "NextJobs",
    "NonRetryable",
    "NotFound",
    "OpenItem",
    "Page",
    "PermissionDenied",
    "Report",
    "Said",
    "SavedFilter",
    "StillPending",
    "StillRunning",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "VersionMismatch",
    "Worker",
    "Workflow",
]
