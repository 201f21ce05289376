"""What somebody wishes to be told by mail, and what holds for those who say nothing."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.call import RequestContext
from api.documented import Calling, documented
from api.models import Body
from api.routing import router
from api.schemas import results
from domain import notification_preferences as preferences
from domain.access import Rights
from domain.facts import Decided, PermissionDenied, View
from domain.notification_preferences import KINDS, NOTIFICATION_PREFERENCES, TOLD_AT, Digest, preferences_of

routes = router("notifications")

EXAMPLE: Any = {"mail": ["requested", "escalated"], "digest": {"every": "day", "at": "08:00", "time_zone": "Europe/Berlin"}}


class NobodyIsMailed(PermissionDenied):
    """Only people are sent mail: this key belongs to nobody, and acts on nobody's behalf."""

    code = "nobody_is_mailed"


class DigestGiven(Body):
    every: Literal["never", "hour", "day"]
    at: Annotated[str, Field(min_length=5, max_length=5)] = TOLD_AT
    time_zone: Annotated[str, Field(min_length=1, max_length=100)] = "UTC"


class PreferencesGiven(Body):
    """In whole. What is null, or left out, is left to the tenant's default."""

    mail: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=50)]] | None,
        Field(max_length=len(KINDS), description=f"Of {', '.join(KINDS)}; an empty list: no mail."),
    ] = None
    digest: DigestGiven | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    @property
    def kinds(self) -> tuple[str, ...] | None:
        return None if self.mail is None else tuple(self.mail)

    @property
    def wanted(self) -> Digest | None:
        return None if self.digest is None else Digest(self.digest.every, self.digest.at, self.digest.time_zone)


@routes.get(
    "/notifications/preferences",
    **documented(
        "Get one's own preferences", "What one wishes to be told by mail", results.NOTIFICATION_PREFERENCES, parameters=[]
    ),
)
async def get_preferences(call: Calling) -> Response:
    user_id = call.session.rights.user_id
    if user_id is None:
        raise NobodyIsMailed
    own, version = await _read(call, user_id)
    default, _ = await _read(call, None)
    return _shown(own, default, version)


@routes.put(
    "/notifications/preferences",
    **documented("Change one's own preferences", "How they stand", results.NOTIFICATION_PREFERENCES_RESULT),
)
async def put_preferences(call: Calling, body: PreferencesGiven) -> Response:
    """Without `mail` or `digest`, what the tenant's default says holds."""
    user_id = call.session.rights.user_id

    def decide(view: View, who: Rights) -> Decided:
        if who.user_id is None:
            raise NobodyIsMailed
        return preferences.change(view, who.user_id, body.kinds, body.wanted)

    stream = None if user_id is None else preferences_of(call.tenant_id, user_id)
    return await call.command(commands.NOTIFICATION_PREFERENCES_CHANGE.by_themselves, decide, stream)


@routes.get(
    "/notifications/preferences/default",
    **documented(
        "Get the preferences of those who say nothing",
        "What holds where nobody says otherwise",
        results.NOTIFICATION_PREFERENCES,
        parameters=[],
    ),
)
async def get_default(call: Calling) -> Response:
    call.require("notifications:read")
    default, version = await _read(call, None)
    return _shown(default, default, version)


@routes.put(
    "/notifications/preferences/default",
    **documented("Change the preferences of those who say nothing", "How they stand", results.NOTIFICATION_PREFERENCES_RESULT),
)
async def put_default(call: Calling, body: PreferencesGiven) -> Response:
    return await call.command(
        commands.NOTIFICATION_PREFERENCES_CHANGE,
        lambda view, _who: preferences.change(view, None, body.kinds, body.wanted),
        preferences_of(call.tenant_id, None),
    )


async def _read(call: RequestContext, user_id: UUID | None) -> tuple[preferences.Preferences, int]:
    stream = preferences_of(call.tenant_id, user_id)
    return await call.services.handler.read(call.tenant_id, NOTIFICATION_PREFERENCES, stream)


def _shown(own: preferences.Preferences, default: preferences.Preferences, version: int) -> Response:
    holds = preferences.effective(own, default)
    effective = {"mail": list(holds.mail or ()), "digest": preferences.shown(holds.digest)}
    return answers.answer({**preferences.told(own, version), "effective": effective})
