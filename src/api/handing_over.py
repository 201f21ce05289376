"""A key for a page that the command line opens: handed over for a code in the page's address, which is good once.

The key itself is in no address: not in the browser's history, nor among the arguments of the program that opens it, which
everybody on the machine can read. What is left there is a code that nobody can use any more. Whoever comes with it afterwards is
told so: had it been somebody else who came first, the person at the terminal finds out.
"""

import hmac
import secrets
from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api import answers, headers
from api.problems import Problem

HEADER = "Gesta-Studio-Code"
CODE_BYTES = 32


class Handover:
    """`opened` is called each time the key was fetched: there is a new code then."""

    def __init__(self, token: str, opened: Callable[[], None]) -> None:
        self._token = token
        self._opened = opened
        self._code = _new_code()

    def address(self, url: str) -> str:
        return f"{url}/studio#once={self._code}"

    def serve(self, app: FastAPI) -> None:
        app.add_route("/studio/once", self._answer, methods=["POST"], include_in_schema=False)

    async def _answer(self, request: Request) -> Response:
        sent = headers.once(request, HEADER) or ""
        if not hmac.compare_digest(sent.encode(), self._code.encode()):
            raise Problem(403, "code_used", "This address was good once. The terminal in which the studio runs shows a new one.")
        self._code = _new_code()
        self._opened()
        return answers.answer({"token": self._token}, headers={"Cache-Control": "no-store"})


def _new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)
