"""Workflows: drafts, publishing, versions."""

from collections.abc import Iterable
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body as Default
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Object, Reason, Text
from api.problems import not_found
from api.queries import workflows as queries
from api.reads import Question
from api.requests import MAX_BODY
from api.routing import router
from api.schemas import resources, results, status
from domain import workflow
from domain.facts import FieldError, Json, View
from domain.prompt import PROMPT, prompt_id_of
from domain.role import ROLE_KEY
from domain.secret import SECRET, secret_id_of
from domain.workflow import WORKFLOW_KEY, Check, Checked
from engine.definition import Finding
from engine.expressions import Evaluator
from engine.lints.called import called, unknown_workflows
from engine.lints.people import Asked, asked, unknown_people, user_ids
from engine.lints.prompts import MOST_LOOKED_AT as MOST_PROMPTS
from engine.lints.prompts import named_prompts, prompt_findings
from engine.lints.secrets import MOST_LOOKED_AT, named_secrets, unknown_secrets
from engine.triggers import publishing
from engine.validate import findings

routes = router("workflows")


class Definition(Body):
    """What is drawn is large: ten thousand nodes take some two megabytes."""

    MAX_BYTES: ClassVar[int] = 8 * MAX_BODY
    definition: Object


class Publish(Body):
    note: Text | None = None


NO_NOTE = Publish()


def check(evaluator: Evaluator, view: View) -> Check:
    """The lints, and which of the roles and workflows that are named there are at the moment of publishing."""

    def checked(definition: Json) -> Checked:
        found = findings(definition, evaluator, view.effort)
        people = asked(definition)
        roles = {key for key in people.roles if view.owner(ROLE_KEY, key) is not None}
        there = {key: "active" for key in called(definition) if view.owner(WORKFLOW_KEY, key) is not None}
        found += unknown_people(Asked(people.roles), roles, ())
        found += unknown_workflows(definition, there)
        names = list(named_secrets(definition))
        known = {name for name in names[:MOST_LOOKED_AT] if _is_secret(view, name)}
        found += unknown_secrets(definition, known.union(names[MOST_LOOKED_AT:]))
        keys = named_prompts(definition)[:MOST_PROMPTS]
        found += prompt_findings(definition, {key: view.read(PROMPT, prompt_id_of(view.tenant_id, key)) for key in keys})
        return Checked(_of(found, "error"), _of(found, "warning"))

    return checked


def _is_secret(view: View, name: str) -> bool:
    return view.read(SECRET, secret_id_of(view.tenant_id, name)).exists


def _of(found: Iterable[Finding], severity: str) -> tuple[FieldError, ...]:
    return tuple(FieldError(f"/definition{each.path}", each.code, each.message) for each in found if each.severity == severity)


@routes.post(
    "/workflows/validate",
    **documented("Check a definition", "What was found: errors and warnings", status.FINDINGS, unrecorded=True),
)
async def lint(call: Calling, body: Definition) -> Response:
    await call.authorize(commands.WORKFLOW_VALIDATE)
    evaluator = call.services.engine.evaluator
    found = await call.services.handler.compute(call.tenant_id, lambda effort: findings(body.definition, evaluator, effort))
    told = [*found, *await _unknown_names(call, body.definition), *await _of_prompts(call, body.definition)]
    return answers.answer({"findings": told})


async def _of_prompts(call: Calling, definition: Json) -> list[Finding]:
    states = {}
    for key in named_prompts(definition)[:MOST_PROMPTS]:
        states[key], _ = await call.services.handler.read(call.tenant_id, PROMPT, prompt_id_of(call.tenant_id, key))
    return list(prompt_findings(definition, states))


