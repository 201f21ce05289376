"""Prompts in use: what is wrong with a draft, which version a task is pinned to, and what a version says with given values.

Where a value is not to be recorded, something else stands in its place, and the task tells where (`SensitivePart`): a worker puts
the value there for the moment of the call (`worker.ai.sensitive`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from domain.ai_task import PromptRef, SensitivePart
from domain.effort import Effort
from domain.facts import FieldError, Invalid, Json, View
from domain.prompt import PROMPT, Checked, Prompt, PromptContent, Variable, prompt_id_of
from engine.prompt_references import secrets_in
from engine.prompt_templates import NoSuchPart, Place, Template, TemplateFault, TooLong, as_text, fill, parse, places, within
from engine.schema import SchemaError, check_schema, faults

Of = Literal["prompt", "system_prompt"]
MOST_SENSITIVE = 10
"""Variables: each value is looked for, in all its forms, in all of an answer."""
SHORTEST, LONGEST_SENSITIVE = 6, 10_000
"""Characters of a sensitive value: a shorter one could not be told from other text, and so not be kept out of an answer."""
TEXTS: tuple[tuple[Of, str], ...] = (("prompt", "user"), ("system_prompt", "system"))
"""Of a task, and the text of the template that it comes from."""


class NoSuchPrompt(Invalid):
    """There is no such prompt, or it has no such version."""

    code = "prompt_missing"


@dataclass(frozen=True)
class Pinned:
    """The version that a task goes by."""

    ref: PromptRef
    content: PromptContent


@dataclass(frozen=True)
class Withheld:
    """What stands in the place of a sensitive value. `secret`: of the tenant, whose value it is; None: it is sealed by itself."""

    stands: str
    secret: str | None = None


@dataclass(frozen=True)
class Rendered:
    """What is recorded as sent."""

    prompt: str
    system_prompt: str | None
    sensitive: tuple[SensitivePart, ...]


def pinned(view: View, key: str, version: int | None = None) -> Pinned:
    """The version named, or else the current one. Raises NoSuchPrompt."""
    prompt_id = prompt_id_of(view.tenant_id, key)
    return pinned_of(PromptRef(prompt_id, key, 0), view.read(PROMPT, prompt_id), version)


def pinned_of(ref: PromptRef, state: Prompt, version: int | None = None) -> Pinned:
    """The same of a state that was read before."""
    if state.status == "absent":
        raise NoSuchPrompt(f"There is no prompt {ref.key}.")
    if not state.in_use or state.current is None:
        raise NoSuchPrompt(f"The prompt {ref.key} is {'archived' if state.status == 'archived' else 'not published'}.")
    number = version or state.current
    if number not in state.versions:
        raise NoSuchPrompt(f"The prompt {ref.key} has no version {number}.")
    return Pinned(PromptRef(ref.id, ref.key, number), state.versions[number])


@dataclass(frozen=True)
class Kept:
    """Given values apart from one another: `plain` ones are recorded, as are names of secrets; `sealed` ones are not, `withheld`
    stands for them."""

    plain: dict[str, Json]
    sealed: dict[str, str]
    withheld: dict[str, Withheld]


def keep_apart(content: PromptContent, given: Mapping[str, Json], digest: Callable[[str], str]) -> Kept:
    """Of values that are given with a task. `digest`: keyed, so that equal values can be told and none can be guessed.

    Raises Invalid, which does not cite a value.
    """
    sealed: dict[str, str] = {}
    for name in (content.sensitive & given.keys()) - secrets_in({"variables": given}).keys():
        value = given[name]
        if not isinstance(value, str) or not SHORTEST <= len(value) <= LONGEST_SENSITIVE:
            message = f"The value of {name} is sensitive: a text of {SHORTEST} to {LONGEST_SENSITIVE} characters."
            raise Invalid(message, f"/prompt/variables/{name}")
        sealed[name] = value
    withheld = {name: Withheld(f"[sensitive:{name}:{digest(value)}]") for name, value in sealed.items()}
    return Kept({name: value for name, value in given.items() if name not in sealed}, sealed, withheld)


def render(
    content: PromptContent, given: Mapping[str, Json], withheld: Mapping[str, Withheld], effort: Effort | None = None
) -> Rendered:
    """What a version says. `given`: values by variable; `withheld`: of sensitive ones, what stands there instead.

    Raises Invalid, which names the variable.
    """
    values = _values(content, given, withheld, effort)
    sent: dict[str, str | None] = {"prompt": None, "system_prompt": None}
    parts: list[SensitivePart] = []
    texts: dict[Place | tuple[str, ...], str] = {}

    def text_of(place: Place) -> str:
        if place.path not in texts:
            texts[place.path] = withheld[place.variable].stands if place.variable in withheld else _text(place, values)
        return texts[place.path]

    for of, name in TEXTS:
        written = getattr(content, name)
        if written is None:
            continue
        try:
            sent[of], spans = fill(template(written), text_of)
        except (TemplateFault, TooLong) as error:
            raise Invalid(str(error), f"/template/{name}") from None
        parts += [
            SensitivePart(span.variable, of, span.start, span.end, withheld[span.variable].secret)
            for span in spans
            if span.variable in withheld
        ]
    prompt = sent["prompt"]
    assert prompt is not None
    if not prompt.strip():
        raise Invalid("With these values the prompt is empty.", "/variables")
    return Rendered(prompt, sent["system_prompt"], tuple(parts))


def _values(
    content: PromptContent, given: Mapping[str, Json], withheld: Mapping[str, Withheld], effort: Effort | None
) -> dict[str, Json]:
    """Of those that are recorded. Absent: an optional one that was not given."""
    known = {each.name: each for each in content.variables}
    wrong = [_fault(name, "unknown_variable", f"The prompt has no variable {name[:70]}.") for name in given if name not in known]
    values: dict[str, Json] = {}
    for name, variable in known.items():
        if name in withheld:
            continue
        if name in given:
            if variable.sensitive:
                raise AssertionError(f"the value of {name} is sensitive, and was not withheld")
            values[name] = given[name]
            wrong += _misfits(variable, given[name], effort)
        elif variable.default is not None:
            values[name] = variable.default
        elif variable.required:
            wrong.append(_fault(name, "required", f"The variable {name} needs a value."))
    if wrong:
        raise Invalid(wrong[0].message, wrong[0].path, tuple(wrong[:20]))
    return values


def _misfits(variable: Variable, value: Json, effort: Effort | None) -> list[FieldError]:
    if variable.schema is None:
        return []
    return list(faults(variable.schema, value, f"/variables/{variable.name}", effort))


def _fault(name: str, code: str, message: str) -> FieldError:
    return FieldError(f"/variables/{name[:70].replace('~', '~0').replace('/', '~1')}", code, message)


def _text(place: Place, values: Mapping[str, Json]) -> str:
    if place.variable not in values:
        return ""
    try:
        return as_text(within(values[place.variable], place.path[1:]))
    except NoSuchPart as error:
        raise Invalid(f"{place} cannot be read: {error}.", f"/variables/{place.variable}") from None


@lru_cache(maxsize=256)
def template(text: str) -> Template:
    return parse(text)


def check(content: PromptContent, effort: Effort | None = None) -> Checked:
    """What keeps a draft from being published, and what its author should know."""
    errors, used = list(_schemas(content, effort)), set[str]()
    for _, name in TEXTS:
        written = getattr(content, name)
        if written is not None:
            try:
                found = places(template(written))
            except TemplateFault as error:
                errors.append(FieldError(f"/template/{name}", "bad_template", str(error)))
                continue
            used.update(place.variable for place in found)
            errors += _of_places(content, found, f"/template/{name}")
    if len(content.sensitive) > MOST_SENSITIVE:
        errors.append(FieldError("/variables", "too_many", f"At most {MOST_SENSITIVE} variables are sensitive."))
    unused = [each.name for each in content.variables if each.name not in used]
    warnings = [FieldError(f"/variables/{name}", "unused_variable", f"No text has a place for {name}.") for name in unused]
    return Checked(tuple(errors[:50]), () if errors else tuple(warnings))


def _of_places(content: PromptContent, found: tuple[Place, ...], path: str) -> Iterator[FieldError]:
    told = set[tuple[str, ...]]()
    for place in found:
        variable = content.variable(place.variable)
        if variable is None and (place.variable,) not in told:
            told.add((place.variable,))
            yield FieldError(path, "unknown_variable", f"There is no variable {place.variable}.")
        elif variable is not None and variable.sensitive and len(place.path) > 1 and place.path not in told:
            told.add(place.path)
            yield FieldError(
                path, "sensitive_part", f"The value of {place.variable} is sensitive: it is sent whole, not {place}."
            )


def _schemas(content: PromptContent, effort: Effort | None) -> Iterator[FieldError]:
    for each in content.variables:
        path = f"/variables/{each.name}"
        if each.sensitive and each.default is not None:
            yield FieldError(f"{path}/default", "sensitive_default", "A sensitive value has no default: that would be recorded.")
        if each.schema is None:
            continue
        if each.sensitive:
            yield FieldError(f"{path}/schema", "sensitive_schema", "A sensitive value is a text, and has no schema.")
            continue
        try:
            check_schema(each.schema)
        except SchemaError as error:
            yield FieldError(f"{path}/schema{error.pointer}", "bad_schema", str(error))
            continue
        if each.default is not None:
            yield from faults(each.schema, each.default, f"{path}/default", effort)
    if content.output_schema is not None:
        try:
            check_schema(content.output_schema)
        except SchemaError as error:
            yield FieldError(f"/output_schema{error.pointer}", "bad_schema", str(error))
