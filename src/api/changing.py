"""The events of one stream, each with what it changed in the thing's state: as `gesta events show --fold` tells them."""

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from starlette.responses import Response

from api import answers
from api.call import RequestContext
from api.listing import PAGE_BYTES
from api.past_reading import too_much
from api.problems import Problem
from projections.events_told import event_item
from projections.past_rows import PastRows, TooMuch
from runtime.errors import OperatorError
from store.folded import Change, Step, steps
from store.reading import head

MOST_FOLDED = 2_000
"""Events of a stream: each is compared with the whole state before it."""


async def page_with_changes(
    call: RequestContext, stream_id: UUID, after: int, limit: int, topics: Sequence[str] | None
) -> Response:
    """The stream is folded from its beginning, and told from behind a position. Raises Problem."""
    found = await call.services.reads.of_ledger(lambda conn: head(conn, call.tenant_id))
    past = PastRows(call.tenant_id, 0 if found is None else found.position, call.services.reads.of_ledger)
    try:
        records = await past.events(stream_id)
        if len(records) > MOST_FOLDED:
            raise TooMuch
        folded: list[Step] = await asyncio.to_thread(lambda: list(steps(records)))
    except TooMuch:
        raise too_much() from None
    except OperatorError as error:
        raise Problem(409, "unfoldable", str(error)) from error
    wanted = [each for each in folded if each.record.position > after and (topics is None or each.record.topic in topics)]
    items: list[dict[str, Any]] = []
    size = 0
    for step in wanted[:limit]:
        item = {**event_item(step.record), "changes": [_told(change) for change in sorted(step.changes, key=attrgetter("path"))]}
        size += len(answers.to_json(item))
        if items and size > PAGE_BYTES:
            break
        items.append(item)
    cursor = str(items[-1]["position"]) if len(items) < len(wanted) else None
    return answers.answer({"items": items, "next_cursor": cursor})


def _told(change: Change) -> dict[str, Any]:
    return {"path": change.path, "before": _value(change.before), "after": _value(change.after)}


def _value(text: str | None) -> Any:
    return None if text is None else from_json(text)
