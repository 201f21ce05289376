"""/studio as somebody uses it: logs in, looks, follows, looks back, asks, takes along; and sees nobody else's rows."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.handing_over import HEADER
from tests.api.browsing import Browsed, browsing, needs_chromium
from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import APPROVAL, INSTANT
from tests.cli.studios import studio

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = needs_chromium

STARTED, DECIDED = 24, 3
OF_OTHERS = "GLOBEX-1"
ROLES = ("viewer", "analyst")
EXACT = """{"n": 12345678901234567890, "m": 0.12345678901234567890, "one": 1.0, "list": [9007199254740993]}"""
KEPT = "JSON.stringify([Object.values(localStorage), location.href, document.cookie, document.documentElement.outerHTML])"
IN_TAB = "Object.values(sessionStorage).join()"


async def test_somebody_looks_at_the_tables(gesta: Gesta, tmp_path: Path) -> None:
    acme = await story(gesta)
    async with studio(tmp_path, gesta.database, "--tenant", "acme") as running:
        url, code = await running.address()
        async with browsing(url) as browsed:
            look = Look(browsed)
            await look.in_by_the_address_which_is_good_once(url, code)
            await look.at_rows_that_are_found_filtered_and_sorted()
            await look.where_references_lead_and_come_from()
            await look.back_from_event_to_event()
            await look.through_pages_of_a_column_with_nulls()
            await look.by_sql_and_take_the_rows_along()
            await look.in_a_small_window()
            await look.at_an_address_that_was_cut_off()
            await look.in_with_a_key_that_is_typed(acme.admin.token, *[(await acme.member(role)).client.token for role in ROLES])
            assert (await browsed.violations(), browsed.elsewhere, browsed.errors) == ([], [], [])


async def story(gesta: Gesta) -> Tenant:
    """Two tenants with executions, of which some were decided; and all of it in the tables."""
    acme, globex = await gesta.tenant("acme"), await gesta.tenant("globex")
    await acme.publish(APPROVAL)
    await globex.publish(INSTANT)
    boss = (await acme.member("approver")).client

    async def start(number: int) -> str:
        body = {"workflow_key": "purchase", "input": {"amount": number}, "business_key": f"Order {number:02}"}
        started = await acme.admin.post("/executions", body)
        assert started.status_code == 201, started.text
        (request,) = (await acme.admin.get("/approvals", execution_id=started.json()["id"])).json()["items"]
        return str(request["id"])

    asked = await asyncio.gather(*(start(number) for number in range(STARTED)))
    for request in asked[:DECIDED]:
        decided = await boss.post(f"/approvals/{request}/decide", {"outcome": "approved"})
        assert decided.status_code == 200, decided.text
    begun = await globex.admin.post("/executions", {"workflow_key": "instant", "business_key": OF_OTHERS})
    assert begun.status_code == 201, begun.text
    return acme


class Look:
    def __init__(self, browsed: Browsed) -> None:
        self.browsed = browsed
        self.page: Page = browsed.page

    @property
    def rows(self) -> "Locator":
        return self.page.locator(".grid tbody tr")

    async def column(self, name: str) -> list[str]:
        """What the grid shows of a column, once it rests."""
        await self.page.locator(".scroller:not(.busy) .grid").wait_for()
        names = await self.page.locator(".grid .column-name").all_inner_texts()
        place = names.index(name) + 1
        return [text.strip() for text in await self.page.locator(f".grid tbody td:nth-child({place})").all_inner_texts()]

    async def table(self, name: str) -> None:
        await self.page.keyboard.press("t")
        await self.page.keyboard.type(name)
        await self.page.keyboard.press("Enter")
        await self.page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
        await self.page.locator("#table-filter").fill("")
        await self.rows.first.wait_for()
        await self.page.locator(".grid").focus()

    async def said(self, words: str) -> None:
        await self.page.get_by_role("status").get_by_text(words, exact=True).wait_for()

    # The story

    async def in_by_the_address_which_is_good_once(self, url: str, code: str) -> None:
        await self.page.goto(f"{url}/studio#once={code}")
        await self.page.get_by_text("gesta db studio", exact=True).wait_for()
        assert code not in self.page.url
        key = await self.page.evaluate(IN_TAB)
        assert key.startswith("gk_")
        assert key not in await self.page.evaluate(KEPT)
        again = await self.page.request.post(f"{url}/studio/once", headers={HEADER: code})
        assert again.status == 403

    async def at_rows_that_are_found_filtered_and_sorted(self) -> None:
        page = self.page
        await self.table("workflow_executions")
        await self.said(f"{STARTED} rows of {STARTED}")
        await page.get_by_role("button", name="+ Filter").click()
        await page.get_by_label("Column").select_option("status")
        await page.get_by_label("Value").select_option("completed")
        await page.get_by_role("button", name="Add", exact=True).click()
        await self.said(f"{DECIDED} rows of {DECIDED}")
        assert await self.column("status") == ["completed"] * DECIDED
        await page.get_by_role("button", name="business_key").click()
        await page.get_by_role("columnheader", name="business_key").and_(page.locator("[aria-sort=ascending]")).wait_for()
        assert await self.column("business_key") == [f"Order {number:02}" for number in range(DECIDED)]
        await page.get_by_role("button", name="Remove the filter status is completed").click()
        await self.said(f"{STARTED} rows of {STARTED}")
        await page.locator(".grid").focus()
        await page.keyboard.press("/")
        await page.keyboard.type("order 07")
        await page.keyboard.press("Enter")
        await self.said("1 row of 1")
        assert await self.column("business_key") == ["Order 07"]

    async def where_references_lead_and_come_from(self) -> None:
        page = self.page
        await self.rows.first.locator("a.lead").first.click()
        await page.get_by_role("heading", level=1, name="workflow_versions", exact=True).wait_for()
        panel = page.locator("aside.panel")
        await panel.locator("dt", has_text="definition").first.wait_for()
        await panel.get_by_role("link", name="workflow_executions").first.click()
        await self.said(f"{STARTED} rows of {STARTED}")
        await page.go_back()
        await page.get_by_role("heading", level=1, name="workflow_versions", exact=True).wait_for()

    async def back_from_event_to_event(self) -> None:
        page = self.page
        await self.table("approval_requests")
        await page.get_by_role("button", name="status", exact=True).click()
        await page.get_by_role("columnheader", name="status", exact=True).and_(page.locator("[aria-sort=ascending]")).wait_for()
        statuses = await self.column("status")
        await self.rows.nth(statuses.index("resolved")).click()
        await page.keyboard.press("h")
        events = page.get_by_role("list", name="Events").get_by_role("button")
        await events.first.wait_for()
        count = await events.count()
        assert "approval.requested" in await events.first.inner_text()
        assert "approval.resolved" in await events.last.inner_text()
        status = page.locator(".past .field", has=page.locator("dt", has_text="status")).first
        assert await status.locator("dd").inner_text() == "Before:\npending\nresolved"
        await page.keyboard.press("ArrowLeft")
        await self.said(f"{count - 1} of {count}")
        assert await status.locator("dd").inner_text() == "pending"
        slider = page.get_by_role("slider", name="As of which event")
        await slider.focus()
        await slider.press("Home")
        await self.said(f"1 of {count}")
        link = page.url
        await page.goto("about:blank")
        await page.goto(link)
        await self.said(f"1 of {count}")
        await page.keyboard.press("Escape")
        await page.locator("aside.panel").wait_for(state="detached")

    async def through_pages_of_a_column_with_nulls(self) -> None:
        page = self.page
        await self.table("audit_logs")
        await page.get_by_role("button", name="user_id", exact=True).click()
        await page.get_by_role("columnheader", name="user_id", exact=True).and_(page.locator("[aria-sort=ascending]")).wait_for()
        pages = [await self.column("position")]
        while await page.get_by_role("button", name="Next").is_enabled():
            pages.append(await self.turned(pages[-1], "n"))
        everything = [position for one in pages for position in one]
        assert len(pages) > 1
        assert sorted(map(int, everything)) == list(range(1, len(everything) + 1))
        for one in reversed(pages[:-1]):
            assert await self.turned(pages[pages.index(one) + 1], "p") == one

    async def turned(self, before: list[str], key: str) -> list[str]:
        await self.page.locator(".grid").focus()
        await self.page.keyboard.press(key)
        await self.page.wait_for_function(
            "before => document.querySelector('.scroller:not(.busy) tbody td')?.innerText !== before", arg=before[0]
        )
        return await self.column("position")

    async def by_sql_and_take_the_rows_along(self) -> None:
        page = self.page
        assert (await self.ask("SELECT count(*) FROM projections.workflow_executions")) == [str(STARTED)]
        assert (await self.ask("SELECT count(*) FROM projections.workflow_executions WHERE business_key ILIKE '%globex%'")) == [
            "0"
        ]
        assert (await self.ask("SELECT count(DISTINCT slug) FROM projections.tenants")) == ["1"]
        (exact,) = await self.ask(f"SELECT '{EXACT}'::jsonb")
        for digits in ("12345678901234567890", "0.12345678901234567890", "9007199254740993"):
            assert digits in exact, "no digit is rounded away"
        await page.locator("#sql").fill("SELECT nothing FROM projections.users")
        await page.locator("#sql").press("Control+Enter")
        alert = page.get_by_role("alert")
        await alert.wait_for()
        assert 'column "nothing" does not exist' in await alert.inner_text()
        await page.locator("#sql").press("Escape")
        await self.table("workflow_executions")
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name="CSV").click()
        await page.get_by_text(f"workflow_executions.csv was saved: {STARTED} rows.", exact=True).wait_for()
        path = await (await waiting.value).path()
        head, *lines = path.read_text().splitlines()
        assert (head.split(",")[0], len(lines)) == ("id", STARTED)
        await page.get_by_role("button", name="Statement").click()
        assert 'FROM projections."workflow_executions"' in await page.get_by_label("The statement").inner_text()

    async def in_a_small_window(self) -> None:
        page = self.page
        before = page.viewport_size
        assert before is not None
        await page.set_viewport_size({"width": 380, "height": 640})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing lies beyond its edge"
        await self.rows.first.locator("td").first.click()
        shown = await page.locator("aside.panel").bounding_box()
        assert shown is not None
        assert (shown["x"], shown["width"]) == (0, 380)
        await page.keyboard.press("Escape")
        await page.set_viewport_size(before)

    async def at_an_address_that_was_cut_off(self) -> None:
        await self.page.evaluate("location.hash = '#/table/workflows%2'")
        await self.page.get_by_text("There is no table workflows%2 in the catalogue.").wait_for()

    async def ask(self, sql: str) -> list[str]:
        page = self.page
        await page.get_by_role("button", name="SQL", exact=True).click()
        await page.locator("#sql").fill(sql)
        async with page.expect_response("**/v1/query"):
            await page.locator("#sql").press("Control+Enter")
        await page.get_by_role("button", name="Run").and_(page.locator(":enabled")).wait_for()
        found: list[Any] = await page.locator("table[aria-label=Result] tbody td").all_inner_texts()
        return found

    async def in_with_a_key_that_is_typed(self, platform_key: str, viewer: str, analyst: str) -> None:
        page = self.page
        await page.get_by_role("button", name="Log out").click()
        for key, why in (
            ("gk_nothing", "The API key is not valid."),
            ("gk_\u202ekey", "This is no API key"),
            (viewer, "needs the permission query:run."),
        ):
            await page.get_by_label("API key").fill(key)
            assert await page.evaluate(IN_TAB) == ""
            await page.keyboard.press("Enter")
            await page.get_by_role("alert").get_by_text(why).wait_for()
        await page.get_by_label("API key").fill(analyst)
        await page.keyboard.press("Enter")
        await page.locator(".tenant strong", has_text="acme").wait_for()
        await page.goto(f"{page.url.partition('#')[0]}#/table/users?filter=nickname:has:x")
        await page.get_by_role("alert").get_by_text("nickname").wait_for()
        assert await self.rows.count() == 0, "a filter that is shown holds"
        await page.get_by_role("button", name="Log out").click()
        await page.get_by_label("API key").fill(platform_key)
        await page.keyboard.press("Enter")
        await page.get_by_label("Tenant").select_option("globex")
        await self.table("workflow_executions")
        await self.said("1 row of 1")
        assert await self.column("business_key") == [OF_OTHERS]
        assert platform_key not in await page.evaluate(KEPT)
