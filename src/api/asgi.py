"""Around every request: an id that the answer repeats, whom it came from, what every answer tells browsers, a measurement, and a
last net for what nobody caught."""

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import answers, headers, problems
from api.metrics import Metrics
from api.problems import Problem
from api.proxies import Proxies

logger = logging.getLogger(__name__)

INTERNAL = Problem(500, "internal_error", "Something went wrong. The request id finds it in the logs.")
CLIENT_LEFT = 499
"""In the metrics alone."""
NO_ROUTE = "(none)"
SECRET_PATHS = ("/hooks/", "/approve/", "/unsubscribe/")
"""Addresses that begin so are secrets: they are not logged."""
POLICY = "default-src 'none'; frame-ancestors 'none'"
"""No answer is a page that loads anything or is shown inside another; /docs has a policy of its own."""
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}
"""Of an answer to HEAD: it ends with its head, also where there would be no end."""
FOR_BROWSERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": POLICY}


class OuterMiddleware:
    """The outermost ASGI layer. Puts `request_id` into the scope."""

    def __init__(self, app: ASGIApp, metrics: Metrics, proxies: Proxies) -> None:
        self._app = app
        self._metrics = metrics
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        if is_head or "\n" in scope["path"]:
            # HEAD is answered as GET is; and a pattern's $ would overlook a line's end
            scope = {**scope, "method": "GET" if is_head else scope["method"], "path": scope["path"].replace("\n", "%0A")}
        request_id = headers.request_id(_header(scope, b"x-request-id"))
        scope["request_id"] = request_id
        self._proxies.put_client(scope)
        status, body_begun = 0, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, body_begun
            if message["type"] == "http.response.start":
                status = message["status"]
                head = MutableHeaders(scope=message)
                head["X-Request-Id"] = request_id
                for name, value in FOR_BROWSERS.items():
                    head.setdefault(name, value)
            if is_head and message["type"] == "http.response.body":
                if body_begun:
                    return
                body_begun, message = True, END
            await send(message)

        began = time.perf_counter()
        self._metrics.in_progress += 1
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_LEFT  # before its request had come: there is nobody to answer
        except Exception:
            path = next((begin for begin in SECRET_PATHS if scope["path"].startswith(begin)), scope["path"])
            logger.exception("Unhandled error", extra={"action": "http_request", "request_id": request_id, "path": path})
            if status:
                raise  # the answer has begun: the server must break the connection
            await _send_internal_error(send_with_id, request_id)
        finally:
            self._metrics.in_progress -= 1
            self._metrics.observe("HEAD" if is_head else scope["method"], _route(scope), status, time.perf_counter() - began)


async def _send_internal_error(send: Send, request_id: str) -> None:
    body = answers.to_json(INTERNAL.document(request_id))
    head = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": INTERNAL.status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _route(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else NO_ROUTE
