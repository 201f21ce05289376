"""Who is calling: a bearer key, the tenant it speaks in, and what it may do there.

Reads go by what was so at most a second ago, and usually not so long: notifications say where rights have changed. A refusal is
never kept. Commands ask again inside their decision, so that a right withdrawn a moment ago is never used to change anything: in
the tenant's ledger what they read is an expectation; the platform's is read when the command comes in.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from starlette.requests import Request

from api import headers
from api.loaded import Loaded, Missing
from api.problems import Problem, not_found, too_many_failed_logins, unauthorized
from api.tries import Tries
from domain import access
from domain.access import Caller, Rights
from domain.api_key import API_KEY
from domain.bearer_text import KEY, BearerText, hash_secret, read
from domain.envelope import PLATFORM
from domain.facts import NotFound, PermissionDenied
from runtime.clock import Clock
from store.errors import UnknownLedger
from store.handler import Handler
from store.platform import PlatformSnapshot, Stream, deciding

KEEP_SECONDS = 1.0
MOST_KEPT = 10_000

T = TypeVar("T")
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
    expires_at: datetime | None = None
    platform_streams: tuple[Stream, ...] = ()
    """What its rights depend on in the platform's ledger."""

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
        self._logins = FailedLogins(clock)

    async def authenticate(self, request: Request) -> Session:
        """Raises Problem (401, 403, 404, 429), or a domain refusal where the key's user has no place in the tenant."""
        self._logins.check(request)
        try:
            session = await self._authenticate(request)
        except FailedLogin as failed:
            self._logins.failed(request, failed.why)
            raise
        self._logins.succeeded(request)
        return session

    async def _authenticate(self, request: Request) -> Session:
        token = _token(request)
        asked = _Asked(
            token.tenant_id,
            token.id,
            headers.once(request, "Gesta-Tenant"),
            headers.uuid(request, "Gesta-On-Behalf-Of"),
        )
        try:
            proven = await asyncio.shield(self._loading(asked))
        except UnknownLedger:
            raise FailedLogin("unknown ledger") from None
        if not hmac.compare_digest(proven.secret_hash, hash_secret(token.secret)):
            raise FailedLogin("wrong secret")
        if isinstance(proven.session, Exception):
            raise proven.session.with_traceback(None)
        if proven.session.caller.expired(proven.session.expires_at, self._clock.now()):
            raise FailedLogin(NOT_VALID)
        return proven.session

    async def authenticate_anew(self, request: Request) -> Session:
        """The same, by what is so now."""
        token = _token(request)
        for asked in [asked for asked in self._kept if asked.key_id == token.id]:
            del self._kept[asked]
        return await self.authenticate(request)

    async def deciding(self, session: Session, command: Callable[[PlatformSnapshot], Awaitable[T]]) -> T:
        """Have a command decided, with what the platform's ledger says now of the session's tenant, people and key."""
        return await deciding(self._handler, set(session.platform_streams), command)

    def look_everywhere(self) -> None:
        """Anybody's rights may have changed."""
        self._kept.clear()

    def hear(self, tenant_id: UUID) -> None:
        """In this ledger it has changed who may what: what depends on it is forgotten, and loaded anew when it is asked for."""
        if tenant_id == PLATFORM:
            self.look_everywhere()
            return
        for asked, (_, task) in list(self._kept.items()):
            if not task.done() or tenant_id in (asked.home, _tenant_of(task)):
                del self._kept[asked]

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
        """What was refused may be allowed the next moment."""
        if done.cancelled() or done.exception() is not None or isinstance(done.result().session, Exception):
            kept = self._kept.get(asked)
            if kept is not None and kept[1] is done:
                del self._kept[asked]

    async def _load(self, asked: _Asked) -> _Proven:
        """The key as it stands. What speaks against its use is told only to those who know its secret."""
        key, _ = await self._handler.read(asked.home, API_KEY, asked.key_id)
        try:
            if not key.exists:
                raise access.KeyNotValid
            tenant_id = await self._tenant(asked)
            caller = Caller(asked.key_id, asked.home == PLATFORM, asked.on_behalf_of)
            rights, platform_streams = await self._rights(tenant_id, caller)
        except access.KeyNotValid:
            return _Proven(key.secret_hash, FailedLogin(NOT_VALID))
        except (Problem, NotFound, PermissionDenied) as refused:
            return _Proven(key.secret_hash, refused)
        if key.on_behalf_of is not None:
            caller = replace(caller, on_behalf_of=key.on_behalf_of)
        session = Session(tenant_id, caller, rights, asked.key_id, key.name, key.user_id, key.expires_at, tuple(platform_streams))
        return _Proven(key.secret_hash, session)

    async def _tenant(self, asked: _Asked) -> UUID:
        """The tenant in which the caller speaks. Raises Problem where there is none such, or it is not this key's to name."""
        is_platform = asked.home == PLATFORM
        tenant_id: UUID | None = asked.home
        if asked.tenant is not None:
            tenant_id = await self.tenant_named(asked.tenant)
        if tenant_id is None or (tenant_id != asked.home and not is_platform):
            raise not_found()
        return tenant_id

    async def tenant_named(self, name: str) -> UUID | None:
        """By id, which may be nobody's, or by slug."""
        return _uuid(name) or await self._handler.lookup(PLATFORM, "tenant.slug", name)

    async def _rights(self, tenant_id: UUID, caller: Caller) -> tuple[Rights, set[Stream]]:
        """And the streams of the platform's ledger on which they depend."""
        now = self._clock.now()
        view, platform = Loaded(tenant_id, now), Loaded(PLATFORM, now)
        depends: set[Stream] = set()
        while True:
            try:
                return access.rights(platform if tenant_id == PLATFORM else view, caller, platform), depends
            except Missing as missing:
                if missing.tenant_id == PLATFORM:
                    depends.add((missing.aggregate, missing.stream_id))
                loaded = platform if missing.tenant_id == PLATFORM else view
                loaded.streams[missing.stream_id] = await self._handler.read(
                    missing.tenant_id, missing.aggregate, missing.stream_id
                )


