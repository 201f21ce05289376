"""/studio: the tables in a browser. Files as they are, from this process alone, under a policy that lets nothing else in.

The page itself has no rows: it asks for them with the key that somebody types in, as any other client does. Its addresses are
relative, so that it works behind a proxy that puts a path in front.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import headers

MEDIA_TYPES = {"mjs": "text/javascript", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
"""What is served, by the end of its name. Licences stay in the package."""
PAGE = "index.html"
IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
"""The one thing in the page that is no reference: it says where the libraries are, and is allowed by its digest."""

ALWAYS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
"""Files are asked for again by their ETag: a page of two releases would be neither."""


@dataclass(frozen=True)
class Asset:
    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> Mapping[str, Asset]:
    """All files that are served, by their path under /studio/; and the page."""
    return {
        name: Asset(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')
        for name, content in _read(files("api") / "studio")
        if (media_type := "text/html" if name == PAGE else MEDIA_TYPES.get(name.rpartition(".")[2])) is not None
    }


def _read(folder: Traversable, path: str = "") -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{path}{entry.name}/")
        else:
            found.append((path + entry.name, entry.read_bytes()))
    return found


def policy() -> str:
    """No script, style or connection but this process's own, nothing in place, no eval, no string that becomes markup."""
    found = IMPORT_MAP.search(assets()[PAGE].content.decode())
    digest = b64encode(sha256(found[1].encode() if found else b"").digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def serve(app: FastAPI) -> None:
    """Put /studio and its files beside the routes."""
    of_page = {**ALWAYS, "Content-Security-Policy": policy()}

    async def page(request: Request) -> Response:
        return _answer(request, assets()[PAGE], of_page)

    async def asset(request: Request) -> Response:
        found = assets().get(request.path_params["path"])
        if found is None or found.media_type == "text/html":
            raise HTTPException(404)
        return _answer(request, found, ALWAYS)

    app.add_route("/studio", page, include_in_schema=False)
    app.add_route("/studio/{path:path}", asset, include_in_schema=False)


def _answer(request: Request, asset: Asset, always: Mapping[str, str]) -> Response:
    told = {**always, "ETag": asset.etag}
    if not headers.none_match(request, asset.etag):
        return Response(status_code=304, headers=told)
    return Response(asset.content, headers=told, media_type=asset.media_type)
