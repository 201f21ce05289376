"""Cards for chats, from what happens to services on loopback that answer as Slack and Teams do."""

import json
import re

from tests.api.conftest import Tenant
from tests.api.receiving import receiver, settled, until
from tests.api.test_http_nodes import saying, worker
from tests.api.test_own_approvals import asked
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.outbound.servers import server
from worker.context import Mailing

PUBLIC = "https://gesta.example"


async def test_chats_are_posted_cards_at_an_address_that_nobody_is_shown(acme: Tenant, database: Database) -> None:
    """Their answers count as they mean them; the address is rotated, and a chat that is gone disables its endpoint."""
    await acme.member("approver")
    slack, teams = receiver(saying(200, b"ok")), receiver(saying(202))
    path = "/services/T0/B0/pl4nted-t0ken"
    async with server(slack.handle) as one, server(teams.handle) as two, worker(database, mailing=Mailing(PUBLIC)):
        body = {"url": f"http://hooks.slack.example:{one}{path}", "events": ["approval.requested"], "format": "slack"}
        made = (await acme.admin.post("/notifications/endpoints", body)).json()
        assert (made["format"], made["url"]) == ("slack", f"http://hooks.slack.example:{one}/…")
        body = {"url": f"http://teams.example:{two}/workflows/x?sig=pl4nted", "events": ["approval.*"], "format": "teams"}
        assert (await acme.admin.post("/notifications/endpoints", body)).status_code == 201
        id = await asked(acme.admin, title="<!channel> & co")
        await settled(acme, 2)
        assert (slack.seen[0][0].split()[1], slack.headers(0)["content-type"]) == (path, "application/json")
        assert slack.messages()[0]["text"] == "A decision is asked for: &lt;!channel&gt; &amp; co"
        assert f"<{PUBLIC}/approvals/{id}|Open the request>" in json.dumps(slack.messages()[0])
        (attachment,) = teams.messages()[0]["attachments"]
        assert attachment["content"]["actions"][0]["url"] == f"{PUBLIC}/approvals/{id}"
        endpoint = f"/notifications/endpoints/{made['id']}"
        refused = await acme.admin.call("PATCH", endpoint, {"url": "https://hooks.slack.example/y"})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/url")
        assert (await acme.admin.post(f"{endpoint}/rotate", {})).json()["errors"][0]["path"] == "/secret"
        rotated = await acme.admin.post(f"{endpoint}/rotate", {"secret": f"http://hooks.slack.example:{one}/services/n3w-t0ken"})
        assert rotated.status_code == 200, rotated.text
        slack.answers = [saying(400, b"invalid_blocks"), saying(404, b"no_service")]
        await asked(acme.admin)
        (never,) = await settled(acme, 1, "failed")
        assert (never["last_status_code"], never["attempts"]) == (400, 1), "it will never take this card"
        assert "/services/n3w-t0ken" in slack.seen[-1][0]
        await asked(acme.admin)

        async def disabled() -> bool:
            return bool((await acme.admin.get(endpoint)).json()["disabled_why"] == "gone")

        await until(disabled)
    for planted in ("pl4nted", "n3w-t0ken"):
        assert not everywhere(database, planted)
    told = [(await acme.admin.get(each)).text for each in ("/audit-logs", "/events", "/notifications/endpoints", "/deliveries")]
    assert not any(re.search("pl4nted|n3w-t0ken", each) for each in told)
