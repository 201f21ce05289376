"""A prompt: a named template of what a model is told, with a draft and published versions. AI tasks are pinned to a version.

Its stream's id follows from its key, so that whoever uses it by its key need not look it up. Which version is current changes
by publishing another one and by rolling back; a version itself never changes.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never
from uuid import UUID, uuid5

from rpds import HashTrieMap

from domain.ai_task.events import Configuration
from domain.facts import Aggregate, Decided, Event, EventType, Fact, FieldError, Invalid, Json, NotFound, RuleViolation, View
from domain.names import require_text
from domain.wording import because

KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
LONGEST_TEXT = 100_000
"""Characters of a template's text."""
MOST_VARIABLES = 100
MOST_CHARACTERS = 400_000
"""Of all that a draft says, as JSON."""
LONGEST_MODEL = 200
LONGEST_NOTE = 10_000


@dataclass(frozen=True)
class Variable:
    """What a template has a place for. `schema`: of its value; None: anything.

    `required`: it must be given, where it has no default. `sensitive`: its value is kept out of what is recorded.
    """

    name: str
    description: str | None = None
    schema: Json = None
    required: bool = True
    default: Json = None
    sensitive: bool = False


@dataclass(frozen=True)
class PromptContent:
    """All that a version says. `model`, `configuration` and `output_schema` hold where who uses it says nothing of them."""

    user: str
    system: str | None = None
    variables: tuple[Variable, ...] = ()
    model: str | None = None
    configuration: Configuration = field(default_factory=Configuration)
    output_schema: Json = None

    def variable(self, name: str) -> Variable | None:
        return next((each for each in self.variables if each.name == name), None)

    @property
    def sensitive(self) -> frozenset[str]:
        return frozenset(each.name for each in self.variables if each.sensitive)


@dataclass(frozen=True)
class PromptDrafted(Event):
    """The first one creates the prompt."""

    key: str
    content: PromptContent
    description: str | None = None
    note: str | None = None
    drafted_by: UUID | None = None


@dataclass(frozen=True)
class PromptPublished(Event):
    """`number` counts 1, 2, 3…; the content is repeated so that a version stands alone. `previous`: the one that was current."""

    number: int
    content: PromptContent
    note: str | None = None
    previous: int | None = None
    published_by: UUID | None = None


@dataclass(frozen=True)
class PromptRolledBack(Event):
    """An earlier version is current again. `previous`: the one that was."""

    number: int
    previous: int
    reason: str | None = None
    rolled_back_by: UUID | None = None


@dataclass(frozen=True)
class PromptArchived(Event):
    reason: str | None = None


@dataclass(frozen=True)
class PromptRestored(Event):
    reason: str | None = None


PromptEvent = PromptDrafted | PromptPublished | PromptRolledBack | PromptArchived | PromptRestored


@dataclass(frozen=True)
class Prompt:
    """`draft`: as last saved; None once it is published and until it is changed again. `latest`: the highest number."""

    status: Literal["absent", "draft", "active", "archived"] = "absent"
    key: str = ""
    draft: PromptContent | None = None
    note: str | None = None
    current: int | None = None
    latest: int = 0
    versions: "HashTrieMap[int, PromptContent]" = field(default_factory=HashTrieMap)

    @property
    def in_use(self) -> bool:
        """Whether tasks may be given it."""
        return self.status == "active"


def evolve(state: Prompt, event: PromptEvent) -> Prompt:
    match event:
        case PromptDrafted():
            return replace(state, status=_open_status(state), key=event.key, draft=event.content, note=event.note)
        case PromptPublished():
            return replace(
                state,
                status="active",
                draft=None,
                note=None,
                current=event.number,
                latest=event.number,
                versions=state.versions.insert(event.number, event.content),
            )
        case PromptRolledBack():
            return replace(state, current=event.number)
        case PromptArchived():
            return replace(state, status="archived")
        case PromptRestored():
            return replace(state, status=_open_status(state))
        case _:
            assert_never(event)


def _open_status(state: Prompt) -> Literal["draft", "active"]:
    return "draft" if state.current is None else "active"


