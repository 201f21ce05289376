"""Mail out, to a real server on loopback: by whom it is taken, what is refused, and what never happens."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.worker.mail_server import Mailbox, certified, mail_server, relay
from tests.worker.outbound.servers import outbound, resolving
from tests.worker.outbound.servers import server as loopback
from worker.outbound.smtp import MailError, MailServer, Security, Taken, send

MESSAGE = b"Subject: Hello\r\n\r\nLine\r\n.A dot at the beginning\r\n"


def theirs(port: int, security: Security = "starttls", host: str = "mail.example", **more: str) -> MailServer:
    """A server that a tenant named."""
    return MailServer(host, port, security, "approvals@acme.example", **more)  # type: ignore[arg-type]


async def sent(server: MailServer, **options: Any) -> Taken:
    resolve, _ = resolving(["127.0.0.1"])
    async with outbound(**{"resolve": resolve, **options}) as out:
        return await send(out, server, "ann@acme.example", MESSAGE)


async def refused(server: MailServer, **options: Any) -> MailError:
    with pytest.raises(MailError) as caught:
        await sent(server, **options)
    return caught.value


async def test_mail_is_taken_by_tls_from_the_beginning_and_before_anything_is_said(tmp_path: Path) -> None:
    served, trusting = certified(tmp_path, "mail.example")
    for implicit in (False, True):
        box = Mailbox(served, logins={"gesta": "sesame, open"})
        async with mail_server(box, implicit=implicit) as port:
            server = theirs(port, "tls" if implicit else "starttls", username="gesta", password="sesame, open")
            taken = await sent(server, tls=trusting)
        (one,) = box.taken
        assert (taken.code, one.sender, one.recipient) == (250, "approvals@acme.example", "ann@acme.example")
        assert (one.secured, one.login) == (True, ("gesta", "sesame, open"))
        assert one.data == MESSAGE


async def test_nothing_is_said_in_the_clear_nor_to_another_than_was_named(tmp_path: Path) -> None:
    served, trusting = certified(tmp_path, "mail.example")
    stripped = Mailbox(served, offers_tls=False, logins={"gesta": "sesame, open"})
    other = Mailbox(served)
    async with mail_server(stripped) as port, mail_server(other) as second:
        insecure = await refused(theirs(port, username="gesta", password="sesame, open"), tls=trusting)
        named = await refused(theirs(second, host="elsewhere.example"), tls=trusting)
        unknown = await refused(theirs(second))
    assert (insecure.type, insecure.retryable) == ("insecure", True)
    assert {named.type, unknown.type} == {"unreachable"}
    assert {*stripped.commands, *other.commands} <= {"EHLO", "STARTTLS", "QUIT"}
    assert "sesame" not in str(insecure)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1"])
async def test_a_server_of_a_tenant_is_never_inside(address: str) -> None:
    box, (resolve, _) = Mailbox(), resolving([address])
    async with mail_server(box) as port:
        error = await refused(theirs(port), resolve=resolve, permitted=())
        assert (error.type, error.retryable) == ("forbidden", False)
        assert (await sent(relay(port), resolve=resolve, permitted=())).code == 250, "the operator's own is where they say"
    assert len(box.taken) == 1


@pytest.mark.parametrize(
    ("answers", "type", "code", "retryable", "of_message"),
    [
        ({"RCPT": "550 5.1.1 Nobody of that name"}, "recipient_refused", 550, False, True),
        ({"RCPT": "450 4.2.1 Greylisted"}, "recipient_refused", 450, True, True),
        ({"message": "554 5.7.1 Looks like spam"}, "smtp", 554, False, True),
        ({"message": "452 4.3.1 No space"}, "smtp", 452, True, False),
        ({"MAIL": "421 4.3.2 Shutting down"}, "smtp", 421, True, False),
        ({"MAIL": "553 5.7.1 Not from there"}, "smtp", 553, False, False),
        ({"message": None}, "unreachable", None, True, False),
        ({"EHLO": None}, "unreachable", None, True, False),
    ],
)
async def test_a_refusal_says_whether_to_try_again_and_whose_it_is(
    answers: dict[str, str | None], type: str, code: int | None, retryable: bool, of_message: bool
) -> None:
    box = Mailbox(answers=answers)
    async with mail_server(box) as port:
        error = await refused(relay(port))
    assert (error.type, error.code, error.retryable, error.of_message) == (type, code, retryable, of_message)
    assert box.taken == []


async def test_a_refusal_by_tls_leaves_nothing_in_the_way_of_the_next_one(tmp_path: Path) -> None:
    """The system gives the next connection the number of the last one."""
    served, trusting = certified(tmp_path, "mail.example")
    for implicit in (False, True):
        box = Mailbox(served, answers={"RCPT": "550 5.1.1 Nobody of that name"})
        async with mail_server(box, implicit=implicit) as port:
            server = theirs(port, "tls" if implicit else "starttls")
            assert {(await refused(server, tls=trusting)).type for _ in range(3)} == {"recipient_refused"}


async def test_a_wrong_password_is_the_servers_matter_and_is_not_repeated() -> None:
    box = Mailbox(logins={"gesta": "sesame, open"}, answers={"AUTH": "535 5.7.8 no: sesame"})
    async with mail_server(box) as port:
        error = await refused(relay(port, username="gesta", password="wrong"))
    assert (error.type, error.code, error.of_message) == ("unauthorized", 535, False)


async def test_an_address_cannot_bring_a_command_along() -> None:
    box = Mailbox()
    async with mail_server(box) as port, outbound() as out:
        with suppress(MailError, ValueError):
            await send(out, relay(port), "ann@acme.example>\r\nRCPT TO:<eve@evil.example", MESSAGE)
    assert box.commands.count("RCPT") <= 1
    assert {each.recipient for each in box.taken} <= {"ann@acme.example"}


async def test_people_of_all_alphabets_are_reached_where_the_server_takes_their_address() -> None:
    box, old = Mailbox(offers_utf8=True), Mailbox()
    async with mail_server(box) as port, mail_server(old) as second, outbound() as out:
        for recipient in ("ann@bücher.example", "müller@bücher.example"):
            assert (await send(out, relay(port), recipient, MESSAGE)).code == 250
        assert (await send(out, relay(second), "ann@bücher.example", MESSAGE)).code == 250
        with pytest.raises(MailError) as caught:
            await send(out, relay(second), "müller@bücher.example", MESSAGE)
    assert [each.recipient for each in box.taken] == ["ann@xn--bcher-kva.example", "müller@xn--bcher-kva.example"]
    assert [each.utf8 for each in box.taken] == [False, True]
    assert [each.recipient for each in old.taken] == ["ann@xn--bcher-kva.example"]
    assert (caught.value.type, caught.value.retryable, caught.value.of_message) == ("invalid_address", False, True)
    assert "ller" not in str(caught.value)


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.outbound.smtp.SECONDS", 0.05)

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with loopback(silent) as port:
        assert (await refused(relay(port))).type == "timeout"


def test_a_password_is_not_shown() -> None:
    assert "sesame" not in repr(relay(25, password="sesame"))
