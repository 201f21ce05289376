"""A mail as it goes out: its headers, both its parts, and that nothing of a request becomes a header or markup."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import pytest

from engine.mail_messages import Link, Mail, of_digest, of_event, with_outcomes
from worker.notifying.mime import Envelope, written
from worker.outbound.mailboxes import NoAddress

ID, REQUEST = UUID(int=1), UUID(int=2)
SUBJECTS = [(1, "1 request waits"), (3, "3 requests wait"), (51, "More than 50 requests wait")]
UNSUBSCRIBE = "https://gesta.example/unsubscribe/" + "a" * 70


def envelope(**more: Any) -> Envelope:
    moment = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    given = {"recipient": "ann@acme.example", "recipient_name": "Ann", "unsubscribe": UNSUBSCRIBE, **more}
    return Envelope(ID, "gesta@platform.example", "Acme", moment=moment, **given)


def parsed(mail: Mail, **more: Any) -> EmailMessage:
    found = message_from_bytes(written(mail, envelope(**more)), policy=default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def about(type: str = "approval.requested", **data: Any) -> Any:
    approval = {"id": str(REQUEST), "title": "A press?", "status": "pending", "outcomes": ["yes", "no"], **data}
    return {"type": type, "timestamp": "2026-01-05T09:00:00Z", "position": 7, "data": approval}


def test_a_mail_has_the_headers_of_one_that_a_program_sends() -> None:
    message = parsed(of_event(about(), "https://gesta.example", "Dan"))
    assert message["From"] == "Acme <gesta@platform.example>"
    assert message["To"] == "Ann <ann@acme.example>"
    assert message["Subject"] == "A decision is asked for: A press?"
    assert message["Message-ID"] == f"<{ID}@platform.example>"
    assert message["In-Reply-To"] == message["References"] == f"<request.{REQUEST}@platform.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Date"].datetime == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    assert b"<" + UNSUBSCRIBE.encode() + b">\r\n" in written(of_event(about(), None), envelope()), "in one piece"
    plain, html = (part(message, kind) for kind in ("plain", "html"))
    for text in ("A press?", "Requested by: Dan", "To choose: yes, no", f"https://gesta.example/approvals/{REQUEST}"):
        assert text in plain
        assert text in html


def test_all_mail_of_a_request_is_one_thread_and_each_has_an_id_that_stays() -> None:
    first, second = parsed(of_event(about(), None)), parsed(of_event(about("approval.resolved"), None))
    assert first["In-Reply-To"] == second["In-Reply-To"]
    assert first["Message-ID"] == second["Message-ID"], "it follows from the delivery alone"


@pytest.mark.parametrize("evil", ["A\r\nBcc: eve@evil.example", "A\nBcc: eve@evil.example", "A\u2028Bcc: x", "A\0\x0bBcc: x"])
def test_text_of_strangers_becomes_no_header(evil: str) -> None:
    message = parsed(of_event(about(title=evil, description=evil), None, evil), recipient_name=evil)
    known = {"from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted", "mime-version"}
    known |= {"x-auto-response-suppress", "list-unsubscribe", "list-unsubscribe-post", "content-type"}
    assert {name.lower() for name in message} == known
    assert message["Subject"] == "A decision is asked for: A Bcc: " + evil.rpartition(" ")[2]
    assert len(message["To"].addresses) == 1


def test_text_of_strangers_becomes_no_markup() -> None:
    evil = '<img src=x onerror="alert(1)">&</p>'
    html = part(parsed(of_event(about(title=evil, description=evil, outcomes=[evil]), None, evil)), "html")
    assert "<img" not in html
    assert "&lt;img" in html


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "ann@acme.example, eve@evil.example",
        "änn@acme.example, eve@evil.example",
        "a\r\nb@acme.example",
        "ä\u2028b@acme.example",
        "ann@-ä.example",
        "ann@ä@b.example",
        "",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(NoAddress) as caught:
        written(of_event(about(), None), envelope(recipient=address))
    assert str(caught.value) == "The address cannot be written into a mail."


@pytest.mark.parametrize(
    ("address", "shown", "is_ascii"),
    [("ann@Bücher.example", "ann@xn--bcher-kva.example", True), ("müller@bücher.example", "müller@xn--bcher-kva.example", False)],
)
def test_addresses_of_all_alphabets_are_written(address: str, shown: str, is_ascii: bool) -> None:
    message = written(of_event(about(), None), envelope(recipient=address))
    assert shown.encode() in message
    assert message.partition(b"\r\n\r\n")[0].isascii() == is_ascii


def test_names_and_subjects_of_all_alphabets_arrive_as_they_are() -> None:
    message = parsed(of_event(about(title="Größe 漢字 " * 30), None), recipient_name='Ann "O\'Neil" Ünal, Dr.')
    assert message["To"].addresses[0].display_name == 'Ann "O\'Neil" Ünal, Dr.'
    assert str(message["Subject"]).startswith("A decision is asked for: Größe 漢字 Größe")
    assert len(str(message["Subject"])) <= 200
    assert "Größe 漢字" in part(message, "plain")
    assert all(len(line) <= 998 for line in written(of_event(about(title="x" * 5_000), None), envelope()).split(b"\r\n"))


def test_links_by_which_one_decides_stand_before_the_others_and_are_not_shown_to_a_log() -> None:
    link = Link("Approve", "https://gesta.example/approve/al_secret")
    mail = with_outcomes(of_event(about(), "https://gesta.example"), [link])
    message = parsed(mail)
    plain = part(message, "plain")
    assert plain.index("Approve: https://gesta.example/approve/al_secret") < plain.index("Open the request")
    assert "asks you to confirm" in plain
    assert "al_secret" not in repr(mail)
    assert "unsubscribe/" not in repr(envelope())


@pytest.mark.parametrize(
    ("count", "subject"), [(1, "1 request waits"), (3, "3 requests wait"), (51, "More than 50 requests wait")]
)
def test_a_digest_names_what_waits(count: int, subject: str) -> None:
    due = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
    one = {"id": REQUEST, "title": "A press?", "workflow_key": "purchase", "due_at": due, "overdue": True}
    message = parsed(of_digest([one] * count, "https://gesta.example"))
    assert message["Subject"] == f"{subject} for you"
    assert message["In-Reply-To"] is None
    assert part(message, "plain").count("- A press? (purchase, overdue since 2026-01-06 09:00 UTC)") == min(count, 50)