PROMPT: Aggregate[Prompt] = Aggregate(
    "prompt",
    Prompt(),
    evolve,
    (
        EventType(
            PromptDrafted,
            "prompt.drafted.v1",
            lambda e, _: f"A draft of the prompt {e.key} was saved.",
            tags=lambda e, _: (e.key,),
            note="The first one creates the prompt.",
        ),
        EventType(
            PromptPublished,
            "prompt.published.v1",
            lambda e, prompt: f"Version {e.number} of the prompt {prompt.name} was published.",
            tags=lambda _, prompt: (prompt.tag,),
            note="`number` counts 1, 2, 3…; the content stands in full. `previous`: the version that was current.",
        ),
        EventType(
            PromptRolledBack,
            "prompt.rolled_back.v1",
            lambda e, prompt: (
                f"The prompt {prompt.name} was rolled back from version {e.previous} to version {e.number}{because(e.reason)}."
            ),
            severity="warning",
            tags=lambda _, prompt: (prompt.tag,),
            note="Tasks that name no version get this one from then on; the numbers of versions stay.",
        ),
        EventType(
            PromptArchived,
            "prompt.archived.v1",
            lambda e, prompt: f"The prompt {prompt.name} was archived{because(e.reason)}.",
            tags=lambda _, prompt: (prompt.tag,),
            note="No task is given it any more; those that have it go on.",
        ),
        EventType(
            PromptRestored,
            "prompt.restored.v1",
            lambda e, prompt: f"The prompt {prompt.name} was restored{because(e.reason)}.",
            tags=lambda _, prompt: (prompt.tag,),
            note="It is as it was before it was archived.",
        ),
    ),
    "ai",
)


class PromptExists(RuleViolation):
    """There is a prompt of this key."""

    code = "name_taken"


class PromptIsArchived(RuleViolation):
    """The prompt is archived."""

    code = "prompt_archived"


class PromptNotArchived(RuleViolation):
    """The prompt is not archived."""

    code = "prompt_not_archived"


class NothingToPublish(RuleViolation):
    """There is no draft that differs from the version published last."""

    code = "nothing_to_publish"


class AlreadyCurrent(RuleViolation):
    """This version is the current one."""

    code = "already_current"


class PromptRejected(Invalid):
    """The prompt has faults; each names its place."""

    code = "prompt_rejected"


@dataclass(frozen=True)
class Checked:
    """What was found in a draft. `errors` keep it from being published; `warnings` are told to its author."""

    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()


Check = Callable[[PromptContent], Checked]
"""What the engine finds wrong with a draft, `engine.prompts.check`."""


def prompt_id_of(tenant_id: UUID, key: str) -> UUID:
    return uuid5(tenant_id, f"prompt:{key}")


def create(
    view: View,
    key: str,
    content: PromptContent,
    description: str | None = None,
    note: str | None = None,
    by: UUID | None = None,
) -> Decided:
    """Create a prompt with its first draft. A draft may be unfinished."""
    if not KEY.fullmatch(key):
        raise Invalid(
            "A prompt's key must start with a lower-case letter, followed by letters, digits, - or _; at most 63 characters.",
            "/key",
        )
    prompt_id = prompt_id_of(view.tenant_id, key)
    if view.read(PROMPT, prompt_id).status != "absent":
        raise PromptExists(path="/key")
    return _drafted(view, prompt_id, Prompt(), PromptDrafted(key, content, description, note, by))


def redraft(
    view: View,
    prompt_id: UUID,
    content: PromptContent,
    description: str | None = None,
    note: str | None = None,
    by: UUID | None = None,
) -> Decided:
    """Replace the draft of a prompt that is there."""
    state = _open(view, prompt_id)
    return _drafted(view, prompt_id, state, PromptDrafted(state.key, content, description, note, by))


def publish(view: View, prompt_id: UUID, check: Check, note: str | None = None, by: UUID | None = None) -> Decided:
    """Make the draft the next version, and the current one. Raises PromptRejected with all that is wrong with it."""
    state = _open(view, prompt_id)
    if state.draft is None:
        raise NothingToPublish
    if state.latest and state.versions[state.latest] == state.draft and state.current == state.latest:
        raise NothingToPublish
    checked = check(state.draft)
    if checked.errors:
        raise PromptRejected(errors=checked.errors)
    event = PromptPublished(state.latest + 1, state.draft, note or state.note, state.current, by)
    warnings = [{"path": each.path, "code": each.code, "message": each.message} for each in checked.warnings]
    return _answer(view, prompt_id, state, event, warnings=warnings)


