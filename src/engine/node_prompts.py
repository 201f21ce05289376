"""An agent's `prompt: {key, version?, variables?}`: the version of a prompt that its task is pinned to, filled in.

A sensitive variable takes a secret of the tenant's, named by the definition as {"secret": name}: the engine has no values of
secrets, so the name stands in the text that is recorded. What an expression comes to is never taken for such a reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from domain.ai_task import PromptRef, SensitivePart
from domain.facts import Invalid, Json, View
from domain.names import ROLE_KEY
from domain.prompt import Prompt, PromptContent
from engine import prompts
from engine.definition import Node
from engine.invalid import InvalidValue
from engine.nodes.kind import Fault
from engine.prompt_references import secrets_in
from engine.prompts import NoSuchPrompt, Pinned, Withheld, pinned_of

_NOBODYS = UUID(int=0)


@dataclass(frozen=True)
class ByPrompt:
    """What a prompt gives a task. `config`, `node`: with what the prompt says where the node says nothing."""

    node: Node
    config: Json
    ref: PromptRef | None = None
    rendered: prompts.Rendered | None = None

    def pin(self, prompt: str, system_prompt: str | None) -> dict[str, Any]:
        """What the task has on record of it, with these texts: where they leave something out, which guards may have moved.

        Raises InvalidValue.
        """
        if self.ref is None or self.rendered is None:
            return {}
        parts: list[SensitivePart] = []
        for of, text in (("prompt", prompt), ("system_prompt", system_prompt)):
            mine = [each for each in self.rendered.sensitive if each.of == of]
            parts += moved(mine, getattr(self.rendered, of) or "", text or "")
        return {"prompt_ref": self.ref, "sensitive": tuple(parts) or None}


def moved(parts: list[SensitivePart], before: str, after: str) -> list[SensitivePart]:
    """The same parts where they are in a text that was changed around them. Raises InvalidValue where they cannot be told."""
    if before == after:
        return parts
    found = []
    for part in parts:
        stands = before[part.start : part.end]
        if before.count(stands) != after.count(stands):
            raise InvalidValue("A guard changed the place of a sensitive value.")
        start = -1
        for _ in range(before.count(stands, 0, part.start) + 1):
            start = after.index(stands, start + 1)
        found.append(replace(part, start=start, end=start + len(stands)))
    return found


def by_prompt(view: View, node: Node, config: Json, sealed: Mapping[str, Withheld] | None = None) -> ByPrompt:
    """`config`: resolved; `sealed`: what stands for values that were given and are not in it.

    Raises InvalidValue where there is no such prompt, or its variables do not get what they need."""
    given = config["prompt"]
    if not isinstance(given, Mapping):
        return ByPrompt(node, config)
    secrets = secrets_in(node.config["prompt"])
    try:
        pinned = prompts.pinned(view, given["key"], given.get("version"))
        fault = next(misplaced(pinned.content, given.get("variables", {}), secrets), None)
        if fault is not None:
            raise InvalidValue(fault.message, f"/prompt{fault.path}")
        named = {name: Withheld(f"[secret:{secret}]", secret) for name, secret in secrets.items()}
        withheld = named if sealed is None else {**sealed, **named}
        values = {name: value for name, value in given.get("variables", {}).items() if name not in secrets}
        rendered = prompts.render(pinned.content, values, withheld, view.effort)
    except Invalid as refused:
        raise InvalidValue(f"The prompt {given['key']}: {refused.message}", f"/prompt{refused.path or ''}") from refused
    return ByPrompt(_with_schema(node, pinned.content), _with_defaults(config, pinned, rendered), pinned.ref, rendered)


def _with_schema(node: Node, content: PromptContent) -> Node:
    if content.output_schema is None or "output_schema" in node.config:
        return node
    return replace(node, config={**node.config, "output_schema": content.output_schema})


def _with_defaults(config: Json, pinned: Pinned, rendered: prompts.Rendered) -> dict[str, Any]:
    settings = {name: value for name, value in vars(pinned.content.configuration).items() if value is not None}
    model = {} if pinned.content.model is None else {"model": pinned.content.model}
    system = {} if rendered.system_prompt is None else {"system": rendered.system_prompt}
    told = {**settings, **model, **config, **system, "prompt": rendered.prompt}
    if "model" not in told:
        raise InvalidValue(f"Neither the node nor the prompt {pinned.ref.key} names a model.", "/model")
    return told


def misplaced(content: PromptContent, given: Mapping[str, Json], secrets: Mapping[str, Json]) -> Iterator[Fault]:
    """Values in the place of secrets, and secrets in the place of values. Paths are within the node's `prompt`."""
    for name in given:
        variable = content.variable(name)
        if variable is None:
            continue
        if variable.sensitive and name not in secrets:
            message = f'{name} is sensitive: a node gives it as {{"secret": name}}, so that its value is not recorded.'
            yield Fault(f"/variables/{name}", "sensitive_value", message)
        elif not variable.sensitive and name in secrets:
            message = f"{name} is not sensitive: the value of a secret is not put there."
            yield Fault(f"/variables/{name}", "secret_not_sensitive", message)


def lint(node: Node) -> Iterator[Fault]:
    """What can be told without the prompt."""
    prompt = node.config["prompt"]
    if not isinstance(prompt, Mapping):
        if "model" not in node.config:
            yield Fault("/model", "required", "A node whose prompt is a text names a model.")
        return
    if "system" in node.config:
        yield Fault("/system", "system_of_prompt", "What the model is told about its part is the prompt's own.")
    for name, secret in secrets_in(prompt).items():
        if not isinstance(secret, str) or not ROLE_KEY.fullmatch(secret):
            yield Fault(f"/prompt/variables/{name}/secret", "invalid_value", "A secret is named by its name, as it is.")


def faults_of(prompt: Mapping[str, Any], state: Prompt) -> Iterator[Fault]:
    """What is wrong with an agent's `prompt` as the prompt is now. Paths are within it."""
    key, version = prompt.get("key"), prompt.get("version")
    given = prompt.get("variables", {})
    if not isinstance(key, str) or not isinstance(given, Mapping):
        return
    try:
        content = pinned_of(PromptRef(_NOBODYS, key, 0), state, version if isinstance(version, int) else None).content
    except NoSuchPrompt as error:
        yield Fault("/version" if version else "/key", "unknown_prompt", error.message, "warning")
        return
    yield from misplaced(content, given, secrets_in(prompt))
    for name in given:
        if content.variable(name) is None:
            yield Fault(f"/variables/{name}", "unknown_variable", f"The prompt {key} has no variable {name}.")
    for variable in content.variables:
        if variable.required and variable.default is None and variable.name not in given:
            yield Fault("/variables", "required", f"The prompt {key} needs a value for {variable.name}.")
