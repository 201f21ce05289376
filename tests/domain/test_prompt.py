"""Prompts: drafts, versions, and which of them is current."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain import prompt
from domain.facts import Fact
from domain.prompt import (
    PROMPT,
    PromptArchived,
    PromptContent,
    PromptDrafted,
    PromptPublished,
    PromptRestored,
    PromptRolledBack,
    Variable,
    prompt_id_of,
)
from engine.prompts import check
from tests.given import TENANT_ID, given

ID = prompt_id_of(TENANT_ID, "greet")
ONE = PromptContent("Greet {{ name }}.", None, (Variable("name"),))
TWO = PromptContent("Greet {{ name }} warmly.", "You are kind.", (Variable("name"),), "careful")
DRAFTED, AGAIN = Fact(ID, PromptDrafted("greet", ONE)), Fact(ID, PromptDrafted("greet", TWO, note="Warmer."))
FIRST, SECOND = Fact(ID, PromptPublished(1, ONE)), Fact(ID, PromptPublished(2, TWO, "Warmer.", 1))


def test_a_prompt_is_drafted_published_and_rolled_back() -> None:
    story = given().when(lambda view: prompt.create(view, "greet", ONE)).then(PromptDrafted("greet", ONE))
    assert (story.result["status"], story.result["current_version"]) == ("draft", None)
    story = story.when(lambda view: prompt.publish(view, ID, check)).then(PromptPublished(1, ONE))
    story = story.when(lambda view: prompt.redraft(view, ID, TWO, note="Warmer."))
    story = story.when(lambda view: prompt.publish(view, ID, check)).then(PromptPublished(2, TWO, "Warmer.", 1))
    story = story.when(lambda view: prompt.roll_back(view, ID, 1, "Too warm.")).then(PromptRolledBack(1, 2, "Too warm."))
    assert {name: story.result[name] for name in ("current_version", "latest_version")} == {
        "current_version": 1,
        "latest_version": 2,
    }
    story = story.when(lambda view: prompt.redraft(view, ID, ONE))
    story.when(lambda view: prompt.publish(view, ID, check)).then(PromptPublished(3, ONE, None, 1))


def test_what_is_no_change_is_refused() -> None:
    story = given([DRAFTED, FIRST, AGAIN, SECOND])
    story.when(lambda view: prompt.create(view, "greet", ONE)).then_refused("name_taken", "/key")
    story.when(lambda view: prompt.publish(view, ID, check)).then_refused("nothing_to_publish")
    story.when(lambda view: prompt.roll_back(view, ID, 2)).then_refused("already_current", "/version")
    story.when(lambda view: prompt.roll_back(view, ID, 7)).then_refused("invalid", "/version")
    story.when(lambda view: prompt.restore(view, ID)).then_refused("prompt_not_archived")
    given([DRAFTED]).when(lambda view: prompt.roll_back(view, ID, 1)).then_refused("invalid", "/version")
    given().when(lambda view: prompt.archive(view, ID)).then_refused("not_found")
    same = story.when(lambda view: prompt.redraft(view, ID, TWO))
    same.when(lambda view: prompt.publish(view, ID, check)).then_refused("nothing_to_publish")


def test_an_archived_prompt_is_as_it_was_when_it_is_restored() -> None:
    for before, status in (([DRAFTED], "draft"), ([DRAFTED, FIRST], "active")):
        story = given(before).when(lambda view: prompt.archive(view, ID, "Old.")).then(PromptArchived("Old."))
        for refused in (lambda view: prompt.archive(view, ID), lambda view: prompt.redraft(view, ID, TWO)):
            story.when(refused).then_refused("prompt_archived")
        story = story.when(lambda view: prompt.restore(view, ID)).then(PromptRestored())
        assert story.view.read(PROMPT, ID) == given(before).view.read(PROMPT, ID)
        assert story.result["status"] == status


def variables(**known: Any) -> tuple[Variable, ...]:
    return tuple(Variable(name, **each) for name, each in known.items())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"user": " "}, "/template/user"),
        ({"user": "x" * 100_001}, "/template/user"),
        ({"system": ""}, "/template/system"),
        ({"model": ""}, "/model"),
        ({"variables": (Variable("no name"),)}, "/variables"),
        ({"variables": tuple(Variable(f"v{number}") for number in range(101))}, "/variables"),
        ({"variables": (Variable("a", default="x" * 400_000),)}, "/template"),
    ],
)
def test_also_a_draft_has_bounds(fields: Mapping[str, Any], path: str) -> None:
    content = PromptContent(**{"user": "x", **fields})
    given().when(lambda view: prompt.create(view, "greet", content)).then_refused("invalid", path)


def test_a_key_has_a_form() -> None:
    for key in ("Greet", "1st", "a" * 64, "a b", ""):
        _refused_as_key(key)


def _refused_as_key(key: str) -> None:
    given().when(lambda view: prompt.create(view, key, ONE)).then_refused("invalid", "/key")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"user": "{{ other }}"}, ("/template/user", "unknown_variable")),
        ({"system": "{{ other.part }}"}, ("/template/system", "unknown_variable")),
        ({"user": "{{ 1st }}"}, ("/template/user", "bad_template")),
        ({"user": "{{ name"}, ("/template/user", "bad_template")),
        ({"user": "{{ name | upper }}"}, ("/template/user", "bad_template")),
        ({"variables": variables(name={"schema": {"type": "nothing"}})}, ("/variables/name/schema/type", "bad_schema")),
        ({"variables": variables(name={"schema": {"type": "integer"}, "default": "x"})}, ("/variables/name/default", "type")),
        ({"variables": variables(name={"sensitive": True, "default": "x"})}, ("/variables/name/default", "sensitive_default")),
        ({"variables": variables(name={"sensitive": True, "schema": {}})}, ("/variables/name/schema", "sensitive_schema")),
        ({"user": "{{ name.first }}", "variables": variables(name={"sensitive": True})}, ("/template/user", "sensitive_part")),
        ({"output_schema": {"type": 3}}, ("/output_schema/type", "bad_schema")),
    ],
)
def test_what_cannot_be_filled_in_is_not_published(fields: Mapping[str, Any], fault: tuple[str, str]) -> None:
    content = PromptContent(**{"user": "{{ name }}", "variables": (Variable("name"),), **fields})
    story = given().when(lambda view: prompt.create(view, "greet", content))
    refused = story.when(lambda view: prompt.publish(view, ID, check))
    assert refused.refusal is not None
    assert refused.refusal.code == "prompt_rejected"
    assert fault in [(each.path, each.code) for each in refused.refusal.errors]


def test_a_variable_that_no_text_has_a_place_for_is_warned_of() -> None:
    content = PromptContent("Hello.", None, (Variable("name"),))
    story = given().when(lambda view: prompt.create(view, "greet", content)).when(lambda view: prompt.publish(view, ID, check))
    assert [each["path"] for each in story.result["warnings"]] == ["/variables/name"]
