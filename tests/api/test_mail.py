"""Notifications to people by mail, from an approval request over HTTP to a mailbox on loopback."""

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from domain.notification_preferences import KINDS
from projections.verify import verify
from tests.api.conftest import Client, Gesta, Member, Tenant, serving
from tests.api.receiving import deliveries, settled, until
from tests.api.test_http_nodes import worker
from tests.api.test_notifications import run_all
from tests.api.test_own_approvals import asked, decided
from tests.api.working import run_sql
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.house import PATIENCE
from tests.worker.mail_server import Mailbox, Received, certified, mail_server, relay
from tests.worker.outbound.servers import LOOPBACK, resolving
from tests.worker.test_killed import started
from worker.context import Mailing
from worker.outbound.client import Outbound

PUBLIC = "https://gesta.example"
ALL_DUE = "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE owner_kind = 'notification_preferences'"
LAPSE = "UPDATE runtime.jobs SET lease_until = clock_timestamp() WHERE state = 'leased'"


async def mailing(tenant: Tenant | Client, *events: str, **more: Any) -> dict[str, Any]:
    """An endpoint by which mail goes."""
    client = tenant.admin if isinstance(tenant, Tenant) else tenant
    made = await client.post("/notifications/endpoints", {"format": "mail", "events": list(events or ("approval.*",)), **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def mail(box: Mailbox, count: int) -> list[Received]:
    async def enough() -> bool:
        return len(box.taken) >= count

    await until(enough)
    assert len(box.taken) == count
    return box.taken


async def prefer(client: Client, path: str = "", **preferences: Any) -> dict[str, Any]:
    answer = await client.call("PUT", f"/notifications/preferences{path}", preferences)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def to(people: list[Member], found: list[Received]) -> dict[str, list[str]]:
    """The subjects that each of them was sent."""
    return {one.email: [str(each.message["Subject"]) for each in found if each.recipient == one.email] for one in people}


def settings(port: int, **more: str) -> dict[str, str]:
    """Of a worker in a process of its own."""
    relaying = {"GESTA_SMTP_HOST": "127.0.0.1", "GESTA_SMTP_PORT": str(port), "GESTA_SMTP_TLS": "none"}
    return {**relaying, "GESTA_SMTP_FROM": "gesta@platform.example", **more}


async def holds(gesta: Gesta, tenant: Tenant) -> None:
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as connection:
        await gesta.projector.catch_up()
        verdict = await verify(connection, tenant.id)
        assert verdict.holds, verdict.broken


async def test_people_are_mailed_what_concerns_them(gesta: Gesta, acme: Tenant, database: Database) -> None:
    """Through two API processes and two workers: who is asked, and who asked; a person whom nobody reaches harms nobody."""
    ann, ben, cat = [await acme.member("approver") for _ in range(3)]
    eva = await acme.member("operator")
    box = Mailbox(answers={f"RCPT {ben.email}": "550 5.1.1 Nobody of that name"})
    async with mail_server(box) as port, serving(database) as beside:
        by_relay = Mailing(PUBLIC, relay(port))
        async with worker(database, mailing=by_relay), worker(database, mailing=by_relay):
            made = await mailing(Client(beside, acme.admin.token, acme.admin.headers))
            assert (made["format"], made["url"], made["mail_from"]) == ("mail", "smtp:", None)
            await prefer(cat.client, mail=["decided"])
            id = await asked(eva.client, description="It is worn out.")
            (gone,) = await settled(acme, 1, "failed")
            (first,) = await mail(box, 1)
            links = dict(re.findall(rf"Choose (\w+): {PUBLIC}(/approve/\S+)", first.part("plain")))
            assert set(links) == {"approved", "rejected"}
            page = await gesta.http.get(links["approved"])
            assert "A new press?" in page.text
            assert (await acme.admin.get(f"/approvals/{id}")).json()["status"] == "pending", "it was only opened"
            assert (await decided(ann, id)).status_code == 200
            await settled(acme, 2)
            await run_all(acme)
    tokens = [path.rpartition("/")[2] for path in links.values()]
    tokens.append(str(first.message["List-Unsubscribe"])[1:-1].rpartition("/")[2])
    assert not [place for token in tokens for place in everywhere(database, token)]
    assert to([ann, ben, cat, eva], box.taken) == {
        ann.email: ["A decision is asked for: A new press?"],
        ben.email: [],
        cat.email: [],
        eva.email: ["Decided: A new press?"],
    }
    assert first.sender == "gesta@platform.example"
    assert "It is worn out." in first.part("plain")
    assert f'href="{PUBLIC}/approvals/{id}"' in first.part("html")
    last = box.taken[-1]
    assert last.message["In-Reply-To"] == first.message["In-Reply-To"] == f"<request.{id}@platform.example>"
    found = {each["user_id"]: each for each in await deliveries(acme, resource_id=id)}
    assert set(found) == {ann.user_id, ben.user_id, eva.user_id}
    assert {each["kind"] for each in found.values()} == {"mail"}
    assert first.message["Message-ID"] == f"<{found[ann.user_id]['id']}@platform.example>"
    assert [each["id"] for each in await deliveries(acme, user_id=ben.user_id)] == [gone["id"]]
    assert (gone["last_status_code"], gone["attempts"]) == (550, 1), "another attempt changes nothing"
    shown = (await acme.admin.get(f"/notifications/endpoints/{made['id']}")).json()
    assert shown["status"] == "enabled"
    assert await run_sql(database, "SELECT count(*) FROM runtime.notification_failures") == 0
    await holds(gesta, acme)


async def test_mail_that_was_not_taken_goes_again_and_not_when_it_is_of_no_use_any_more(acme: Tenant, database: Database) -> None:
    ann, ben = await acme.member("approver"), await acme.member("approver")
    box = Mailbox(answers={"RCPT": "450 4.2.1 Greylisted"})
    async with mail_server(box) as port, worker(database, mailing=Mailing(PUBLIC, relay(port))):
        made = await mailing(acme)
        refused = await acme.admin.post(f"/notifications/endpoints/{made['id']}/test")
        assert (refused.status_code, refused.json()["code"]) == (409, "nobody_to_mail"), "it belongs to nobody"
        id = await asked(acme.admin)

        async def tried() -> bool:
            return [each["attempts"] for each in await deliveries(acme)] == [1, 1]

        await until(tried)
        waiting = {each["user_id"]: each for each in await deliveries(acme)}
        assert {(each["status"], each["last_status_code"]) for each in waiting.values()} == {("pending", 450)}
        box.answers = {}
        await acme.admin.post(f"/deliveries/{waiting[ann.user_id]['id']}/retry")
        (first,) = await mail(box, 1)
        assert first.recipient == ann.email
        assert (await decided(ann, id)).status_code == 200
        await acme.admin.post(f"/deliveries/{waiting[ben.user_id]['id']}/retry")
        (over,) = await settled(acme, 1, "cancelled")
        assert (over["user_id"], over["last_error"]) == (ben.user_id, "over")
        other = await asked(acme.admin)
        await mail(box, 3)
        assert (await acme.admin.post(f"/members/{ben.user_id}/suspend")).status_code == 200
        (theirs,) = await settled(acme, 1, user_id=ben.user_id, resource_id=other)
        await acme.admin.post(f"/deliveries/{theirs['id']}/retry")
        (last,) = await settled(acme, 1, "cancelled", resource_id=other)
        assert last["last_error"] == "recipient_gone"
        period = {"from": "2020-01-01T00:00:00Z"}
        again = (await acme.admin.post(f"/notifications/endpoints/{made['id']}/replay", period)).json()
        assert again == {"sent": 2, "kept": 0, "continue_after": None}
        await run_all(acme)
        assert len(await settled(acme, 2, "cancelled")) == 2, "they are of no more use than before"
        owner = await acme.member("owner")
        assert (await owner.client.post(f"/notifications/endpoints/{made['id']}/test")).status_code == 201
        tested = (await mail(box, 4))[-1]
        assert (tested.recipient, tested.message["Subject"]) == (owner.email, "This is a test: Gesta")


async def test_mail_goes_by_a_server_of_the_tenants_and_its_password_there_alone(
    acme: Tenant, database: Database, tmp_path: Path
) -> None:
    ann = await acme.member("approver")
    served, trusting = certified(tmp_path, "mail.example")
    box = Mailbox(served, logins={"acme": "sesame, open"})
    way_out = Outbound(permitted=LOOPBACK, resolve=resolving(["127.0.0.1"])[0], tls=trusting)
    async with mail_server(box, implicit=True) as port, worker(database, outbound=way_out):
        await acme.admin.post("/secrets", {"name": "smtp", "value": "sesame, open", "hosts": ["mail.example"]})
        sender = {"from": "approvals@acme.example", "username": "acme", "password_secret": "smtp"}
        made = await mailing(acme, url=f"smtps://mail.example:{port}", mail=sender)
        assert (made["mail_from"], made["mail_password_secret"]) == ("approvals@acme.example", "smtp")
        await asked(acme.admin)
        (one,) = await mail(box, 1)
        assert (one.sender, one.recipient, one.secured) == ("approvals@acme.example", ann.email, True)
        assert one.login == ("acme", "sesame, open")
        assert one.message["List-Unsubscribe"] is None, "nobody said where"
        path = f"/notifications/endpoints/{made['id']}"
        changed = await acme.admin.call("PATCH", path, {"url": f"smtps://other.example:{port}"})
        assert changed.status_code == 200, changed.text
        await asked(acme.admin)
        (refused,) = await settled(acme, 1, "failed")
        assert "may not be sent to other.example" in refused["last_error"]
    assert len(box.taken) == 1
    assert not everywhere(database, "sesame, open")


async def test_an_endpoint_for_people_is_refused_that_makes_no_sense(acme: Tenant) -> None:
    server = {"format": "mail", "url": "smtp://mail.example"}
    for wrong, path in (
        ({"format": "mail", "url": "https://mail.example"}, "/url"),
        ({"format": "mail", "url": "smtp://user:password@mail.example"}, "/url"),
        ({"format": "mail", "url": "smtp://mail.example/x"}, "/url"),
        ({"format": "mail", "url": "smtp://mail.example:x"}, "/url"),
        (server, "/mail/from"),
        ({"format": "mail", "mail": {"from": "a@acme.example"}}, "/mail"),
        ({**server, "mail": {"from": "a@acme.example\r\nBcc: x"}}, "/mail/from"),
        ({**server, "mail": {"from": "a@acme.example", "username": "a"}}, "/mail"),
        ({"format": "slack"}, "/url"),
        ({"format": "slack", "url": "https://hooks.slack.example/x", "secret": "whsec_x"}, "/secret"),
        ({"url": "https://a.example", "mail": {"from": "a@acme.example"}}, "/mail"),
        ({"format": "fax", "url": "https://a.example"}, "/format"),
    ):
        refused = await acme.admin.post("/notifications/endpoints", {"events": ["*"], **wrong})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path), refused.text


async def test_who_wants_no_mail_says_so_in_their_preferences_or_by_the_address_in_a_mail(
    gesta: Gesta, acme: Tenant, database: Database
) -> None:
    ann, ben = await acme.member("approver"), await acme.member("approver")
    box = Mailbox()
    async with mail_server(box) as port, worker(database, mailing=Mailing(PUBLIC, relay(port))):
        await mailing(acme)
        shown = (await ann.client.get("/notifications/preferences")).json()
        never = {"every": "never", "at": "08:00", "time_zone": "UTC"}
        assert (shown["mail"], shown["effective"]) == (None, {"mail": list(KINDS), "digest": never})
        assert (await ann.client.call("PUT", "/notifications/preferences/default", {"mail": []})).status_code == 403
        await prefer(acme.admin, "/default", mail=[])
        await prefer(ann.client, mail=["requested"])
        await asked(acme.admin)
        (one,) = await mail(box, 1)
        assert one.recipient == ann.email
        address = str(one.message["List-Unsubscribe"])[1:-1]
        assert address.startswith(f"{PUBLIC}/unsubscribe/")
        path = address.removeprefix(PUBLIC)
        page = await gesta.http.get(path)
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
        assert '<form method="post">' in page.text
        assert (await ann.client.get("/notifications/preferences")).json()["mail"] == ["requested"], "it was only opened"
        done = await gesta.http.post(path, content=b"List-Unsubscribe=One-Click")
        assert done.status_code == 200
        mine = (await ann.client.get("/notifications/preferences")).json()
        assert (mine["mail"], mine["digest"]["every"]) == ([], "never")
        for wrong in (path[:-4], f"{path[:-6]}AAAAAA", f"{path}AAAA", path.rpartition("/")[0] + "/x"):
            assert (await gesta.http.post(wrong)).status_code == 404
        await prefer(ben.client, mail=None)
        await asked(acme.admin)
        await run_all(acme)
    assert len(box.taken) == 1


@pytest.mark.parametrize("failpoint", ["worker.digests_asked_for", pytest.param("worker.mail_ready", marks=pytest.mark.nightly)])
async def test_a_digest_comes_once_for_a_period_with_two_workers_and_one_that_is_killed(
    gesta: Gesta, acme: Tenant, database: Database, tmp_path: Path, failpoint: str
) -> None:
    """And nobody is sent one who has nothing that waits, or wants none."""
    ann, ben, cat = [await acme.member("approver") for _ in range(3)]
    await acme.member("viewer")
    box, daily = Mailbox(), {"every": "day", "at": "08:00", "time_zone": "Europe/Berlin"}
    async with mail_server(box) as port:
        theirs = settings(port, GESTA_PUBLIC_URL=PUBLIC)
        await mailing(acme, "approval.expired")
        await prefer(acme.admin, "/default", digest=daily)
        await prefer(ben.client, digest={"every": "never"})
        assert (await prefer(cat.client, digest=daily))["next_digest_at"] is not None
        first, second = await asked(acme.admin), await asked(acme.admin, title="Two <presses>?", due_in="P1D")
        await gesta.projector.catch_up()
        await run_sql(database, ALL_DUE)
        killed = await started(database, tmp_path / "calls", failpoint, theirs)
        assert await asyncio.wait_for(killed.wait(), PATIENCE) == -signal.SIGKILL
        await run_sql(database, LAPSE)
        await run_sql(database, "UPDATE runtime.timers SET claimed_until = NULL")
        by_relay = Mailing(PUBLIC, relay(port))
        async with worker(database, mailing=by_relay), worker(database, mailing=by_relay):
            await settled(acme, 2, event_type="inbox.digest")
            await run_all(acme)
    assert sorted(each.recipient for each in box.taken) == sorted([ann.email, cat.email])
    one = next(each for each in box.taken if each.recipient == ann.email)
    assert one.message["Subject"] == "2 requests wait for you"
    text = one.part("plain")
    assert text.index("Two <presses>?") < text.index("A new press?"), "what is due comes first"
    assert f"{PUBLIC}/approvals/{first}" in text
    assert f"{PUBLIC}/approvals/{second}" in text
    assert "Two &lt;presses&gt;?" in one.part("html")
    assert {each["user_id"] for each in await deliveries(acme)} == {ann.user_id, cat.user_id}
    await holds(gesta, acme)


async def test_mail_survives_its_worker_under_one_message_id(acme: Tenant, database: Database, tmp_path: Path) -> None:
    """Nobody knows whether it was taken: it comes again, and is known to be the same."""
    ann, box = await acme.member("approver"), Mailbox()
    async with mail_server(box) as port:
        await mailing(acme)
        await asked(acme.admin)
        killed = await started(database, tmp_path / "calls", "worker.notification_sent", settings(port))
        assert await asyncio.wait_for(killed.wait(), PATIENCE) == -signal.SIGKILL
        await run_sql(database, LAPSE)
        await run_sql(database, "UPDATE runtime.notification_cursors SET leased_until = NULL")
        async with worker(database, mailing=Mailing(None, relay(port))):
            (delivery,) = await settled(acme, 1)
    assert delivery["user_id"] == ann.user_id
    assert {str(each.message["Message-ID"]) for each in box.taken} == {f"<{delivery['id']}@platform.example>"}
    assert len(box.taken) == 2
