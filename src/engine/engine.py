"""What the rooms above use of the engine. Publishing's side of it is `engine.validate`."""

from domain.approval import Decider
from engine.approvals import decide_approval
from engine.executions import cancel, open_items, pause, resume, signal, start, terminate
from engine.plans import Engine, Limits

__all__ = [
    "Decider",
    "Engine",
    "Limits",
    "cancel",
    "decide_approval",
    "open_items",
    "pause",
    "resume",
    "signal",
    "start",
    "terminate",
]