async def _unknown_names(call: Calling, definition: Json) -> list[Finding]:
    """What the definition names and the tenant does not have."""
    keys, people, secrets = list(called(definition)), asked(definition), list(named_secrets(definition))
    if not keys and not people.roles and not people.users and not secrets:
        return []
    of = {"tenant_id": call.tenant_id}
    questions = [
        Question(queries.STATUSES, {**of, "keys": keys}),
        Question(queries.ROLE_KEYS, {**of, "keys": list(people.roles)}),
        Question(queries.ACTIVE_MEMBERS, {**of, "ids": user_ids(people)}),
        Question(queries.SECRET_NAMES, {**of, "names": secrets}),
    ]
    workflows, roles, members, known = (await call.rows(questions)).rows
    return [
        *unknown_workflows(definition, {row["key"]: row["status"] for row in workflows}),
        *unknown_people(people, {row["key"] for row in roles}, {str(row["user_id"]) for row in members}),
        *unknown_secrets(definition, {row["name"] for row in known}),
    ]


@routes.post(
    "/workflows",
    status_code=201,
    **documented("Create a workflow with its first draft", "Created", results.WORKFLOW_RESULT, creates=True),
)
async def draft(call: Calling, body: Definition) -> Response:
    return await call.command(
        commands.WORKFLOW_DRAFT,
        lambda view, who: workflow.draft(view, view.new_id(), body.definition, who.user_id),
        status=201,
        location="/v1/workflows/{id}",
    )


@routes.put("/workflows/{id}/draft", **documented("Replace the draft", "The workflow's status", results.WORKFLOW_RESULT))
async def redraft(call: Calling, id: UUID, body: Definition) -> Response:
    return await call.command(
        commands.WORKFLOW_DRAFT,
        lambda view, who: workflow.redraft(view, id, body.definition, who.user_id),
        id,
    )


@routes.post(
    "/workflows/{id}/publish", **documented("Make the draft the next version", "The workflow's status", results.PUBLISHED)
)
async def publish(call: Calling, id: UUID, body: Annotated[Publish, Default()] = NO_NOTE) -> Response:
    evaluator = call.services.engine.evaluator
    return await call.command(
        commands.WORKFLOW_PUBLISH,
        lambda view, who: publishing.publish(view, id, check(evaluator, view), body.note, who.user_id),
        id,
    )


@routes.post("/workflows/{id}/archive", **documented("Archive a workflow", "The workflow's status", results.WORKFLOW_RESULT))
async def archive(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await call.command(
        commands.WORKFLOW_ARCHIVE,
        lambda view, _who: publishing.archive(view, id, body.reason),
        id,
    )


@routes.post(
    "/workflows/{id}/restore", **documented("Restore an archived workflow", "The workflow's status", results.WORKFLOW_RESULT)
)
async def restore(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """As it was: with its draft and its published versions, under its key, which was kept for it."""
    return await call.command(
        commands.WORKFLOW_RESTORE,
        lambda view, _who: publishing.restore(view, id, body.reason),
        id,
    )


@routes.get("/workflows", **paged("List workflows", queries.WORKFLOWS, resources.WORKFLOW_SUMMARY))
async def list_workflows(call: Calling) -> Response:
    call.require("workflows:read")
    return await call.page(queries.WORKFLOWS)


@routes.get("/workflows/{id}", **documented("Get a workflow", "The workflow", resources.WORKFLOW, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("workflows:read")
    return await call.one(queries.WORKFLOW, {"id": id}, counts="execution_count")


@routes.get(
    "/workflows/{id}/versions",
    **paged("List the published versions", queries.WORKFLOW_VERSIONS, resources.WORKFLOW_VERSION_SUMMARY),
)
async def list_versions(call: Calling, id: UUID) -> Response:
    call.require("workflows:read")
    answer = await call.rows([Question(queries.WORKFLOW, {"tenant_id": call.tenant_id, "id": id}, by_key=True)])
    if not any(answer.rows):
        raise not_found()
    return await call.page(queries.WORKFLOW_VERSIONS, id=id)


@routes.get(
    "/workflows/{id}/versions/{number}",
    **documented("Get a published version", "The version", resources.WORKFLOW_VERSION, parameters=PAST),
)
async def get_version(call: Calling, id: UUID, number: int) -> Response:
    call.require("workflows:read")
    if not 0 < number < 2**31:
        raise not_found()
    return await call.one(queries.WORKFLOW_VERSION, {"id": id, "number": number})
