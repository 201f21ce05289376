"""Links by which the person of a mail decides, one for each outcome that they may choose when it is sent.

What they follow from is a keyed hash of the delivery: a mail that is written again, by whomever, has the same ones, and no place
keeps their addresses. Without a master key each attempt has new ones.
"""

import os
from collections.abc import Sequence
from uuid import UUID

from domain.approval_link import SEED_BYTES
from engine.approval_links import address_of, make_links
from engine.mail_messages import Link
from engine.notice_words import line
from store.command import CommandResult
from store.platform import PlatformSnapshot, deciding
from worker.context import WorkerContext

PURPOSE = b"approval links"
LONGEST_LABEL = 100


async def links_for(
    context: WorkerContext, tenant_id: UUID, delivery_id: UUID, request_id: UUID, user_id: UUID
) -> Sequence[Link]:
    """None where nobody knows at which address the API is reached, or where there is nothing for them to choose."""
    public_url = context.mailing.public_url
    if public_url is None:
        return ()
    seed = _seed(context, delivery_id)

    async def asked(platform: PlatformSnapshot) -> CommandResult:
        return await context.do(
            tenant_id, "approval.make_links", lambda view: make_links(view, request_id, user_id, platform, seed=seed)
        )

    made = await deciding(context.handler, set(), asked)
    return [
        Link(_label(link["outcome"], link["step_name"]), public_url + address_of(tenant_id, UUID(link["id"]), seed), decides=True)
        for link in made.result["links"]
    ]


def _seed(context: WorkerContext, delivery_id: UUID) -> bytes:
    if context.vault.keys is None:
        return os.urandom(SEED_BYTES)
    return context.vault.keys.fingerprint(PURPOSE + delivery_id.bytes)


def _label(outcome: str, step: str | None) -> str:
    return line(f"Choose {outcome}" if step is None else f"Choose {outcome} ({step})", LONGEST_LABEL)
