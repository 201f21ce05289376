"""/studio without a browser: what is served, under which policy, and that what is not ours is as it was published."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from posixpath import dirname, join, normpath

import httpx2
import pytest

from api.app import create_app
from api.studio_page import IMPORT_MAP, assets
from runtime.addresses import Addresses
from tests.api.conftest import Client, Gesta
from tests.api.test_reference_page import Links

STUDIO = Path(str(files("api") / "studio"))
ROWS_OF_VENDORED = re.compile(r"^\| (\S+) \| (\S+) (\S+) \| .* \| ([0-9a-f]{64}) \|$", re.MULTILINE)
IMPORTS = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom "([^"]+)";$""", re.MULTILINE)
IN_PLACE = re.compile(
    r"\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|https?://"
)
MOST_BYTES = 200_000


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """The application without its database: the page needs none."""
    transport = httpx2.ASGITransport(create_app(Addresses(None, None, None, None)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
        yield client


async def test_the_page_and_all_that_it_refers_to_is_served_under_a_policy_that_lets_nothing_else_in(
    http: httpx2.AsyncClient,
) -> None:
    page = await http.get("/studio")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (page.headers["x-frame-options"], page.headers["referrer-policy"]) == ("DENY", "no-referrer")
    (import_map,) = IMPORT_MAP.findall(page.text)
    digest = b64encode(sha256(import_map.encode()).digest()).decode()
    policy = {one.split()[0]: one.split()[1:] for one in page.headers["content-security-policy"].split(";")}
    assert policy == {
        "default-src": ["'none'"],
        "script-src": ["'self'", f"'sha256-{digest}'"],
        **{name: ["'self'"] for name in ("style-src", "img-src", "connect-src")},
        **{name: ["'none'"] for name in ("base-uri", "form-action", "frame-ancestors")},
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }

    links = Links()
    links.feed(page.text.replace('<script type="importmap">', '<script src="#">'))
    assert links.in_place == []
    links.found.remove("#")
    for address in [*links.found, *json.loads(import_map)["imports"].values()]:
        name = normpath(address).removeprefix("studio/")
        answer = await http.get(f"/studio/{name}")
        assert (answer.status_code, answer.content) == (200, (STUDIO / name).read_bytes()), address
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await http.get(f"/studio/{name}", headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
    for unknown in ("index.html", "nothing.js", "vendor/LICENSE-htm", "../app.py", "..%2Fapp.py", ""):
        assert (await http.get(f"/studio/{unknown}")).status_code == 404, unknown


def test_what_is_not_ours_is_as_it_was_published() -> None:
    vendor = STUDIO / "vendor"
    rows = ROWS_OF_VENDORED.findall((vendor / "VENDORED.md").read_text())
    assert {name: sha256((vendor / name).read_bytes()).hexdigest() for name, *_ in rows} == {row[0]: row[3] for row in rows}
    licences = {path.name for path in vendor.iterdir() if path.name.startswith("LICENSE-")}
    assert {path.name for path in vendor.iterdir()} == {"VENDORED.md", *licences, *(row[0] for row in rows)}


def test_every_module_imports_what_there_is_and_makes_no_markup_of_text() -> None:
    (import_map,) = IMPORT_MAP.findall((STUDIO / "index.html").read_text())
    bare = set(json.loads(import_map)["imports"])
    used = {"main.js"}
    for name, asset in assets().items():
        assert len(asset.content) < MOST_BYTES, name
        if not name.endswith(".js"):
            continue
        text = asset.content.decode()
        assert IN_PLACE.findall(text) == [], name
        for target in IMPORTS.findall(text):
            found = normpath(join(dirname(name), target))
            assert target in bare or found in assets(), f"{name} imports {target}"
            used.add(found)
    assert {name for name in assets() if name.endswith(".js")} <= used


async def test_the_catalogue_is_the_same_for_whoever_has_a_key(gesta: Gesta) -> None:
    tenant = await gesta.tenant("other")
    told = await (await tenant.service()).get("/catalog")
    assert told.status_code == 200
    assert (await gesta.platform.get("/catalog")).content == told.content
    assert (await Client(gesta.http, "gk_nothing").get("/catalog")).status_code == 401
    tables = {table["name"]: table for table in told.json()["tables"]}
    requests = tables["approval_requests"]
    assert (requests["kind"], requests["group"], requests["key"]) == ("table", "work", ["tenant_id", "id"])
    assert {"columns": ["tenant_id", "execution_id"], "table": "workflow_executions", "to": ["tenant_id", "id"]}.items() <= next(
        reference for reference in requests["references"] if "execution_id" in reference["columns"]
    ).items()
    assert tables["ai_spend"]["kind"] == "view"
