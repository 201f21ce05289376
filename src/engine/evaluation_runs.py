"""What a run of an evaluation asks of a model: the variant's fields, with the case's data, or those of a past task.

A tool does not act on the world unless the suite says `call`: it is a double, which answers what the suite says or, of a case
that is a past task, what that tool answered then to the same arguments. Any other call is denied. So is one that people would be
asked about.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, AiTaskRequested, Bounds
from domain.facts import Invalid, Json, View
from engine.ai_config import COMMON
from engine.ai_doubles import DOUBLE
from engine.ai_tools import TOOL_TYPES
from engine.ai_tools.kind import literal
from engine.own_ai_tasks import LONGEST_NAME, Wanted

OF_VARIANT = (
    *("model", "prompt", "system", "context", "output_schema", "agent_type", "max_output_tokens", "temperature", "top_p"),
    *("seed", "tools", "bounds", "guards", "cache", "retry"),
)
"""What a variant says of its tasks, as `POST /v1/ai-tasks` takes it. Nobody is asked, so there is no review."""
CALL = "call"
"""What a suite says of a tool that really acts."""
MOST_RECORDED = 1 << 18
"""Characters of the recorded results, of one tool of a past task."""


def past_task(view: View, case: Mapping[str, Json], path: str) -> AiTask | None:
    """The task that the case was; None: its data is given. Raises Invalid."""
    if "from_task" not in case:
        return None
    task = view.read(AI_TASK, UUID(case["from_task"]))
    if task.requested is None:
        raise Invalid(f"There is no AI task {case['from_task']}.", f"{path}/from_task")
    if not task.closed:
        raise Invalid(f"The AI task {case['from_task']} is not over.", f"{path}/from_task")
    return task


def wanted(
    name: str, suite: Mapping[str, Json], variant: Mapping[str, Json], case: Mapping[str, Json], past: AiTask | None
) -> Wanted:
    """Raises Invalid, with a path within the variant."""
    require_askable(variant, case, past)
    own = {field: variant[field] for field in OF_VARIANT if field in variant and field != "retry"}
    before = {} if past is None or past.requested is None else _before(past.requested)
    fields = _with_prompt(own, case, before)
    for field in ("input", "context"):
        if field in case:
            fields[field] = literal(case[field])
    if isinstance(fields.get("tools"), list):
        fields["tools"] = [_tool(tool, suite.get("tools", {}), past) for tool in fields["tools"]]
    title = f"{name}: {variant['name']}, {case['name']}"[:LONGEST_NAME]
    return Wanted(fields, title, variant.get("retry"))


def require_askable(variant: Mapping[str, Json], case: Mapping[str, Json], past: AiTask | None) -> None:
    """Whether the two have a prompt and a model between them. Raises Invalid, with a path within the variant."""
    prompt = variant.get("prompt", case.get("prompt"))
    if prompt is None and past is None:
        raise Invalid(f"Neither the variant nor the case {case['name']} has a prompt.", "/prompt")
    if prompt is None and past is not None and past.requested is not None and past.requested.sensitive:
        message = "The past task's prompt had sensitive values, which are not on record: give the variant a prompt."
        raise Invalid(message, "/prompt")
    if "variables" in case and not isinstance(prompt, dict):
        raise Invalid(f"The case {case['name']} has variables, so the variant names a prompt {{key, version}}.", "/prompt")
    if past is None and "model" not in variant and not isinstance(prompt, dict):
        raise Invalid("The variant names no model.", "/model")


def _with_prompt(own: Mapping[str, Json], case: Mapping[str, Json], before: Mapping[str, Json]) -> dict[str, Any]:
    given = own["prompt"] if "prompt" in own else literal(case.get("prompt"))
    if given is None:
        return {**before, **own}
    # a past task's system text, and its model where the prompt may name one, belonged to its own prompt
    left_out = ("prompt", "system", *(("model",) if isinstance(given, dict) else ()))
    fields = {field: value for field, value in before.items() if field not in left_out}
    if "variables" in case and isinstance(given.get("variables", {}), dict):
        given = {**given, "variables": {**given.get("variables", {}), **literal(case["variables"])}}
    return {**fields, **own, "prompt": given}


def _before(requested: AiTaskRequested) -> dict[str, Json]:
    """Of a past task, as it would be asked for again."""
    texts = {
        "prompt": requested.prompt,
        "system": requested.system_prompt,
        "input": requested.input,
        "context": requested.context,
    }
    plain = {
        "model": requested.model,
        "output_schema": requested.output_schema,
        "agent_type": requested.agent_type,
        "guards": requested.guards,
        "tools": None if not requested.tools else [_as_written(tool) for tool in requested.tools],
        "bounds": None if requested.bounds is None else _bounds(requested.bounds),
        **vars(requested.configuration),
    }
    found = {**{name: literal(value) for name, value in texts.items()}, **plain}
    return {name: value for name, value in found.items() if value is not None}


def _as_written(tool: Mapping[str, Json]) -> Json:
    """Without what was made of it when the task was requested."""
    fields = TOOL_TYPES[tool["type"]].fields if tool.get("type") in TOOL_TYPES else {}
    return {name: value for name, value in tool.items() if name in COMMON or name in fields}


def _bounds(bounds: Bounds) -> Json:
    cost = None if bounds.cost is None else {"amount": str(bounds.cost), "currency": bounds.currency}
    time = None if bounds.time is None else f"PT{bounds.time // timedelta(milliseconds=1) / 1000:.3f}S"
    counts = {name: getattr(bounds, name) for name in ("turns", "tool_calls", "tokens", "repeats", "repairs")}
    return {name: value for name, value in {**counts, "cost": cost, "time": time}.items() if value is not None}


def _tool(tool: Json, doubles: Mapping[str, Json], past: AiTask | None) -> Json:
    """What is no tool at all is left as it is: whoever asks for the task is told so."""
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        return tool
    said = doubles.get(tool["name"])
    if said == CALL or tool.get("type") == DOUBLE:
        return tool
    double = {name: value for name, value in tool.items() if name in COMMON and name not in ("policy", "retry")}
    if "policy" in tool:
        double["policy"] = _unasked(tool["policy"]) if isinstance(tool["policy"], dict) else tool["policy"]
    return {**double, "type": DOUBLE, **({"answers": _recorded(tool["name"], past)} if said is None else said)}


def _recorded(name: str, past: AiTask | None) -> list[Json]:
    """What it answered in the past task, to the arguments that it was called with."""
    calls = () if past is None else (call for turn in past.turns for call in turn.calls if call.asked.tool == name)
    answers = [{"arguments": call.arguments, "returns": call.result} for call in calls if call.status == "succeeded"]
    size = sum(len(str(each)) for each in answers)
    if size > MOST_RECORDED:
        message = f"What {name} answered has {size} characters, which are more than {MOST_RECORDED}: give it a double."
        raise Invalid(message, "/tools")
    return answers


def _unasked(policy: Mapping[str, Json]) -> Json:
    """Where it would ask people, it denies."""
    deny, ask = policy.get("deny", False), policy.get("ask", False)
    if deny is True or ask is True:
        combined: Json = True
    else:
        combined = " || ".join(f"({each})" for each in (deny, ask) if isinstance(each, str)) or False
    return {"deny": combined, **({"allow": policy["allow"]} if "allow" in policy else {})}