def roll_back(view: View, prompt_id: UUID, number: int, reason: str | None = None, by: UUID | None = None) -> Decided:
    """Make another version current, usually an earlier one."""
    state = _open(view, prompt_id)
    if number not in state.versions:
        raise Invalid(f"There is no version {number}.", "/version")
    if state.current is None or state.current == number:
        raise AlreadyCurrent(path="/version")
    return _answer(view, prompt_id, state, PromptRolledBack(number, state.current, reason, by))


def archive(view: View, prompt_id: UUID, reason: str | None = None) -> Decided:
    """No task is given it from now on."""
    return _answer(view, prompt_id, _open(view, prompt_id), PromptArchived(reason))


def restore(view: View, prompt_id: UUID, reason: str | None = None) -> Decided:
    state = view.read(PROMPT, prompt_id)
    if state.status == "absent":
        raise NotFound
    if state.status != "archived":
        raise PromptNotArchived
    return _answer(view, prompt_id, state, PromptRestored(reason))


def _open(view: View, prompt_id: UUID) -> Prompt:
    state = view.read(PROMPT, prompt_id)
    if state.status == "absent":
        raise NotFound
    if state.status == "archived":
        raise PromptIsArchived
    return state


def _drafted(view: View, prompt_id: UUID, state: Prompt, event: PromptDrafted) -> Decided:
    _require(event.content)
    for text, path in ((event.description, "/description"), (event.note, "/note")):
        if text is not None:
            require_text(text, path, LONGEST_NOTE)
    return _answer(view, prompt_id, state, event)


def _require(content: PromptContent) -> None:
    """What also an unfinished draft is. Raises Invalid."""
    require_text(content.user, "/template/user", LONGEST_TEXT)
    if content.system is not None:
        require_text(content.system, "/template/system", LONGEST_TEXT)
    if content.model is not None:
        require_text(content.model, "/model", LONGEST_MODEL)
    if len(content.variables) > MOST_VARIABLES:
        raise Invalid(f"A prompt has at most {MOST_VARIABLES} variables.", "/variables")
    faults = tuple(
        FieldError(
            "/variables",
            "invalid",
            f"{each.name[:70]!r} is no name of a variable: it starts with a letter or _, then letters, digits or _; at most 63.",
        )
        for each in content.variables
        if not VARIABLE.fullmatch(each.name)
    )
    if faults:
        raise Invalid("A variable's name cannot be used.", "/variables", faults)
    if len(json.dumps(content_json(content))) > MOST_CHARACTERS:
        raise Invalid(f"All of a prompt together has at most {MOST_CHARACTERS} characters, as JSON.", "/template")


def variables_json(content: PromptContent) -> Json:
    """By name, as clients write them."""
    return {
        each.name: {
            **({} if each.description is None else {"description": each.description}),
            **({} if each.schema is None else {"schema": each.schema}),
            "required": each.required,
            **({} if each.default is None else {"default": each.default}),
            "sensitive": each.sensitive,
        }
        for each in content.variables
    }


def content_json(content: PromptContent) -> Json:
    """As clients write it and tables show it."""
    return {
        "template": {"system": content.system, "user": content.user},
        "variables": variables_json(content),
        "model": content.model,
        "defaults": {name: value for name, value in vars(content.configuration).items() if value is not None},
        "output_schema": content.output_schema,
    }


def _answer(view: View, prompt_id: UUID, state: Prompt, event: PromptEvent, **more: Json) -> Decided:
    after = evolve(state, event)
    result = {
        "id": str(prompt_id),
        "key": after.key,
        "status": after.status,
        "current_version": after.current,
        "latest_version": after.latest or None,
        "version": view.version(prompt_id) + 1,
        **more,
    }
    return Decided((Fact(prompt_id, event),), result=result)
