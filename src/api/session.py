"""Who is calling: a bearer key, the tenant it speaks in, and what it may do there.

What a key may do is kept for at most a second, which is what reads go by. Commands ask again inside their decision, so
that a right withdrawn a moment ago is never used to change anything.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from starlette.requests import Request

from api import headers
from api.problems import Problem, not_found, unauthorized
from domain import access
from domain.access import Caller, Rights
from domain.api_key import API_KEY, Token, hash_secret, parse_token
from domain.envelope import PLATFORM
from domain.facts import Aggregate, PermissionDenied
from domain.tenant import TENANT
from runtime.clock import Clock
from runtime.ids import new_id
from store.errors import UnknownLedger
from store.handler import Handler

KEEP_SECONDS = 1.0
MOST_KEPT = 10_000

S = TypeVar("S")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A caller that proved who it is, in one tenant. `key_user_id` is None for services and platform keys."""

    tenant_id: UUID
    caller: Caller
    rights: Rights
    key_id: UUID
    key_name: str
    key_user_id: UUID | None

    def require(self, permission: str) -> None:
        self.rights.require(permission)

    def require_platform(self) -> None:
        """What exists beside the tenants is the platform's: for everybody else there is no such thing."""
        if not self.caller.platform:
            raise not_found()


@dataclass(frozen=True)
class _Asked:
    """What a session depends on, but for the secret."""

    home: UUID
    key_id: UUID
    tenant: str | None
    on_behalf_of: UUID | None


@dataclass(frozen=True)
class _Proven:
    secret_hash: str
    session: Session | Exception


class Sessions:
    """Sessions by what they depend on, each loaded once at a time and kept for a second."""

    def __init__(self, handler: Handler, clock: Clock, timer: Callable[[], float] = time.monotonic) -> None:
        self._handler = handler
        self._clock = clock
        self._timer = timer
        self._kept: dict[_Asked, tuple[float, asyncio.Task[_Proven]]] = {}

    async def authenticate(self, request: Request) -> Session:
        """Raises Problem (401, 403, 404), or a domain refusal where the key's user has no place in the tenant."""
        token = _token(request)
        asked = _Asked(
            token.tenant_id,
            token.key_id,
            headers.once(request, "Gesta-Tenant"),
            headers.uuid(request, "Gesta-On-Behalf-Of"),
        )
        try:
            proven = await asyncio.shield(self._loading(asked))
        except UnknownLedger:
            raise _refused(token, "unknown ledger") from None
        if not hmac.compare_digest(proven.secret_hash, hash_secret(token.secret)):
            raise _refused(token, "wrong secret")
        if isinstance(proven.session, Exception):
            raise proven.session.with_traceback(None)
        return proven.session

    def _loading(self, asked: _Asked) -> asyncio.Task[_Proven]:
        now = self._timer()
        kept = self._kept.get(asked)
        if kept is not None and kept[0] > now:
            return kept[1]
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        task = asyncio.create_task(self._load(asked))
        self._kept[asked] = (now + KEEP_SECONDS, task)
        task.add_done_callback(lambda done: self._forget_failure(asked, done))
        return task

    def _forget_failure(self, asked: _Asked, done: asyncio.Task[_Proven]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(asked, None)

    async def _load(self, asked: _Asked) -> _Proven:
        """The key as it stands. What speaks against its use is told only to those who know its secret."""
        key, _ = await self._handler.read(asked.home, API_KEY, asked.key_id)
        if not key.exists or key.revoked or (key.expires_at is not None and key.expires_at <= self._clock.now()):
            return _Proven(key.secret_hash, _key_not_valid(asked.key_id))
        try:
            tenant_id = await self._tenant(asked)
            caller = Caller(asked.key_id, asked.home == PLATFORM, asked.on_behalf_of)
            rights = await self._rights(tenant_id, caller)
        except (Problem, access.KeyNotValid, PermissionDenied) as refused:
            return _Proven(key.secret_hash, refused)
        return _Proven(key.secret_hash, Session(tenant_id, caller, rights, asked.key_id, key.name, key.user_id))

    async def _tenant(self, asked: _Asked) -> UUID:
        """The tenant in which the caller speaks. Raises Problem where it is suspended or not this key's to name."""
        is_platform = asked.home == PLATFORM
        tenant_id: UUID | None = asked.home
        if asked.tenant is not None:
            tenant_id = _uuid(asked.tenant) or await self._handler.lookup(PLATFORM, "tenant.slug", asked.tenant)
        if tenant_id is None or (tenant_id != asked.home and not is_platform):
            raise not_found()
        if tenant_id == PLATFORM:
            return tenant_id
        tenant, _ = await self._handler.read(PLATFORM, TENANT, tenant_id)
        if not tenant.exists:
            raise not_found()
        if not tenant.active and not is_platform:
            raise Problem(403, "tenant_suspended", "The tenant is suspended.")
        return tenant_id

    async def _rights(self, tenant_id: UUID, caller: Caller) -> Rights:
        view = _Loaded(tenant_id, self._clock.now())
        while True:
            try:
                return access.rights(view, caller)
            except _Missing as missing:
                state, version = await self._handler.read(tenant_id, missing.aggregate, missing.stream_id)
                view.streams[missing.stream_id] = (state, version)


class _Missing(Exception):
    """A stream that was not loaded yet."""

    def __init__(self, aggregate: Aggregate[Any], stream_id: UUID) -> None:
        self.aggregate = aggregate
        self.stream_id = stream_id


@dataclass(frozen=True)
class _Loaded:
    """A view of streams loaded one by one, for questions that change nothing."""

    tenant_id: UUID
    now: datetime
    streams: dict[UUID, tuple[Any, int]] = field(default_factory=dict)

    def new_id(self) -> UUID:
        return new_id()

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        if stream_id not in self.streams:
            raise _Missing(aggregate, stream_id)
        state: S = self.streams[stream_id][0]
        return state

    def version(self, stream_id: UUID) -> int:
        return self.streams[stream_id][1]

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        raise NotImplementedError(f"rights depend on no name ({scope} {name})")


def _token(request: Request) -> Token:
    given = headers.once(request, "Authorization")
    if given is None:
        raise unauthorized("This needs an API key: Authorization: Bearer gk_…")
    scheme, _, text = given.partition(" ")
    token = parse_token(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        logger.warning("Authorization that is no API key", extra={"action": "login_failed"})
        raise unauthorized("The API key is not valid.")
    return token


def _refused(token: Token, why: str) -> Problem:
    logger.warning("API key refused: %s", why, extra={"action": "login_failed", "key_id": token.key_id})
    return unauthorized("The API key is not valid.")


def _key_not_valid(key_id: UUID) -> Problem:
    logger.warning("API key refused: unknown, revoked or expired", extra={"action": "login_failed", "key_id": key_id})
    return unauthorized("The API key is not valid.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
