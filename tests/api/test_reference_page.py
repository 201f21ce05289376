"""/docs in a closed network: the page, and all that it refers to, comes from the process itself."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from tests.api.conftest import Gesta


class Links(HTMLParser):
    """The addresses in a page, and whether it has script or style in place, which its policy does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_place: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        addresses = [value for name in ("src", "href") if (value := named.get(name)) is not None]
        self.found += addresses
        if tag == "style" or (tag == "script" and not addresses) or any(name.startswith("on") for name in named):
            self.in_place.append(tag)


async def test_the_page_and_all_that_it_refers_to_is_served_by_the_process(gesta: Gesta) -> None:
    page = await gesta.http.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = Links()
    links.feed(page.text)
    assert links.in_place == []
    assert len(links.found) == 4
    kinds = {}
    for address in links.found:
        assert not urlsplit(address).netloc, address
        answer = await gesta.http.get(urljoin("/docs", address))
        assert answer.status_code == 200, address
        assert len(answer.content) > 100, address
        kinds[address.rpartition(".")[2]] = answer.headers["content-type"].partition(";")[0]
        # A style sheet may load more: this one has it all in place.
        if address.endswith(".css"):
            assert {one[:5] for one in re.findall(r"url\(['\"]?([^)]*)", answer.text)} <= {"data:"}
            assert "@import" not in answer.text
    assert kinds == {"css": "text/css", "js": "text/javascript", "png": "image/png"}


async def test_the_page_reads_the_document_of_the_process_and_asks_nobody_to_validate_it(gesta: Gesta) -> None:
    start = (await gesta.http.get("/docs/start.js")).text
    (told,) = re.findall(r'^  url: (".*"),$', start, re.MULTILINE)
    assert (await gesta.http.get(urljoin("/docs", json.loads(told)))).json()["info"]["title"] == "Gesta"
    assert "  validatorUrl: null,\n" in start


async def test_the_browser_is_told_to_load_and_send_nothing_elsewhere(gesta: Gesta) -> None:
    policy = (await gesta.http.get("/docs")).headers["content-security-policy"]
    allowed = {one.split()[0]: set(one.split()[1:]) for one in policy.split(";")}
    assert allowed["default-src"] == {"'none'"}
    assert allowed["script-src"] == allowed["connect-src"] == {"'self'"}
    assert set().union(*allowed.values()) <= {"'none'", "'self'", "'unsafe-inline'", "data:"}
