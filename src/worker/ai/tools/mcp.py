"""Tools of MCP servers: one call over HTTP, by the one way out, with secrets that are opened for that moment.

A server of the revision of 2026-07-28 is asked in one request, and again where it needs input; one of an earlier revision is
greeted first. A server that asks for input is answered with what people filled in for the very same question; for another one
the call ends, and they are asked. Nothing of a call is kept for the next one: servers' states of a call last minutes, and
people take days.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any

from domain.ai_task import AiTask, Call, idempotency_key
from domain.effort import Effort
from domain.facts import Json
from domain.retry import Failure
from domain.storable import storable_text
from engine import http_requests as requests
from engine.ai_eliciting import LONGEST_QUESTION
from engine.ai_forms import question_digest
from engine.ai_tools.mcp import parameter_headers, request_of
from engine.expressions import Budgeted, ExpressionError
from engine.invalid import InvalidValue
from engine.mcp_forms import form_of
from engine.nodes.http import failure_of
from store.jobs import LeasedJob
from store.vault import SecretError
from worker.ai.telemetry import TRACEPARENT
from worker.ai.tools import mcp_messages as wire
from worker.ai.tools.mcp_messages import Answer, NotAnAnswer, Until, answer_to
from worker.ai.tools.mcp_results import result_of, text_of
from worker.ai.tools.runner import Answered, Asks, Broken, ToolOutcome
from worker.context import WorkerContext
from worker.http_exchange import Exchange
from worker.outbound.client import OutboundError

MOST_ROUNDS = 10
"""How often one call is sent because the server needs input, or time."""
MOST_REQUESTED = 10
"""Of what a server asks for at once."""
LONGEST_STATE = 1 << 16
PAUSE = 0.25
"""Seconds before a server that only needs time is asked again."""
INTERNAL_ERROR = -32603
REFUSALS = (400, 404, 405)
"""Statuses with which servers refuse a message as such; what they say of it is in the body."""
LONGEST_WORD = 500


class Stopped(Exception):
    """The call comes to nothing."""

    def __init__(self, failure: Failure, retry_after: timedelta | None = None) -> None:
        super().__init__(failure.message)
        self.broken = Broken(failure, retry_after)


class McpToolRunner:
    """A `ToolRunner`."""

    async def run(
        self,
        context: WorkerContext,
        job: LeasedJob,
        task: AiTask,  # noqa: ARG002 - the protocol's; the call says all that is needed
        call: Call,
        tool: Json,
    ) -> ToolOutcome:
        try:
            return await Conversation(context, job, call, tool).run()
        except Stopped as stopped:
            return stopped.broken
        except (ExpressionError, InvalidValue) as error:
            return Broken(Failure("invalid_value", f"The call cannot be made: {error}", retryable=False))
        except SecretError as error:
            return Broken(Failure(error.type, str(error), error.retryable))


class Earlier(Exception):
    """The server speaks an earlier revision: it has not acted on what it was sent."""


class Conversation:
    """One call, and all messages of it. All of them have the time of one request."""

    def __init__(self, context: WorkerContext, job: LeasedJob, call: Call, tool: Json) -> None:
        self._context = context
        self._job = job
        self._call = call
        self._tool = tool
        self._key = idempotency_key(call)
        self._evaluator = Budgeted(context.engine.evaluator, Effort())
        self._ends = time.monotonic() + requests.timeout(tool).total_seconds()
        self._last: Exchange | None = None

    async def run(self) -> ToolOutcome:
        try:
            return await self._modern()
        except Earlier:
            return await self._legacy()

    # The revision of 2026-07-28

    async def _modern(self) -> ToolOutcome:
        again: dict[str, Json] = {}
        headers = wire.modern_headers(self._tool["tool"]) | parameter_headers(self._tool["parameters"], self._call.arguments)
        for number in range(MOST_ROUNDS):
            body = wire.modern_call(number + 1, self._tool["tool"], self._call.arguments, self._key, again)
            said = await self._sent(headers, body)
            result = self._result(said, number + 1, first=number == 0)
            if result.get("resultType", "complete") != "input_required":
                return self._outcome(result)
            found = self._responses(result)
            if isinstance(found, Asks):
                return found
            again = found
            if "inputResponses" not in again:
                await asyncio.sleep(PAUSE)
        raise Stopped(Failure("too_many_rounds", f"The tool needs input more than {MOST_ROUNDS} times.", retryable=False))

    def _responses(self, result: Mapping[str, Any]) -> dict[str, Json] | Asks:
        """What the server is told, where people have said it all; or else what they are asked next."""
        wanted, state = result.get("inputRequests") or {}, result.get("requestState")
        if not isinstance(wanted, dict) or len(wanted) > MOST_REQUESTED or not (wanted or state is not None):
            raise self._broken("protocol", "The server needs input, and does not say which.")
        if state is not None and not (isinstance(state, str) and len(state) <= LONGEST_STATE):
            raise self._broken("protocol", "The server's state of the call is no text, or too long.")
        responses = dict[str, Json]()
        for name, each in wanted.items():
            asked = self._asked(each)
            digest = question_digest(asked.message, asked.form)
            said = next((one["form"] for one in self._call.elicited if one["question"] == digest), None)
            if said is None:
                return asked
            responses[name] = {"action": "accept", "content": said}
        told: dict[str, Json] = {} if state is None else {"requestState": state}
        return told | ({"inputResponses": responses} if responses else {})

    def _asked(self, wanted: Json) -> Asks:
        method = wanted.get("method") if isinstance(wanted, dict) else None
        params = wanted.get("params") if isinstance(wanted, dict) else None
        if method != "elicitation/create" or not isinstance(params, dict):
            raise self._broken("unsupported_request", f"The tool asks for {str(method)[:100]}, which it does not get here.")
        if params.get("mode", "form") != "form":
            raise self._broken("unsupported_request", "The tool asks to have a page opened by a person, which is not done here.")
        try:
            form = form_of(params.get("requestedSchema"))
        except InvalidValue as error:
            raise self._broken("unsupported_request", f"The tool asks for what is no form: {error}") from None
        return Asks(storable_text(str(params.get("message", ""))[:LONGEST_QUESTION]), form)

    # Earlier revisions

    async def _legacy(self) -> ToolOutcome:
        """Without a capability of ours: servers of these revisions ask while the call is under way, and people take days."""
        hello = {"protocolVersion": wire.LEGACY[0], "capabilities": {}, "clientInfo": wire.CLIENT}
        headers = {"Accept": wire.ACCEPTED}
        said = await self._sent(headers, wire.request(1, "initialize", hello), "initialize")
        revision = self._result(said, 1).get("protocolVersion")
        if revision not in wire.LEGACY:
            raise self._broken("unsupported_version", "The server speaks no revision of the protocol that is spoken here.")
        headers[wire.VERSION_HEADER] = revision
        session = said["response"]["headers"].get(wire.SESSION_HEADER.lower())
        if session is not None:
            headers[wire.SESSION_HEADER] = session
        try:
            await self._sent(headers, {"jsonrpc": "2.0", "method": "notifications/initialized"}, "initialized")
            params = {"name": self._tool["tool"], "arguments": self._call.arguments, "_meta": {wire.KEY: self._key}}
            said = await self._sent(headers, wire.request(2, "tools/call", params))
            return self._outcome(self._result(said, 2))
        finally:
            if session is not None:
                await self._left(headers)

    async def _left(self, headers: Mapping[str, str]) -> None:
        """The session is over. A server that does not hear of it, or will not have it, ends it by itself."""
        with suppress(Stopped, SecretError):
            await self._sent(headers, None, "end")

    # Each message

    async def _sent(self, headers: Mapping[str, str], body: Json, of: str | None = None) -> Json:
        """`of`: what is sent beside the call itself; it may be sent again. Raises Stopped."""
        left = max(self._ends - time.monotonic(), 0.001)
        asked = request_of(self._tool, headers, self._evaluator, self._key_of(body, of), left)
        asked |= {"method": "DELETE"} if body is None else {"body": {"json": wire.traced(body, TRACEPARENT.get())}}
        asked["idempotent"] = asked["idempotent"] or of is not None
        exchange = self._last = Exchange(self._context, self._job.tenant_id, asked, self._call.number, until=Until())
        try:
            return await exchange.run()
        except OutboundError as error:
            raise Stopped(exchange.failed(error)) from error

    def _key_of(self, body: Json, of: str | None) -> str:
        """The call's own for the call itself; what differs from it in its words must differ in its key as well."""
        if of is not None:
            return f"{self._key}/{of}"
        if not self._call.elicited and "requestState" not in body["params"] and "inputResponses" not in body["params"]:
            return self._key
        words = json.dumps([body, len(self._call.elicited)], sort_keys=True)
        return f"{self._key}/{sha256(words.encode()).hexdigest()[:16]}"

    def _result(self, said: Json, id: int, *, first: bool = False) -> Mapping[str, Any]:
        """Raises Stopped, and Earlier where `first` was refused by a server that does not know the revision."""
        response = said["response"]
        status, text = response["status"], response["body"] or ""
        if status not in REFUSALS:
            self._require_success(said)
        answer = self._answer(said, id, first=first)
        error = answer.error
        if error is None and status in REFUSALS:
            raise self._broken("protocol", f"The server answers {status} with a result: {text[:LONGEST_WORD]}")
        if error is None:
            found: Mapping[str, Any] = answer.result
            return found
        code, data = error["code"], error.get("data")
        if first and code == wire.UNSUPPORTED_VERSION:
            supported = data.get("supported") if isinstance(data, dict) else None
            if not isinstance(supported, list) or any(each in wire.LEGACY for each in supported):
                raise Earlier
        if first and code in wire.BEFORE:
            raise Earlier
        again = code == INTERNAL_ERROR and bool(self._tool["idempotent"])
        raise self._broken("mcp_error", f"The server answered with the error {code}: {error['message'][:LONGEST_WORD]}", again)

    def _answer(self, said: Json, id: int, *, first: bool) -> Answer:
        response = said["response"]
        try:
            return answer_to(id, response["headers"].get("content-type", ""), response["body"] or "")
        except NotAnAnswer as error:
            if first and response["status"] in REFUSALS:
                raise Earlier from None
            self._require_success(said)
            raise self._broken(error.type, str(error)) from None

    def _require_success(self, said: Json) -> None:
        """Raises Stopped: as of a request of an `http` node."""
        failure = failure_of(said, {}, lambda: bool(self._tool["idempotent"]))
        if failure is not None:
            after = said["retry_after"]
            raise Stopped(failure, None if after is None else timedelta(seconds=after))

    def _outcome(self, result: Mapping[str, Any]) -> ToolOutcome:
        if result.get("resultType", "complete") != "complete":
            raise self._broken("protocol", "The server's result is of a kind that is not known here.")
        try:
            if result.get("isError") is True:
                raise self._broken("tool_error", text_of(result)[:LONGEST_QUESTION] or "The tool says that it failed.")
            told = result_of(result)
        except NotAnAnswer as error:
            raise self._broken(error.type, str(error)) from None
        assert self._last is not None
        return Answered(self._last.redaction.json(told))

    def _broken(self, type: str, message: str, again: bool = False) -> Stopped:
        assert self._last is not None
        return Stopped(Failure(type, storable_text(self._last.redaction.text(message)), again))
