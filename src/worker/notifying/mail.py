"""Delivers by mail: to a person, at the address that they have when it is sent.

At least once: who dies between the server's answer and the report sends it again, under the same Message-ID, by which it is known
to be the same. The address, and links by which one decides, are looked up or made when it is sent, and recorded nowhere.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from domain.approval import APPROVAL
from domain.envelope import PLATFORM
from domain.facts import Json
from domain.hosts import hosts_of, is_listed
from domain.member import MEMBER
from domain.notification_delivery import DeliveryRequested, Exchange
from domain.notification_endpoint import PLATFORM_RELAY, NotificationEndpoint, smtp_server
from domain.notification_preferences import NOTIFICATION_PREFERENCES, effective, preferences_of
from domain.redaction import Redaction
from domain.tenant import TENANT, Tenant
from domain.user import USER, User
from engine.mail_messages import MOST_WAITING, Mail, of_digest, of_event, with_outcomes
from engine.mail_recipients import KINDS_OF_TYPES, asks_to_decide, is_of_use
from projections import inbox
from runtime.failpoints import failpoint
from runtime.unsubscribing import token_of
from store.vault import NotSetUp, SecretError
from worker.context import WorkerContext
from worker.notifying.attempts import Attempt, Dropped, message_of, since
from worker.notifying.mime import Envelope, written
from worker.notifying.outcome_links import links_for
from worker.outbound.mailboxes import NoAddress, mailbox
from worker.outbound.smtp import MailError, MailServer, Security, Taken, send

EXCERPT = 1_000
"""Characters of a server's answer that are recorded."""


async def mail_attempt(
    context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested, endpoint: NotificationEndpoint
) -> Attempt:
    """Raises Dropped, NotSetUp, and what a database out of reach raises."""
    assert requested.user_id is not None, "mail goes to a person"
    redaction, begun = Redaction(()), asyncio.get_running_loop().time()
    try:
        user = await _recipient(context, tenant_id, requested.user_id)
        tenant, _ = await context.handler.read(PLATFORM, TENANT, tenant_id)
        server = await _server(context, tenant_id, tenant, endpoint)
        mail = await _mail(context, tenant_id, id, requested)
        envelope = _envelope(context, tenant_id, id, requested.user_id, (user, tenant, server))
        redaction = _redaction(server, mail, envelope)
        message = written(mail, envelope)
        failpoint("worker.mail_ready")
        begun = asyncio.get_running_loop().time()
        taken = await send(context.outbound, server, user.email, message)
        return Attempt(_exchange(taken, since(begun), redaction), accepted=True)
    except SecretError as error:
        return Attempt(Exchange(since(begun), type=error.type, message=str(error)), again=error.retryable)
    except NoAddress as error:
        return Attempt(Exchange(since(begun), type="invalid_address", message=str(error)), again=False, of_endpoint=False)
    except MailError as error:
        told = redaction.text(str(error))
        exchange = Exchange(since(begun), error.code, error.type, told)
        return Attempt(exchange, again=error.retryable, of_endpoint=not error.of_message)


def _redaction(server: MailServer, mail: Mail, envelope: Envelope) -> Redaction:
    """A server may repeat what it was sent: neither the password nor an address of whatever kind becomes part of the log."""
    addresses = [envelope.recipient, mailbox(envelope.recipient)]
    said = [server.password, *addresses, envelope.unsubscribe, *(link.address for link in mail.links if link.decides)]
    return Redaction([text for text in said if text is not None])


def _exchange(taken: Taken, duration: int, redaction: Redaction) -> Exchange:
    text = "".join(each if each.isprintable() else " " for each in redaction.text(taken.text))
    return Exchange(duration, taken.code, response=text[:EXCERPT] or None)


async def _recipient(context: WorkerContext, tenant_id: UUID, user_id: UUID) -> User:
    """Raises Dropped where they are no active member any more."""
    member, _ = await context.handler.read(tenant_id, MEMBER, user_id)
    user, _ = await context.handler.read(PLATFORM, USER, user_id)
    if not member.active or not user.active:
        raise Dropped("recipient_gone")
    return user


