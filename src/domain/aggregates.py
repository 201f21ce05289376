"""Every kind of stream there is. A new aggregate is one file beside this one, and one line here."""

from typing import Any

from domain.ai_model import AI_MODEL
from domain.ai_provider import AI_PROVIDER
from domain.ai_task import AI_TASK
from domain.analyst import ANALYST
from domain.api_key import API_KEY
from domain.approval import APPROVAL
from domain.approval_link import APPROVAL_LINK
from domain.budget import BUDGET, BUDGET_PERIOD
from domain.bulk_operation import BULK_CHUNK, BULK_OPERATION
from domain.calendar import CALENDAR
from domain.delegation import DELEGATION
from domain.evaluation import EVALUATION
from domain.event import EVENT
from domain.execution import EXECUTION
from domain.facts import Aggregate
from domain.foreach import CHUNK, FOREACH
from domain.invitation import INVITATION
from domain.job import JOB
from domain.limit import LIMIT
from domain.member import MEMBER
from domain.notification_delivery import NOTIFICATION_DELIVERY
from domain.notification_endpoint import NOTIFICATION_ENDPOINT
from domain.notification_preferences import NOTIFICATION_PREFERENCES
from domain.permission import PERMISSION
from domain.projection_faults import PROJECTION_FAULTS
from domain.prompt import PROMPT
from domain.refusal import REFUSAL
from domain.retention import RETENTION
from domain.role import ROLE
from domain.secret import SECRET
from domain.tenant import TENANT
from domain.totp import TOTP
from domain.trigger import TRIGGER
from domain.user import USER
from domain.workflow import WORKFLOW

AGGREGATES: tuple[Aggregate[Any], ...] = (
    TENANT,
    USER,
    PERMISSION,
    MEMBER,
    INVITATION,
    ROLE,
    API_KEY,
    SECRET,
    ANALYST,
    WORKFLOW,
    EXECUTION,
    FOREACH,
    CHUNK,
    APPROVAL,
    APPROVAL_LINK,
    AI_TASK,
    AI_PROVIDER,
    AI_MODEL,
    BUDGET,
    BUDGET_PERIOD,
    PROMPT,
    EVALUATION,
    JOB,
    EVENT,
    TRIGGER,
    LIMIT,
    RETENTION,
    BULK_OPERATION,
    BULK_CHUNK,
    NOTIFICATION_ENDPOINT,
    NOTIFICATION_DELIVERY,
    NOTIFICATION_PREFERENCES,
    CALENDAR,
    DELEGATION,
    TOTP,
    PROJECTION_FAULTS,
    REFUSAL,
)

OF_PLATFORM: frozenset[str] = frozenset(
    aggregate.name for aggregate in (TENANT, USER, PERMISSION, API_KEY, PROJECTION_FAULTS, REFUSAL)
)
"""What the platform's ledger holds, by name. All else is a tenant's."""
