"""A tool is called that starts a workflow."""

from uuid import UUID

from domain.access import Rights
from domain.facts import Decided, Json, NotFound, View
from domain.trigger import MCP, TOOL, TRIGGER, tool_of
from engine.context import Engine
from engine.triggers.commands import TriggerIsPaused
from engine.triggers.mcp import wait_of
from engine.triggers.starting import Start, run_by_hand


class NoSuchTool(NotFound):
    """There is no such tool."""


def start_by_call(
    view: View, engine: Engine, name: str, arguments: Json, who: Rights, correlation_id: UUID | None = None
) -> Decided:
    """result {execution, wait}: in seconds. Raises what refuses the start, for whoever called to be told."""
    trigger_id = view.owner(TOOL, name)
    if trigger_id is None:
        raise NoSuchTool
    state = view.read(TRIGGER, trigger_id)
    if not state.live or state.type != MCP or tool_of(state.config, state.workflow_key) != name:
        raise NoSuchTool
    if state.paused:
        raise TriggerIsPaused
    wanted = Start(
        trigger_id,
        state,
        view.new_id(),
        {"arguments": arguments},
        {"tool": name},
        created_by=who.user_id,
        behind=tuple(sorted(who.behind)),
        correlation_id=correlation_id,
        input=arguments,
    )
    decided = run_by_hand(view, engine, wanted)
    result = {"execution": decided.result, "wait": wait_of(state.config).total_seconds()}
    return Decided(**{**vars(decided), "result": result})