async def _server(context: WorkerContext, tenant_id: UUID, tenant: Tenant, endpoint: NotificationEndpoint) -> MailServer:
    """Raises NotSetUp, SecretError and MailError."""
    if endpoint.url == PLATFORM_RELAY or endpoint.sender is None:
        if context.mailing.relay is None:
            raise NotSetUp("There is no mail relay: GESTA_SMTP_HOST is not set.")
        return context.mailing.relay
    host, port = smtp_server(endpoint.url)
    hosts = hosts_of(tenant.settings)
    if hosts is not None and not is_listed(host, hosts):
        raise MailError("forbidden", f"The host {host} is not on this tenant's list.", retryable=False)
    sender, password = endpoint.sender, None
    if sender.password is not None:
        opened = await context.vault.open(tenant_id, sender.password)
        if not is_listed(host, opened.hosts):
            raise SecretError("secret_forbidden", f"The secret {sender.password} may not be sent to {host}.")
        password = opened.text
    security: Security = "tls" if endpoint.url.startswith("smtps:") else "starttls"
    return MailServer(host, port, security, sender.address, sender.username, password)


async def _mail(context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested) -> Mail:
    """Raises Dropped."""
    public_url = context.mailing.public_url
    await _require_wanted(context, tenant_id, requested)
    if requested.kind == "digest":
        waiting = await _waiting(context, tenant_id, requested.user_id)
        if not waiting:
            raise Dropped("empty")
        return of_digest(waiting, public_url)
    if requested.resource_id is None:
        return of_event(await message_of(context, tenant_id, id, requested), public_url)
    approval, _ = await context.handler.read(tenant_id, APPROVAL, requested.resource_id)
    if not is_of_use(requested.event_type, approval):
        raise Dropped("over")
    requester = None
    if approval.requested_by is not None:
        requester, _ = await context.handler.read(PLATFORM, USER, approval.requested_by)
    said = await message_of(context, tenant_id, id, requested)
    mail = of_event(said, public_url, None if requester is None else requester.display_name)
    if requested.user_id is None or not asks_to_decide(requested.event_type):
        return mail
    return with_outcomes(mail, await links_for(context, tenant_id, id, requested.resource_id, requested.user_id))


async def _require_wanted(context: WorkerContext, tenant_id: UUID, requested: DeliveryRequested) -> None:
    """They may have said otherwise since it was asked for. A test is wanted by who asks for it. Raises Dropped."""
    own, default = [
        (await context.handler.read(tenant_id, NOTIFICATION_PREFERENCES, preferences_of(tenant_id, one)))[0]
        for one in (requested.user_id, None)
    ]
    holds = effective(own, default)
    if requested.kind == "digest" and holds.digest is not None and holds.digest.every == "never":
        raise Dropped("unwanted")
    if requested.kind == "mail" and KINDS_OF_TYPES[requested.event_type] not in (holds.mail or ()):
        raise Dropped("unwanted")


async def _waiting(context: WorkerContext, tenant_id: UUID, user_id: UUID | None) -> Sequence[Json]:
    async with context.pool.connection() as connection:
        return await inbox.waiting_for(connection, {"tenant_id": tenant_id, "person": user_id, "most": MOST_WAITING + 1})


def _envelope(context: WorkerContext, tenant_id: UUID, id: UUID, user_id: UUID, who: tuple[User, Tenant, MailServer]) -> Envelope:
    user, tenant, server = who
    unsubscribe = None
    if context.mailing.public_url is not None and context.vault.keys is not None:
        token = token_of(context.vault.keys, tenant_id, user_id)
        unsubscribe = f"{context.mailing.public_url}/unsubscribe/{token}"
    return Envelope(id, server.sender, tenant.name, user.email, user.display_name, datetime.now(UTC), unsubscribe)
