"""A workflow is published, archived or restored, and its triggers with it, in the same append."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from domain import workflow
from domain.facts import Decided, Json, RuleViolation, View
from domain.trigger import MCP, TOOL, TRIGGER, TriggerChanged, TriggerCreated, TriggerEvent, TriggerRetired, id_of, tool_of
from domain.workflow import WORKFLOW, Check, Workflow
from engine.triggers import BY_NAME
from engine.triggers.changing import changed, joined


class ToolNameTaken(RuleViolation):
    """Another workflow is a tool of this name."""

    code = "tool_name_taken"


def key_of(trigger: Json) -> str:
    """What a trigger is called in its definition: its id, or its type where it is the only one."""
    return str(trigger.get("id", trigger["type"]))


def remembered(definition: Json) -> Mapping[str, Json]:
    """The triggers of a definition that are streams of their own, by key."""
    found = definition.get("triggers", []) if isinstance(definition, dict) else []
    return {key_of(each): each for each in found if each["type"] in BY_NAME and BY_NAME[each["type"]].remembers}


def publish(view: View, workflow_id: UUID, check: Check, note: str | None = None, by: UUID | None = None) -> Decided:
    """Make the draft the next version, and its triggers those of the workflow."""
    before = view.read(WORKFLOW, workflow_id)
    decided = workflow.publish(view, workflow_id, check, note, by)
    number = decided.result["published_version"]
    return joined(decided, *_changes(view, workflow_id, before, number, remembered(before.draft)))


def archive(view: View, workflow_id: UUID, reason: str | None = None) -> Decided:
    """Archive a workflow; its triggers start nothing any more."""
    state = view.read(WORKFLOW, workflow_id)
    decided = workflow.archive(view, workflow_id, reason)
    gone = [id_of(workflow_id, key) for key in _published(state)]
    return joined(decided, *(changed(view, each, [TriggerRetired("archived")]) for each in gone if view.read(TRIGGER, each).live))


def restore(view: View, workflow_id: UUID, reason: str | None = None) -> Decided:
    """Take an archived workflow back into use, with the triggers of the version published last."""
    state = view.read(WORKFLOW, workflow_id)
    decided = workflow.restore(view, workflow_id, reason)
    return joined(decided, *_changes(view, workflow_id, state, state.published_version or 0, _published(state)))


def _published(state: Workflow) -> Mapping[str, Json]:
    return {} if state.published_version is None else remembered(state.versions[state.published_version])


def _changes(view: View, workflow_id: UUID, before: Workflow, number: int, wanted: Mapping[str, Json]) -> Iterator[Decided]:
    _require_free(view, {name: id_of(workflow_id, name) for name in {*_published(before), *wanted}}, before.key, wanted)
    for key in sorted({*_published(before), *wanted}):
        trigger_id = id_of(workflow_id, key)
        event = _change(view, trigger_id, workflow_id, before.key, number, key, wanted.get(key))
        if event is not None:
            yield changed(view, trigger_id, [event])


def _require_free(view: View, own: Mapping[str, UUID], workflow_key: str, wanted: Mapping[str, Json]) -> None:
    """Raises ToolNameTaken. One trigger of the workflow may take over another's name."""
    for config in wanted.values():
        name = tool_of(config, workflow_key)
        if config["type"] == MCP and view.owner(TOOL, name) not in (None, *own.values()):
            raise ToolNameTaken(f"Another workflow is the tool {name}: give this one a tool_name of its own.")


def _change(
    view: View, trigger_id: UUID, workflow_id: UUID, workflow_key: str, number: int, key: str, config: Json
) -> TriggerEvent | None:
    state = view.read(TRIGGER, trigger_id)
    if config is None:
        return TriggerRetired("removed") if state.live else None
    if not state.live:
        return TriggerCreated(workflow_id, workflow_key, number, key, config["type"], config)
    return None if state.config == config else TriggerChanged(number, config["type"], config)
