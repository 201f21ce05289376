"""/docs: the API's document to read and to try, with Swagger UI. All that the page needs comes from this process.

Its addresses are relative, so that it works behind a proxy that puts a path in front.
"""

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""By name in the package `fastapi_swagger`, which has them from Swagger UI's own distribution."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gesta API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# No validator: it is somebody else's, and would be shown the address of this document.
START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null,
});
"""

POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page can neither load nor send anything elsewhere, whatever its script would like. Swagger UI styles its parts in place."""

A_DAY = {"Cache-Control": "max-age=86400"}


def serve(app: FastAPI) -> None:
    """Put /docs and what it refers to beside the routes."""

    async def page(_request: Request) -> Response:
        return Response(PAGE, headers={"Content-Security-Policy": POLICY}, media_type="text/html")

    async def start(_request: Request) -> Response:
        return Response(START, media_type="text/javascript")

    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
    for name, media_type in ASSETS.items():
        app.add_route(f"/docs/{name}", _asset(name, media_type), include_in_schema=False)


def _asset(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    source = files("fastapi_swagger.resources") / name

    async def asset(_request: Request) -> Response:
        return Response(await to_thread(source.read_bytes), headers=A_DAY, media_type=media_type)

    return asset
