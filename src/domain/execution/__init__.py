"""A workflow execution: its activations (one visit of one node each), the tokens between them, and how it ended.

The decisions about executions are the engine's; here is what happened and what state follows from it.
"""

from domain.execution.aggregate import EXECUTION, evolve
from domain.execution.events import (
    TIMEOUT,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    Move,
    NodeError,
    TriggerType,
    Wait,
    WaitKind,
    problem_json,
)
from domain.execution.state import FIRST_TOKEN, Activation, Execution, Result, Status

__all__ = [
    "EXECUTION",
    "FIRST_TOKEN",
    "TIMEOUT",
    "Activation",
    "ActivationCancelled",
    "ActivationCompleted",
    "ActivationFailed",
    "ActivationRetried",
    "ActivationStarted",
    "ActivationWaiting",
    "Execution",
    "ExecutionCancelled",
    "ExecutionCompleted",
    "ExecutionEvent",
    "ExecutionFailed",
    "ExecutionHeld",
    "ExecutionPaused",
    "ExecutionResumed",
    "ExecutionSignalled",
    "ExecutionStarted",
    "Move",
    "NodeError",
    "Result",
    "Status",
    "TriggerType",
    "Wait",
    "WaitKind",
    "evolve",
    "problem_json",
]
