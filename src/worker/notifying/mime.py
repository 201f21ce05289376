"""A mail as it goes out: headers, a part in plain text, and the same as simple HTML.

Nothing that comes from a request can become a header or markup: headers are made by the standard library of values that have one
line, and all text is escaped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from uuid import UUID

from engine.mail_messages import Link, Mail
from engine.notice_words import line
from worker.outbound.mailboxes import named

LONGEST_SUBJECT, LONGEST_NAME = 200, 100
POLICY = SMTP.clone(max_line_length=78)


@dataclass(frozen=True)
class Envelope:
    """From whom to whom. `id`: the delivery's, which the Message-ID follows from: a mail that comes twice has one.

    `unsubscribe`: where the person says that they want no more; whoever has it can.
    """

    id: UUID
    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    moment: datetime
    unsubscribe: str | None = field(default=None, repr=False)


def written(mail: Mail, envelope: Envelope) -> bytes:
    """Raises NoAddress."""
    sender = named(line(envelope.sender_name, LONGEST_NAME), envelope.sender)
    recipient = named(line(envelope.recipient_name, LONGEST_NAME), envelope.recipient)
    domain = sender.domain
    message = EmailMessage(policy=POLICY.clone(utf8=not (sender.username + recipient.username).isascii()))
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = line(mail.subject, LONGEST_SUBJECT)
    message["Date"] = format_datetime(envelope.moment)
    message["Message-ID"] = f"<{envelope.id}@{domain}>"
    if mail.thread is not None:
        thread = f"<request.{mail.thread}@{domain}>"
        message["In-Reply-To"] = thread
        message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content("\n".join(_lines(mail, envelope.unsubscribe)) + "\n")
    message.add_alternative(_html(mail, envelope.unsubscribe), subtype="html")
    return _list_headers(envelope.unsubscribe) + message.as_bytes()


def _list_headers(unsubscribe: str | None) -> bytes:
    """Written by hand: the library encodes a long word without blanks, and then it is no address any more."""
    if unsubscribe is None:
        return b""
    assert unsubscribe.isascii(), "it is an address of ours"
    assert not any(character.isspace() or character in "<>" for character in unsubscribe), "of one word"
    return f"List-Unsubscribe: <{unsubscribe}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")


def _lines(mail: Mail, unsubscribe: str | None) -> Iterator[str]:
    yield from (mail.headline, "")
    if mail.title:
        yield from (mail.title, "")
    if mail.text:
        yield from (mail.text, "")
    if mail.facts:
        yield from (f"{name}: {value}" for name, value in mail.facts)
        yield ""
    for title, about, address in mail.items:
        yield f"- {title}{f' ({about})' if about else ''}"
        if address is not None:
            yield f"  {address}"
    if mail.items:
        yield ""
    for link in mail.links:
        yield f"{link.label}: {link.address}"
    if mail.links:
        yield ""
    yield from ("-- ", mail.note)
    if unsubscribe is not None:
        yield f"No more of it: {unsubscribe}"


def _html(mail: Mail, unsubscribe: str | None) -> str:
    """Without pictures, scripts or styles from elsewhere."""
    parts = [f"<h2>{escape(mail.headline)}</h2>"]
    if mail.title:
        parts.append(f"<p><strong>{escape(mail.title)}</strong></p>")
    if mail.text:
        parts.append(f"<p>{escape(mail.text).replace(chr(10), '<br>')}</p>")
    if mail.facts:
        parts.append(f"<p>{'<br>'.join(f'{escape(name)}: {escape(value)}' for name, value in mail.facts)}</p>")
    if mail.items:
        parts.append(f"<ul>{''.join(_item(*each) for each in mail.items)}</ul>")
    parts += _buttons(mail.links)
    note = escape(mail.note)
    if unsubscribe is not None:
        note += f' <a href="{escape(unsubscribe)}">No more of it</a>'
    parts.append(f"<hr><p><small>{note}</small></p>")
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'


def _item(title: str, about: str, address: str | None) -> str:
    named = escape(title) if address is None else f'<a href="{escape(address)}">{escape(title)}</a>'
    return f"<li>{named}{f' ({escape(about)})' if about else ''}</li>"


def _buttons(links: Sequence[Link]) -> Iterator[str]:
    for link in links:
        yield f'<p><a href="{escape(link.address)}" rel="noreferrer">{escape(link.label)}</a></p>'
