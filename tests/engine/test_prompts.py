"""What a template says with its values, against an oracle that reads templates one character at a time."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Invalid
from domain.prompt import PromptContent, Variable
from engine.prompt_differences import differences, lines
from engine.prompt_templates import LONGEST, TemplateFault, parse
from engine.prompts import Rendered, Withheld, render

VALUES: dict[str, Any] = {
    "a": "{{ b }} and {{{{",
    "b": {"list": [1, {"deep": "x"}], "text": "{{ a }}"},
    "c": None,
    "d": 0.5,
    "sealed": "the value",
}
CONTENT = {name: Variable(name, sensitive=name == "sealed") for name in VALUES}
PATHS = ("a", "b", "b.text", "b.list.0", "b.list.1.deep", "b.list.1", "c", "d", "sealed")
STANDS = Withheld("[sensitive:sealed:{{ a }}]")


def filled(template: str, system: str | None = None) -> Rendered:
    content = PromptContent(template, system, tuple(CONTENT.values()))
    shown = {name: value for name, value in VALUES.items() if name != "sealed"}
    return render(content, shown, {"sealed": STANDS})


def oracle(template: str) -> tuple[str, list[tuple[int, int]]] | None:
    """The text, and where something stands for the sealed value; None where it is no template. It looks at one character after
    the other."""
    out, spans, rest = "", [], template
    while rest:
        if rest[:4] == "{{{{":
            out, rest = out + "{{", rest[4:]
        elif rest[:2] == "{{":
            inside, end, after = rest[2:].partition("}}")
            name = inside.strip(" \n\t")
            if not end or name not in PATHS:
                return None
            value: Any = {**VALUES, "sealed": STANDS.stands}
            for part in name.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if name == "sealed":
                spans.append((len(out), len(out) + len(text)))
            out, rest = out + text, after
        else:
            out, rest = out + rest[0], rest[1:]
    return out, spans


PIECES = st.one_of(
    st.sampled_from(("{{", "}}", "{{{{", "{", "}", "\n", "ä🙂", "a", " ", "{{{", "{% if a %}", "${a}", "__class__")),
    st.sampled_from(PATHS).map(lambda path: "{{ " + path + " }}"),
    st.sampled_from(PATHS).map(lambda path: "{{" + path + "}}"),
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_a_template_says_what_the_oracle_says(template: str) -> None:
    wanted = oracle(template)
    if wanted is None:
        with pytest.raises(TemplateFault):
            parse(template)
    elif wanted[0].strip():
        found = filled(template)
        assert (found.prompt, [(part.start, part.end) for part in found.sensitive]) == wanted


@given(st.text(max_size=50))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    content = PromptContent("<{{ a }}>", None, (Variable("a"),))
    assert render(content, {"a": value}, {}).prompt == f"<{value}>"
    assert render(content, {"a": [value]}, {}).prompt == f"<{json.dumps([value], ensure_ascii=False)}>"


def test_both_texts_are_filled_in_and_tell_where_something_stands_for_a_value() -> None:
    found = filled("ä {{ sealed }}", "{{ sealed }}{{sealed}}")
    assert found.system_prompt == STANDS.stands * 2
    size = len(STANDS.stands)
    assert [(part.of, part.start, part.end) for part in found.sensitive] == [
        ("prompt", 2, 2 + size),
        ("system_prompt", 0, size),
        ("system_prompt", size, 2 * size),
    ]


def fault_of(content: PromptContent, **given: Any) -> tuple[str | None, str]:
    with pytest.raises(Invalid) as refused:
        render(content, given, {})
    return refused.value.path, refused.value.errors[0].code if refused.value.errors else refused.value.code


def test_values_are_held_against_what_the_prompt_says_of_them() -> None:
    number = PromptContent("{{ n }}{{ o }}!", None, (Variable("n", schema={"type": "integer"}), Variable("o", required=False)))
    assert render(number, {"n": 3}, {}).prompt == "3!"
    assert fault_of(number) == ("/variables/n", "required")
    assert fault_of(number, n="3") == ("/variables/n", "type")
    assert fault_of(number, n=3, other=1) == ("/variables/other", "unknown_variable")
    with_default = PromptContent("{{ n }}", None, (Variable("n", default=[1]),))
    assert render(with_default, {}, {}).prompt == "[1]"
    assert fault_of(PromptContent("{{ n.a }}", None, (Variable("n"),)), n={"b": 1}) == ("/variables/n", "invalid")
    assert fault_of(PromptContent("{{ n.9 }}", None, (Variable("n"),)), n=[1]) == ("/variables/n", "invalid")
    assert fault_of(PromptContent("{{ n }}", None, (Variable("n"),)), n=" ") == ("/variables", "invalid")


def test_values_do_not_make_a_text_that_is_longer_than_may_be_sent() -> None:
    many = PromptContent("{{ n }}" * 10_000, None, (Variable("n"),))
    assert fault_of(many, n="x" * (LONGEST // 100))[0] == "/template/user"


def test_a_fault_tells_where_it_is() -> None:
    with pytest.raises(TemplateFault, match="Line 2, column 4"):
        parse("one\ntwo{{ 3")


def test_two_versions_are_compared_field_by_field_and_line_by_line() -> None:
    one = PromptContent("a\nb\nc", "s", (Variable("x"), Variable("y")))
    other = PromptContent("a\nB\nc", "s", (Variable("x", required=False),), "careful")
    assert [(each["path"], each["how"]) for each in differences(one, other)] == [
        ("/model", "added"),
        ("/template/user", "changed"),
        ("/variables/x", "changed"),
        ("/variables/y", "removed"),
    ]
    assert lines(one.user, other.user) == "--- before\n+++ after\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c"
    assert lines(one.user, one.user) is None
    assert differences(one, one) == []
