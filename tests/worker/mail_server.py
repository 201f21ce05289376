"""An SMTP server on loopback, by the standard (RFC 5321, 3207, 4954), that takes mail or answers as a test says."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from tests.worker.outbound.servers import server
from tests.worker.outbound.test_client import _signed
from worker.outbound.smtp import MailServer, Security

OK = "250 2.0.0 Ok"


@dataclass
class Received:
    sender: str
    recipient: str
    data: bytes
    secured: bool
    login: tuple[str, str] | None
    utf8: bool = False

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.data, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: str) -> str:
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content())


@dataclass
class Mailbox:
    """`answers`: to a command instead of the usual one: by its name, or by `RCPT somebody@…`; None: the connection is cut."""

    tls: ssl.SSLContext | None = None
    offers_tls: bool = True
    offers_utf8: bool = False
    logins: Mapping[str, str] = field(default_factory=dict)
    answers: dict[str, str | None] = field(default_factory=dict)
    taken: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Conversation(self, reader, writer).hold()


@dataclass
class Conversation:
    box: Mailbox
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str = ""
    recipient: str = ""
    login: tuple[str, str] | None = None
    utf8: bool = False

    @property
    def secured(self) -> bool:
        return self.writer.get_extra_info("sslcontext") is not None

    async def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def hold(self) -> None:
        await self.say("220 mail.example ESMTP")
        while line := (await self.reader.readline()).decode().rstrip("\r\n"):
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self.box.commands.append(verb)
            address = rest.partition("<")[2].partition(">")[0]
            for known in (f"{verb} {address}", verb):
                if known in self.box.answers:
                    answer = self.box.answers[known]
                    break
            else:
                if not await self.obey(verb, rest, address):
                    return
                continue
            if answer is None:
                return
            await self.say(answer)

    async def obey(self, verb: str, rest: str, address: str) -> bool:
        """Whether the conversation goes on."""
        match verb:
            case "EHLO":
                offers = ["250-mail.example", "250-SIZE 1000000"]
                if self.box.offers_tls and self.box.tls is not None and not self.secured:
                    offers.append("250-STARTTLS")
                if self.box.logins:
                    offers.append("250-AUTH PLAIN LOGIN")
                if self.box.offers_utf8:
                    offers.append("250-SMTPUTF8")
                await self.say(*offers, "250 8BITMIME")
            case "STARTTLS":
                await self.say("220 Ready")
                assert self.box.tls is not None
                await self.writer.start_tls(self.box.tls)
            case "AUTH":
                await self.log_in(rest)
            case "MAIL":
                self.sender, self.utf8 = address, rest.endswith(" SMTPUTF8")
                await self.say(OK)
            case "RCPT":
                self.recipient = address
                await self.say(OK)
            case "DATA":
                await self.say("354 Go on")
                data = (await self.reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                answer = self.box.answers.get("message", OK)
                if answer == OK:
                    self.box.taken.append(Received(self.sender, self.recipient, data, self.secured, self.login, self.utf8))
                if answer is None:
                    return False
                await self.say(answer)
            case "QUIT":
                await self.say("221 Bye")
                return False
            case _:
                await self.say("502 5.5.1 What?")
        return True

    async def log_in(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        if self.box.logins.get(user) == password:
            self.login = (user, password)
            await self.say("235 2.7.0 Welcome")
        else:
            await self.say("535 5.7.8 Who?")


@asynccontextmanager
async def mail_server(box: Mailbox, *, implicit: bool = False) -> AsyncIterator[int]:
    """`implicit`: TLS from the beginning."""
    async with server(box.handle, tls=box.tls if implicit else None) as port:
        yield port


def certified(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of this name shows, and what trusts who signed that."""
    from cryptography.hazmat.primitives.serialization import Encoding

    authority = _signed("authority")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*_signed(name, authority).write(directory))
    return served, ssl.create_default_context(cadata=authority.certificate.public_bytes(Encoding.PEM).decode())


def relay(port: int, security: Security = "none", **more: str) -> MailServer:
    """The platform's own."""
    return MailServer("127.0.0.1", port, security, "gesta@platform.example", trusted=True, **more)
