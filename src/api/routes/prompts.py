"""Prompts: named templates of what models are told, with a draft, versions, and a preview of what would be sent."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented, paged
from api.listing import PAST, WHOLE, ValueType, read_parameter
from api.models import NO_REASON, Body, Object, Reason, Text
from api.problems import not_found
from api.queries import prompts as queries
from api.routing import router
from api.schemas import resources, results, status
from domain import prompt
from domain.ai_task import Configuration, PromptRef
from domain.prompt import KEY, LONGEST_MODEL, LONGEST_TEXT, MOST_VARIABLES, PROMPT, Prompt, PromptContent, Variable, prompt_id_of
from engine import prompt_differences, prompts
from engine.prompts import NoSuchPrompt, Withheld

routes = router("prompts")

DRAFT = "draft"
TemplateText = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Schema = Object | bool


class TemplateGiven(Body):
    user: TemplateText
    system: TemplateText | None = None


class VariableGiven(Body):
    description: Text | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    required: bool = True
    default: Any = None
    sensitive: bool = False


class Defaults(Body):
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None


EXAMPLE: Any = {
    "key": "classify-claim",
    "template": {"system": "You classify insurance claims.", "user": "Claim of {{ customer.name }}:\n{{ claim }}"},
    "variables": {
        "customer": {"schema": {"type": "object", "required": ["name"]}},
        "claim": {"schema": {"type": "string"}, "description": "What the customer wrote."},
        "account": {"sensitive": True, "required": False},
    },
    "model": "openai:gpt-4o",
    "defaults": {"temperature": 0},
    "note": "The first try.",
}


class PromptGiven(Body):
    template: TemplateGiven
    variables: Annotated[dict[str, VariableGiven], Field(max_length=MOST_VARIABLES)] = Field(default_factory=dict)
    model: Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL)] | None = None
    defaults: Defaults = Field(default_factory=Defaults)
    output_schema: Schema | None = None
    description: Annotated[Text, Field(min_length=1)] | None = None
    note: Annotated[Text, Field(min_length=1)] | None = None

    @property
    def content(self) -> PromptContent:
        variables = tuple(
            Variable(name, each.description, each.schema_, each.required, each.default, each.sensitive)
            for name, each in self.variables.items()
        )
        configuration = Configuration(**vars(self.defaults))
        return PromptContent(self.template.user, self.template.system, variables, self.model, configuration, self.output_schema)


class NewPrompt(PromptGiven):
    key: Annotated[str, Field(min_length=1, max_length=63)]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class Publishing(Body):
    note: Annotated[Text, Field(min_length=1)] | None = None


class RollingBack(Body):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Text | None = None


class Rendering(Body):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal["draft"] | None = None
    variables: Annotated[Object, Field(max_length=MOST_VARIABLES)] = Field(default_factory=dict)

    model_config = ConfigDict(json_schema_extra={"examples": [{"variables": {"customer": {"name": "Ada"}, "claim": "A dent."}}]})


NO_NOTE, NOTHING_GIVEN = Publishing(), Rendering()


def _id(call: Calling, key: str) -> UUID:
    """Of nothing, for what no prompt is called."""
    return prompt_id_of(call.tenant_id, key if KEY.fullmatch(key) else "")


@routes.post(
    "/prompts",
    status_code=201,
    **documented("Create a prompt with its first draft", "Created", results.PROMPT_RESULT, creates=True),
)
async def create(call: Calling, body: NewPrompt) -> Response:
    return await call.command(
        commands.PROMPT_DRAFT,
        lambda view, who: prompt.create(view, body.key, body.content, body.description, body.note, who.user_id),
        status=201,
        location="/v1/prompts/{key}",
    )


@routes.get("/prompts", **paged("List prompts", queries.PROMPTS, resources.PROMPT_SUMMARY))
async def list_prompts(call: Calling) -> Response:
    call.require("prompts:read")
    return await call.page(queries.PROMPTS)


@routes.get("/prompts/{key}", **documented("Get a prompt", "The prompt", resources.PROMPT, parameters=PAST))
async def get(call: Calling, key: str) -> Response:
    """With its draft and its current version."""
    call.require("prompts:read")
    return await call.one(queries.PROMPT, {"id": _id(call, key)})


@routes.put("/prompts/{key}/draft", **documented("Replace the draft", "How the prompt stands", results.PROMPT_RESULT))
async def redraft(call: Calling, key: str, body: PromptGiven) -> Response:
    id = _id(call, key)
    return await call.command(
        commands.PROMPT_DRAFT,
        lambda view, who: prompt.redraft(view, id, body.content, body.description, body.note, who.user_id),
        id,
    )


@routes.post(
    "/prompts/{key}/publish", **documented("Make the draft the next version", "How the prompt stands", results.PUBLISHED_PROMPT)
)
async def publish(call: Calling, key: str, body: Annotated[Publishing, Default()] = NO_NOTE) -> Response:
    """Tasks that name no version get it from now on. Refused, with every fault, where the template cannot be filled in."""
    id = _id(call, key)
    return await call.command(
        commands.PROMPT_PUBLISH,
        lambda view, who: prompt.publish(view, id, lambda content: prompts.check(content, view.effort), body.note, who.user_id),
        id,
    )


@routes.post(
    "/prompts/{key}/rollback",
    **documented("Make an earlier version current again", "How the prompt stands", results.PROMPT_RESULT),
)
async def roll_back(call: Calling, key: str, body: RollingBack) -> Response:
    """The numbers of versions stay, and so does the draft."""
    id = _id(call, key)
    return await call.command(
        commands.PROMPT_ROLL_BACK, lambda view, who: prompt.roll_back(view, id, body.version, body.reason, who.user_id), id
    )


@routes.post("/prompts/{key}/archive", **documented("Archive a prompt", "How the prompt stands", results.PROMPT_RESULT))
async def archive(call: Calling, key: str, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """No task is given it any more; those that have it go on."""
    id = _id(call, key)
    return await call.command(commands.PROMPT_ARCHIVE, lambda view, _who: prompt.archive(view, id, body.reason), id)


@routes.post("/prompts/{key}/restore", **documented("Restore an archived prompt", "How the prompt stands", results.PROMPT_RESULT))
async def restore(call: Calling, key: str, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    id = _id(call, key)
    return await call.command(commands.PROMPT_RESTORE, lambda view, _who: prompt.restore(view, id, body.reason), id)


@routes.get("/prompts/{key}/versions", **paged("List the published versions", queries.VERSIONS, resources.PROMPT_VERSION_SUMMARY))
async def list_versions(call: Calling, key: str) -> Response:
    call.require("prompts:read")
    id = _id(call, key)
    await call.row(queries.PROMPT, {"id": id})
    return await call.page(queries.VERSIONS, id=id)


@routes.get(
    "/prompts/{key}/versions/{number}",
    **documented("Get a published version", "The version", resources.PROMPT_VERSION, parameters=PAST),
)
async def get_version(call: Calling, key: str, number: int) -> Response:
    call.require("prompts:read")
    if not 0 < number < 2**31:
        raise not_found()
    return await call.one(queries.VERSION, {"id": _id(call, key), "number": number})


def _number(text: str) -> int | str:
    if text == DRAFT:
        return text
    try:
        number = WHOLE.read(text)
    except ValueError:
        number = 0
    if not 0 < number < 2**31:
        raise ValueError("the number of a version, or draft")
    return int(number)


VERSION = ValueType(_number, {"type": "string", "pattern": "^([1-9][0-9]{0,8}|draft)$"})


def _parameter(name: str, words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": VERSION.schema, "description": words}


DIFFERENCE = [
    _parameter("from", "The version before, or `draft`; else the current one."),
    _parameter("to", "The version after, or `draft`; else the draft, or where there is none the one published last."),
]


@routes.get(
    "/prompts/{key}/difference",
    **documented("Compare two versions", "In what they differ", status.PROMPT_DIFFERENCE, parameters=DIFFERENCE, tagged=False),
)
async def difference(call: Calling, key: str) -> Response:
    """The fields that differ, with what stood there before and after; and the texts, line by line."""
    call.require("prompts:read")
    state = await _state(call, key)
    query = call.request.query_params
    before = read_parameter("from", VERSION, query["from"]) if "from" in query else state.current or DRAFT
    latest = state.latest or DRAFT
    after = read_parameter("to", VERSION, query["to"]) if "to" in query else (latest if state.draft is None else DRAFT)
    one, other = _content(state, before), _content(state, after)
    texts = {name: prompt_differences.lines(getattr(one, name), getattr(other, name)) for name in ("system", "user")}
    told = {"key": state.key, "from": str(before), "to": str(after), "changes": prompt_differences.differences(one, other)}
    return answers.answer({**told, "lines": texts})


@routes.post(
    "/prompts/{key}/render",
    **documented("Show what would be sent", "The texts, with sensitive values masked", status.RENDERED_PROMPT, unrecorded=True),
)
async def render(call: Calling, key: str, body: Annotated[Rendering, Default()] = NOTHING_GIVEN) -> Response:
    """With these values: of the version named, or the current one, or the draft. No model is called, and nothing is recorded."""
    id = _id(call, key)
    await call.authorize(commands.PROMPT_RENDER, id)
    state = await _state(call, key)
    number, content = _chosen(state, PromptRef(id, key, 0), body.version)
    masked = {name: Withheld(f"[sensitive:{name}]") for name in body.variables if name in content.sensitive}
    given = {name: value for name, value in body.variables.items() if name not in masked}
    shown = await call.services.handler.compute(call.tenant_id, lambda effort: prompts.render(content, given, masked, effort))
    told = {"key": key, "prompt_version": number, "model": content.model}
    return answers.answer({**told, "prompt": shown.prompt, "system_prompt": shown.system_prompt, "sensitive": sorted(masked)})


async def _state(call: Calling, key: str) -> Prompt:
    state, _ = await call.services.handler.read(call.tenant_id, PROMPT, _id(call, key))
    if state.status == "absent":
        raise not_found()
    return state


def _content(state: Prompt, number: int | str) -> PromptContent:
    content = state.draft if number == DRAFT else state.versions.get(int(number))
    if content is None:
        raise not_found()
    return content


def _chosen(state: Prompt, ref: PromptRef, version: int | str | None) -> tuple[int | None, PromptContent]:
    """A draft is None, as a number. Raises NoSuchPrompt."""
    if version == DRAFT or (version is None and state.current is None):
        if state.draft is None:
            raise NoSuchPrompt(f"The prompt {ref.key} has no draft.", "/version")
        return None, state.draft
    pinned = prompts.pinned_of(ref, state, None if version is None else int(version))
    return pinned.ref.version, pinned.content
