"""Agents whose prompt is one by name: which version they get, what is recorded, and what is refused."""

from typing import Any

import pytest

from domain.ai_task import AiTaskRequested, SensitivePart
from domain.facts import Decided, Fact, Json
from domain.prompt import PROMPT, Prompt, PromptContent, PromptDrafted, PromptPublished, PromptRolledBack, Variable, prompt_id_of
from engine.invalid import InvalidValue
from engine.lints.prompts import named_prompts, prompt_findings
from engine.lints.secrets import named_secrets
from engine.node_prompts import moved
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, agent
from tests.given import TENANT_ID

TEXT = {"type": "string"}
ID = prompt_id_of(TENANT_ID, "greet")
NAME, ACCOUNT = Variable("name"), Variable("account", sensitive=True, required=False)
ONE = PromptContent("Greet {{ name }}.", None, (NAME,), "offline/echo")
TWO = PromptContent(
    "Hello {{ name }} of {{ account }}.", "{{ account }}", (NAME, ACCOUNT), "careful", output_schema={"type": "string"}
)
FACTS = (
    Fact(ID, PromptDrafted("greet", ONE)),
    Fact(ID, PromptPublished(1, ONE)),
    Fact(ID, PromptDrafted("greet", TWO)),
    Fact(ID, PromptPublished(2, TWO, None, 1)),
)
BACK = Fact(ID, PromptRolledBack(1, 2))


def drawn(prompt: Json, **config: Json) -> Json:
    kind, given, fields = agent(prompt=prompt, **config)
    if "model" not in config:
        del given["model"]
    broken = ("end", {"output": "=nodes.ai.error"})
    nodes = {"start": "start", "ai": (kind, given, fields), "end": "end", "broken": broken}
    return drawing(nodes, "start > ai", "ai > end", "ai.error > broken", "ai.timeout > broken")


def visiting(prompt: Json, *facts: Fact, **config: Json) -> Workplace:
    place = Workplace(drawn(prompt, **config))
    place.story = place.story.when(lambda _: Decided((*FACTS, *facts)))
    place.start({"name": "Ada {{ account }}"})
    return place


def requested(place: Workplace) -> AiTaskRequested:
    event = place.view.events(place.task_id("ai"))[0]
    assert isinstance(event, AiTaskRequested)
    return event


BY_NAME: dict[str, Any] = {"key": "greet", "variables": {"name": "=input.name"}}


def test_a_task_is_pinned_to_the_version_that_is_current_when_the_visit_begins() -> None:
    for given, facts, version, model in ((BY_NAME, (), 2, "careful"), (BY_NAME, (BACK,), 1, "offline/echo")):
        asked = requested(visiting(given, *facts))
        assert asked.prompt_ref is not None
        assert (asked.prompt_ref.key, asked.prompt_ref.version, asked.model) == ("greet", version, model)
    asked = requested(visiting({**BY_NAME, "version": 1}, model="offline/other"))
    assert (asked.prompt, asked.model, asked.output_schema) == ("Greet Ada {{ account }}.", "offline/other", None)
    assert requested(visiting(BY_NAME)).output_schema == {"type": "string"}


def test_the_name_of_a_secret_stands_in_the_place_of_its_value() -> None:
    variables = {**BY_NAME["variables"], "account": {"secret": "iban"}}
    asked = requested(visiting({"key": "greet", "variables": variables}))
    assert (asked.prompt, asked.system_prompt) == ("Hello Ada {{ account }} of [secret:iban].", "[secret:iban]")
    assert asked.sensitive == (
        SensitivePart("account", "prompt", 27, 40, "iban"),
        SensitivePart("account", "system_prompt", 0, 13, "iban"),
    )


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"key": "none"}, "There is no prompt none."),
        ({"key": "greet", "version": 3}, "has no version 3"),
        ({"key": "greet"}, "name needs a value"),
        ({"key": "greet", "variables": {"name": "x", "other": 1}}, "no variable other"),
        ({"key": "greet", "variables": {"name": "x", "account": "=input.name"}}, "account is sensitive"),
        ({"key": "greet", "variables": {"name": {"secret": "iban"}}}, "name is not sensitive"),
    ],
)
def test_what_does_not_fit_is_the_error_of_the_node(prompt: Json, said: str) -> None:
    place = visiting(prompt)
    assert place.state.status == "completed"
    assert [event for event in place.view.events(EXECUTION_ID) if said in str(event)]


def test_what_is_wrong_is_told_when_a_definition_is_published() -> None:
    def codes(prompt: Json, **config: Json) -> list[str]:
        return [found.code for found in validate(drawn(prompt, **config), EVALUATOR) if found.severity == "error"]

    assert codes(BY_NAME) == []
    assert codes(BY_NAME, system="x") == ["system_of_prompt"]
    assert codes({"key": "greet", "variables": {"account": {"secret": "=input.name"}}}) != []
    assert codes({"key": "Greet"}) != []
    state = Prompt()
    for fact in FACTS:
        state = PROMPT.evolve(state, fact.event)

    def findings(prompt: Json, known: Prompt = state) -> list[tuple[str, str]]:
        return [(found.severity, found.code) for found in prompt_findings(drawn(prompt), {"greet": known})]

    assert named_prompts(drawn(BY_NAME)) == ["greet"]
    assert findings(BY_NAME) == []
    assert findings({"key": "greet", "variables": {"nobody": 1, "account": "x"}}) == [
        ("error", "sensitive_value"),
        ("error", "unknown_variable"),
        ("error", "required"),
    ]
    assert findings(BY_NAME, Prompt()) == [("warning", "unknown_prompt")]
    assert findings({**BY_NAME, "version": 7}) == [("warning", "unknown_prompt")]
    assert list(named_secrets(drawn({"key": "greet", "variables": {"account": {"secret": "iban"}}}))) == ["iban"]


def test_what_a_guard_changes_around_a_place_moves_it() -> None:
    parts = [SensitivePart("a", "prompt", 5, 8), SensitivePart("a", "prompt", 12, 15)]
    found = moved(parts, "name [s] and [s]".replace("and ", "an "), "[redacted] [s] an [s]")
    assert [(part.start, part.end) for part in found] == [(11, 14), (18, 21)]
    with pytest.raises(InvalidValue):
        moved(parts, "name [s] an [s]", "name [s] an")
    assert moved(parts, "name [s] an [s]", "name [s] an [s]") == parts
