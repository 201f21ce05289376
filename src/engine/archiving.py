"""What was over for as long as the tenant's policy says leaves the tables; and what may not happen any more after that."""

from datetime import datetime, timedelta
from uuid import UUID

from domain.approval import APPROVAL
from domain.execution import EXECUTION, ExecutionArchived
from domain.facts import Decided, Fact, RuleViolation, View
from domain.retention import days_of


class Archived(RuleViolation):
    """The execution that it belongs to is in the archive, where nothing changes."""

    code = "archived"


def archive(view: View, execution_id: UUID, ended_at: datetime) -> Decided:
    """Nothing is done where it is too early, by the policy that holds now, or was done already. `ended_at`: as its row has it."""
    state = view.read(EXECUTION, execution_id)
    if state.started is None or state.live or state.archived or state.item is not None:
        return Decided()
    days = days_of(view, state.started.workflow_key)
    if days is None or view.now - ended_at < timedelta(days=days):
        return Decided()
    return Decided((Fact(execution_id, ExecutionArchived(days)),))


def require_not_archived(view: View, request_id: UUID) -> None:
    """For what can still be said of a request that is over. Raises Archived."""
    require_in_the_tables(view, view.read(APPROVAL, request_id).execution_id)


def require_in_the_tables(view: View, execution_id: UUID | None) -> None:
    """For what comes late to a part of an execution; None: of none. Raises Archived."""
    if execution_id is not None and view.read(EXECUTION, execution_id).archived:
        raise Archived