NOT_VALID = "unknown, revoked or expired"


class FailedLogin(Problem):
    """What was presented is no valid key. `why` is for the log alone."""

    def __init__(self, why: str) -> None:
        told = unauthorized("The API key is not valid.")
        super().__init__(told.status, told.code, told.detail, headers=told.headers)
        self.why = why


class FailedLogins:
    """How often an address may present what is no valid key (`api.tries`)."""

    def __init__(self, clock: Clock) -> None:
        self._tries = Tries(clock)

    def check(self, request: Request) -> None:
        """Raises Problem (429). Who presents nothing at all has tried nothing."""
        presented = request.headers.get("authorization")
        if presented is not None and (wait := self._tries.wait(request, presented)) > 0:
            raise too_many_failed_logins(wait)

    def succeeded(self, request: Request) -> None:
        self._tries.known(request.headers["authorization"])

    def failed(self, request: Request, why: str) -> None:
        presented = request.headers.get("authorization")
        if presented is None:
            return
        self._tries.failed(request)
        token = _parsed(presented)
        who = {"key_id": None if token is None else token.id, "ip": None if request.client is None else request.client.host}
        extra = {"action": "login_failed", **who, "request_id": request.scope["request_id"]}
        logger.warning("API key refused: %s", why, extra=extra)


def _token(request: Request) -> BearerText:
    given = headers.once(request, "Authorization")
    if given is None:
        raise unauthorized("An API key is required: Authorization: Bearer gk_…")
    token = _parsed(given)
    if token is None:
        raise FailedLogin("no API key")
    return token


def _parsed(authorization: str) -> BearerText | None:
    scheme, _, text = authorization.partition(" ")
    return read(KEY, text.strip()) if scheme.lower() == "bearer" else None


def _tenant_of(task: "asyncio.Task[_Proven]") -> UUID | None:
    session = None if task.cancelled() or task.exception() is not None else task.result().session
    return session.tenant_id if isinstance(session, Session) else None


def _uuid(text: str) -> UUID | None:
    try:
        return headers.id_of(text)
    except ValueError:
        return None
