"""One authenticated request: how a route gives a command, and how it asks a question."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID, uuid5

from starlette.responses import Response

from api import answers, headers
from api.commands import CommandSpec
from api.listing import Listing
from api.looking_back import AS_OF
from api.past_reading import row_as_it_stood
from api.positions import Position
from api.problems import from_exception, not_found
from api.reads import Answer, Question, Read, Row, freshness_headers
from api.requests import StrictRequest
from api.services import Services
from api.session import Session
from domain import access
from domain.access import Asking, Caller, Rights
from domain.envelope import PLATFORM, ActorType, Envelope
from domain.facts import Decided, Json, PermissionDenied, View
from runtime.failpoints import failpoint
from store.command import Command, CommandResult

log = logging.getLogger(__name__)

MOST_AT_ONCE = 32
"""Commands of one request that are under way together: the others of the ledger are to have their turn."""

T = TypeVar("T")
Decide = Callable[[View, Rights], Decided]
"""A decision for somebody with these rights."""


@dataclass(frozen=True)
class RequestContext:
    request: StrictRequest
    services: Services
    session: Session

    @property
    def tenant_id(self) -> UUID:
        return self.session.tenant_id

    def require(self, permission: str) -> None:
        """For reads. Raises PermissionDenied."""
        self.session.require(permission)

    # Commands

    async def command(
        self,
        spec: CommandSpec,
        decide: Decide,
        id: UUID | None = None,
        *,
        status: int = 200,
        location: str | None = None,
        versioned: str | None = None,
    ) -> Response:
        """Decide in the tenant's ledger and answer the result.

        `id`: of what the command is about, for If-Match and for the record of a refusal. `location`: a path with {field}s of the
        result. `versioned`: the part of the result whose version is the ETag.
        """
        done = await self.decide(spec, decide, id)
        return self.answer(done, self.tenant_id, status=status, location=location, versioned=versioned)

    async def decide(self, spec: CommandSpec, decide: Decide, id: UUID | None = None, key_suffix: str = "") -> CommandResult:
        """A command in the tenant's ledger; the caller's rights are read, and so expected, by the decision itself.

        `key_suffix` tells the commands of one request apart, where its Idempotency-Key stands for several.
        """
        command = self.to_command(self.tenant_id, spec, id, key_suffix)
        return await self.handle(spec, command, lambda view, asking: decide(view, asking.who))

    async def handle(self, spec: CommandSpec, command: Command, decide: Callable[[View, Asking], Decided]) -> CommandResult:
        """A command in the tenant's ledger, or the platform's for its own keys: decided once it is known who asks."""
        caller = self._caller()

        async def asked(snapshot: access.Platform) -> CommandResult:
            def checked(view: View) -> Decided:
                platform = view if view.tenant_id == PLATFORM else snapshot
                who = self._permitted(access.rights(view, caller, platform), spec.permission)
                return decide(view, Asking(caller, who, platform))

            return await self.services.handler.handle(command, checked)

        done = await self.services.sessions.deciding(self.session, asked)
        failpoint("api.command_appended")
        return done

    def _permitted(self, who: Rights, permission: str | None) -> Rights:
        who.require_command(permission)
        if headers.occurred_at(self.request) is not None:
            who.require("events:backdate")
        return who

    async def each(
        self,
        items: Sequence[T],
        spec: CommandSpec,
        command: Callable[[T, str], Awaitable[CommandResult]],
        told: Callable[[CommandResult], Json],
        of_items: tuple[type[PermissionDenied], ...] = (),
    ) -> list[Json]:
        """Many commands in one request: one result per item, in their order. What refuses one does not stop the others.

        `command` is given an item and its key suffix; `told`: what is said of one that was done. `of_items`: what is denied of
        single items, and says nothing of what the caller may do at all.
        """
        self.to_command(self.tenant_id, spec)  # a wrong header is no item's fault
        free = asyncio.Semaphore(MOST_AT_ONCE)
        denied: list[PermissionDenied] = []

        async def one(number: int, item: T) -> Json:
            async with free:
                try:
                    return told(await command(item, f"/{number}"))
                except Exception as error:
                    problem = from_exception(error)
                    if problem is None:
                        raise
                    if isinstance(error, PermissionDenied) and not isinstance(error, of_items):
                        denied.append(error)
                    return {"status": problem.status, "problem": problem.document(self.request.scope["request_id"])}

        results = await asyncio.gather(*(one(number, item) for number, item in enumerate(items)))
        if len(denied) == len(items):
            raise denied[0]  # whoever may not do this at all is told so as everywhere
        return results

    async def platform_command(
        self,
        spec: CommandSpec,
        decide: Callable[[View], Decided],
        id: UUID | None = None,
        *,
        further: Callable[[View, Rights], None] = lambda _view, _who: None,
        status: int = 200,
        location: str | None = None,
    ) -> Response:
        """Decide in the platform's ledger. Whether a tenant's key may is for the tenant's ledger to say, just before.

        `further` raises what else speaks against it there.
        """
        command = self.to_command(PLATFORM, spec, id)
        if self.session.caller.platform and self.session.caller.on_behalf_of is None:
            done = await self.handle(spec, command, lambda view, _asking: decide(view))
        else:
            await self.authorize(spec, id, further)
            done = await self.services.handler.handle(command, decide)
        return self.answer(done, PLATFORM, status=status, location=location)

    async def authorize(
        self, spec: CommandSpec, id: UUID | None = None, further: Callable[[View, Rights], None] = lambda _view, _who: None
    ) -> None:
        """Ask the tenant's ledger, finally, whether the caller may; a refusal is recorded there. Appends nothing else.

        For what is then decided elsewhere. `further` raises what else speaks against it.
        """

        def check(view: View, asking: Asking) -> Decided:
            further(view, asking.who)
            return Decided()

        command = Command(self.tenant_id, spec.name, self.envelope(), resource=spec.resource, resource_id=_text(id))
        await self.handle(spec, command, check)

    def note(self, spec: CommandSpec, id: UUID | None = None) -> None:
        """Put on the process's record who did what leaves no event: it moves no more than a row of the runtime."""
        envelope = self.envelope()
        who = {"actor_type": envelope.actor_type, "actor_id": envelope.actor_id, "user_id": _text(envelope.user_id)}
        what = {"tenant_id": str(self.tenant_id), "resource": spec.resource, "resource_id": _text(id)}
        log.info("Done by hand", extra={"action": spec.name, "request_id": envelope.request_id, "ip": envelope.ip, **who, **what})

    def to_command(self, tenant_id: UUID, spec: CommandSpec, id: UUID | None = None, key_suffix: str = "") -> Command:
        """This request as a command for a ledger: with its envelope, its Idempotency-Key, its If-Match and its time."""
        key = headers.idempotency_key(self.request)
        version = headers.if_match(self.request)
        return Command(
            tenant_id,
            spec.name,
            self.envelope(),
            command_id=None if key is None else uuid5(self._key_scope(tenant_id), key + key_suffix),
            request_hash=None if key is None else self._request_hash,
            occurred_at=headers.occurred_at(self.request),
            expect={} if version is None or id is None else {id: version},
            resource=spec.resource,
            resource_id=_text(id),
        )

    @property
    def correlation_id(self) -> UUID | None:
        return headers.uuid(self.request, "Gesta-Correlation-Id")

    def envelope(self) -> Envelope:
        session, request = self.session, self.request
        on_behalf_of = session.caller.on_behalf_of
        actor: ActorType = "api_key" if session.key_user_id is None else "user"
        return Envelope(
            actor_type=actor,
            actor_id=str(session.key_id),
            user_id=session.key_user_id or on_behalf_of,
            on_behalf_of=on_behalf_of,
            correlation_id=self.correlation_id,
            **headers.origin(request),
        )

    def _caller(self) -> Caller:
        """Who asks, and when by the clock: a backdated command needs a key that is valid now."""
        return replace(self.session.caller, asked_at=self.services.clock.now())

    def _key_scope(self, ledger: UUID) -> UUID:
        """Idempotency keys are private to the API key, to whom it acts for, and to the tenant in which it speaks."""
        scope, on_behalf_of = self.session.key_id, self.session.caller.on_behalf_of
        if on_behalf_of is not None:
            scope = uuid5(scope, str(on_behalf_of))
        return scope if ledger == self.tenant_id else uuid5(scope, str(self.tenant_id))

    @cached_property
    def _request_hash(self) -> bytes:
        """All that the request says of what is to be done, and when it happened."""
        request = self.request
        digest = hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode())
        digest.update(request.sent)
        query, occurred_at = request.scope["query_string"], headers.occurred_at(request)
        if query:
            digest.update(b"\n?" + query)
        if occurred_at is not None:
            digest.update(f"\n@{occurred_at.isoformat()}".encode())
        return digest.digest()

    def answer(
        self,
        done: CommandResult,
        tenant_id: UUID,
        *,
        status: int = 200,
        location: str | None = None,
        versioned: str | None = None,
        unstored: Mapping[str, Json] | None = None,
    ) -> Response:
        """A command's result, with what says where it stands. `unstored`: added to the answer of the first time only."""
        result = done.result
        head: dict[str, str] = {}
        if done.position:
            head["Gesta-Position"] = str(Position(tenant_id, done.epoch, done.position))
        if done.replayed:
            head["Idempotency-Replayed"] = "true"
        if isinstance(result, dict):
            part = result if versioned is None else result[versioned]
            if "version" in part:  # a tenant is not told how often a user of the platform has changed
                head["ETag"] = answers.etag(part["version"])
            if location is not None:
                head["Location"] = location.format_map(result)
            if unstored is not None:
                head["Cache-Control"] = "no-store"
            if unstored is not None and not done.replayed:
                result = {**result, **unstored}
        return answers.answer(result, status, head)

    # Questions

    async def rows(
        self, questions: Sequence[Question], *, platform: bool = False, as_platform: bool = False, reached: int | None = None
    ) -> Answer:
        """The rows of each question.

        `platform`: the answer depends on the platform's ledger as well. `as_platform`: it is the platform's alone.
        `reached`: the position in the tenant's ledger that the caller has waited for.
        """
        tenant_id = PLATFORM if as_platform else self.tenant_id
        also = (PLATFORM,) if platform and tenant_id != PLATFORM else ()
        return await self.services.reads.ask(Read.of(self.request, tenant_id, also), questions, reached)

    async def row(
        self,
        statement: str,
        params: Mapping[str, Any],
        *,
        platform: bool = False,
        as_platform: bool = False,
        reached: int | None = None,
        parts: str | None = None,
    ) -> tuple[Row, Answer]:
        """The one row of a question, or 404; with `?as_of=` as it stood. `parts`: what further streams belong to it then."""
        if AS_OF in self.request.query_params:
            return await row_as_it_stood(self, statement, params, parts, as_platform=as_platform)
        question = Question(statement, {"tenant_id": self.tenant_id, **params}, by_key=True)
        answer = await self.rows([question], platform=platform, as_platform=as_platform, reached=reached)
        (rows,) = answer.rows
        if not rows:
            raise not_found(freshness_headers(answer.freshness))
        return rows[0], answer

    async def one(
        self,
        statement: str,
        params: Mapping[str, Any],
        *,
        platform: bool = False,
        as_platform: bool = False,
        counts: str | None = None,
    ) -> Response:
        """The one row of a question as the answer, or 404. `counts`: a column that changes without a new version."""
        row, answer = await self.row(statement, params, platform=platform, as_platform=as_platform)
        return self.shown(row, answer, counts)

    def shown(self, row: Row, answer: Answer, counts: str | None = None, beside: int | None = None) -> Response:
        """A resource, with its version and how fresh that is; 304 where the caller has it. `beside`: as `counts`, of what is
        shown beside the row."""
        if answer.past is not None:
            return answers.answer(row, 200, {"Gesta-Position": str(answer.past)})
        tag = answers.etag(row["version"], beside if counts is None else _counted(row[counts]))
        head = {**freshness_headers(answer.freshness), "ETag": tag}
        return answers.answer(row, 200, head) if headers.none_match(self.request, tag) else Response(None, 304, head)

    async def page(
        self,
        listing: Listing,
        *,
        platform: bool = False,
        as_platform: bool = False,
        shown: Callable[[Row], Row] = lambda row: row,
        **fixed: Any,
    ) -> Response:
        """One page of a list, as the query asks for it. `shown`: each row as the caller sees it. `fixed`: parameters that the
        route itself sets."""
        wanted = listing.parse(self.request.query_params, self.tenant_id, fixed)
        answer = await self.rows([wanted.question()], platform=platform, as_platform=as_platform)
        (rows,) = answer.rows
        return answers.as_json(wanted.page([shown(row) for row in rows]), 200, freshness_headers(answer.freshness))


def _counted(value: int | datetime | None) -> int:
    """What makes a difference beside the version: a number, or a moment as one."""
    return int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value or 0


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
