"""What the rooms above use of the engine. AI tasks' side of it is `engine.ai_tasks`, publishing's is `engine.validate`."""

from domain.approval import Decider
from engine.approvals import (
    add_approver,
    claim_approval,
    decide_approval,
    override_approval,
    reassign_approval,
    recall_approval,
    release_approval,
    resubmit_approval,
    return_approval,
    revoke_decision,
    withdraw_approval,
)
from engine.context import Engine, EngineLimits
from engine.executions import OnConflict, cancel, open_items, pause, resume, signal, start, terminate
from engine.expired_leases import expire_lease
from engine.jobs import complete_job, continue_run, fail_job
from engine.timers import fire

__all__ = [
    "Decider",
    "Engine",
    "EngineLimits",
    "OnConflict",
    "add_approver",
    "cancel",
    "claim_approval",
    "complete_job",
    "continue_run",
    "decide_approval",
    "expire_lease",
    "fail_job",
    "fire",
    "open_items",
    "override_approval",
    "pause",
    "reassign_approval",
    "recall_approval",
    "release_approval",
    "resubmit_approval",
    "resume",
    "return_approval",
    "revoke_decision",
    "signal",
    "start",
    "terminate",
    "withdraw_approval",
]
