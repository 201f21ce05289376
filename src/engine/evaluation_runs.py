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
    own = {field: variant[field] for field in OF_VARIANT if field in variant and field != "retry"}
    before = {} if past is None or past.requested is None else _before(past.requested)
    fields = _with_prompt(own, case, before, past)
    for field in ("input", "context"):
        if field in case:
            fields[field] = literal(case[field])
    if "tools" in fields:
        fields["tools"] = [_tool(tool, suite.get("tools", {}), past) for tool in fields["tools"]]
    title = f"{name}: {variant['name']}, {case['name']}"[:LONGEST_NAME]
    return Wanted(fields, title, variant.get("retry"))


def _with_prompt(
    own: Mapping[str, Json], case: Mapping[str, Json], before: Mapping[str, Json], past: AiTask | None
) -> dict[str, Any]:
    given, variables = own.get("prompt"), case.get("variables")
    if given is None and "prompt" in case:
        given = literal(case["prompt"])
    if given is not None:  # the past one's model and system text belonged to its own prompt
        names_model = isinstance(given, dict) and "model" not in own
        left_out = ("prompt", "system", *(("model",) if names_model else ()))
        before = {field: value for field, value in before.items() if field not in left_out}
    elif past is not None and past.requested is not None and past.requested.sensitive:
        raise Invalid(
            "The past task's prompt had sensitive values, which are not on record: give the variant a prompt.", "/prompt"
        )
    fields = {**before, **own, **({} if given is None else {"prompt": given})}
    if "prompt" not in fields:
        raise Invalid(f"Neither the variant nor the case {case['name']} has a prompt.", "/prompt")
    if variables is not None:
        prompt = fields["prompt"]
        if not isinstance(prompt, dict):
            raise Invalid(f"The case {case['name']} has variables, so the variant names a prompt {{key, version}}.", "/prompt")
        fields["prompt"] = {**prompt, "variables": {**prompt.get("variables", {}), **literal(variables)}}
    if "model" not in fields and not isinstance(fields["prompt"], dict):
        raise Invalid("The variant names no model.", "/model")
    return fields


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


def _tool(tool: Mapping[str, Json], doubles: Mapping[str, Json], past: AiTask | None) -> Json:
    said = doubles.get(tool.get("name", ""))
    if said == CALL or tool.get("type") == DOUBLE:
        return tool
    double = {name: value for name, value in tool.items() if name in COMMON and name not in ("policy", "retry")}
    if "policy" in tool:
        double["policy"] = _unasked(tool["policy"])
    return {**double, "type": DOUBLE, **({"answers": _recorded(tool, past)} if said is None else said)}


def _recorded(tool: Mapping[str, Json], past: AiTask | None) -> list[Json]:
    """What it answered in the past task, to the arguments that it was called with."""
    calls = () if past is None else (call for turn in past.turns for call in turn.calls if call.asked.tool == tool.get("name"))
    answers = [{"arguments": call.arguments, "returns": call.result} for call in calls if call.status == "succeeded"]
    size = sum(len(str(each)) for each in answers)
    if size > MOST_RECORDED:
        message = (
            f"What {tool.get('name')} answered has {size} characters, which are more than {MOST_RECORDED}: give it a double."
        )
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
