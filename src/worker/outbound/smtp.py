"""Mail out: one message to one person, by a server of the tenant's or by the platform's own relay.

A server that a tenant names is reached as every other host of theirs (`worker.outbound.client`): resolved once, judged, and
called at that very address, by TLS from the beginning or before anything is said. The platform's relay is the operator's, and is
trusted.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Literal, TypeAlias

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from worker.outbound.addresses import Address
from worker.outbound.client import CONNECT_SECONDS, Outbound, OutboundError, resolve
from worker.outbound.mailboxes import NoAddress, mailbox

SECONDS = 30.0
"""For a whole message."""
Security: TypeAlias = Literal["tls", "starttls", "none"]
OF_A_MESSAGE = frozenset({500, 501, 504, 521, 550, 551, 552, 553, 554, 555, 556})
"""Answers to a recipient or a message that another attempt does not change. The server is well for all that."""


@dataclass(frozen=True)
class MailServer:
    """`sender`: the address that mail is from. `trusted`: the operator's own, wherever it is."""

    host: str
    port: int
    security: Security
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted: bool = False


class MailError(Exception):
    """A message that was not taken.

    `type`: smtp, recipient_refused, unauthorized, insecure, unreachable, timeout, forbidden, invalid_address. `code`: what the
    server answered. `retryable`: another attempt may do better. `of_message`: this message or its recipient is the reason, and
    not the server.
    """

    def __init__(
        self, type: str, message: str, *, code: int | None = None, retryable: bool = True, of_message: bool = False
    ) -> None:
        super().__init__(message)
        self.type = type
        self.code = code
        self.retryable = retryable
        self.of_message = of_message


@dataclass(frozen=True)
class Taken:
    """What the server said when it took the message."""

    code: int
    text: str


async def send(outbound: Outbound, server: MailServer, recipient: str, message: bytes) -> Taken:
    """Raises MailError."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _send(outbound, server, recipient, message)
    except NoAddress as error:
        raise MailError("invalid_address", str(error), retryable=False, of_message=True) from error
    except OutboundError as error:
        raise MailError(error.type, str(error), retryable=error.retryable) from error
    except TimeoutError as error:
        raise MailError("timeout", f"The mail server {server.host} did not answer in time.") from error
    except SMTPAuthenticationError as error:
        raise MailError("unauthorized", f"The mail server refused the login: {_said(error)}", code=error.code) from error
    except SMTPRecipientRefused as error:
        final = error.code in OF_A_MESSAGE
        told = f"The mail server refused the recipient: {_said(error)}"
        raise MailError("recipient_refused", told, code=error.code, retryable=not final, of_message=True) from error
    except SMTPResponseException as error:
        told = f"The mail server answered {error.code}: {_said(error)}"
        raise MailError("smtp", told, code=error.code, retryable=error.code not in OF_A_MESSAGE) from error
    except (OSError, SMTPException) as error:
        raise MailError("unreachable", f"The connection to the mail server {server.host} failed: {_brief(error)}") from error


async def _send(outbound: Outbound, server: MailServer, recipient: str, message: bytes) -> Taken:
    sender, recipient = mailbox(server.sender), mailbox(recipient)
    addresses = await (resolve(server.host, server.port) if server.trusted else outbound.judged(server.host, server.port))
    connection = await _connected(addresses, server.port)
    client = _Client(
        hostname=server.host,
        sock=connection,
        use_tls=server.security == "tls",
        start_tls=False,
        tls_context=outbound.tls,
        timeout=SECONDS,
        local_hostname=sender.rpartition("@")[2],
    )
    try:
        await client.connect()
    except BaseException:  # a cancellation, too: nobody else closes it
        connection.close()  # no transport has it, or one that was aborted
        raise
    try:
        await client.ehlo()
        if server.security == "starttls":
            await _secure(client)
        if server.username is not None and server.password is not None:
            if not client.supported_auth_methods:
                raise MailError("unauthorized", "The mail server offers no way to log in.")
            await client.login(server.username, server.password)
        await _address(client, sender, recipient)
        taken = await _data(client, message)
        await _leave(client)
        return taken
    finally:
        client.close()


class _Client(SMTP):
    def close(self) -> None:
        """At once: by TLS a server might take its time to say farewell. The socket is the transport's, and goes with it."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


async def _secure(client: SMTP) -> None:
    """What was offered in the clear counts no longer: it is asked again."""
    if not client.supports_extension("starttls"):
        raise MailError("insecure", "The mail server does not offer STARTTLS, and mail does not go there in the clear.")
    await client.starttls()
    await client.ehlo()


async def _address(client: SMTP, sender: str, recipient: str) -> None:
    if (sender + recipient).isascii():
        await client.mail(sender)
        await client.rcpt(recipient)
    elif client.supports_extension("smtputf8"):
        await client.mail(sender, options=["SMTPUTF8"], encoding="utf-8")
        await client.rcpt(recipient, encoding="utf-8")
    else:
        told = "The mail server takes no address that is not ASCII before the @ (SMTPUTF8)."
        raise MailError("invalid_address", told, retryable=False, of_message=True)


async def _data(client: SMTP, message: bytes) -> Taken:
    """What is refused here is this message."""
    try:
        answer = await client.data(message)
    except SMTPDataError as error:
        final = error.code in OF_A_MESSAGE
        told = f"The mail server refused the message: {_said(error)}"
        raise MailError("smtp", told, code=error.code, retryable=not final, of_message=final) from error
    return Taken(answer.code, answer.message)


async def _leave(client: SMTP) -> None:
    """The message is taken: whatever becomes of the farewell."""
    try:
        async with asyncio.timeout(1.0):
            await client.quit()
    except (SMTPException, OSError, TimeoutError):
        pass


async def _connected(addresses: Sequence[Address], port: int) -> socket.socket:
    for number, address in enumerate(addresses, start=1):
        family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(one, (str(address), port))
            return one
        except BaseException as error:  # a cancellation, too: nobody else closes it
            one.close()
            if not isinstance(error, OSError) or number == len(addresses):
                raise
    raise OutboundError("unreachable", "The mail server has no address.", retryable=True)


def _said(error: SMTPResponseException) -> str:
    return _brief(error.message)


def _brief(error: object) -> str:
    """One line: servers write several, and codes at the beginning of each."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return " ".join(str(error).split())[:500] or type(error).__name__
