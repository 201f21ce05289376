"""A page in Debian's Chromium, with the network cut, and a record of what it tried that it should not."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

CHROMIUM = shutil.which("chromium")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 20_000
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or find_spec("playwright") is None,
    reason="there is no Chromium here (apt-get install chromium), or no playwright",
)


@dataclass
class Browsed:
    page: "Page"
    elsewhere: list[str] = field(default_factory=list)
    """Requests to other hosts."""
    errors: list[str] = field(default_factory=list)

    async def violations(self) -> list[str]:
        """Of the page's policy, since it was loaded."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[Browsed]:
    """A new browser. `url`: the server's, to which alone requests are let through."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        try:
            context = await browser.new_context(viewport={"width": 1400, "height": 900}, timezone_id="Asia/Tokyo")
            context.set_default_timeout(PATIENCE_MS)
            await context.add_init_script(VIOLATIONS)
            browsed = Browsed(await context.new_page())

            async def let_through(route: "Route") -> None:
                if urlsplit(route.request.url)[:2] == urlsplit(url)[:2]:
                    await route.continue_()
                else:
                    browsed.elsewhere.append(route.request.url)
                    await route.abort()

            await context.route("**/*", let_through)
            browsed.page.on("pageerror", lambda error: browsed.errors.append(str(error)))
            yield browsed
        finally:
            await browser.close()
