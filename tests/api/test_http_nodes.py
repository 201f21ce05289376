"""http nodes, from a definition over the API to a service and back: what arrives, what comes of it, where it may not go."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from engine.cel import CelEvaluator
from engine.context import Engine
from runtime.log import CHATTY, OURS, configure_logging
from runtime.master_keys import MasterKeys
from tests.api.conftest import MASTER_KEYS, Client, Tenant, serving
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.house import ScriptedProvider, at_work
from tests.worker.outbound.servers import LOOPBACK, resolving, server
from worker.context import Mailing
from worker.outbound.addresses import Address, Network
from worker.outbound.client import Outbound, Request, Response
from worker.worker import WorkerProcess, open_worker

PLANTED = 'pl4nted/"s3cret"+value&<b>'
RETRY = {"max_attempts": 3, "initial_interval": "PT0.01S"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def definition(config: Any, **fields: Any) -> dict[str, Any]:
    """A call between start and end; the error is put out as well."""
    return {
        "key": "calling",
        "name": "Calling",
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "call", "type": "http", "config": config, **fields},
            {"id": "end", "type": "end", "config": {"output": "=nodes.call.output"}},
            {"id": "failed", "type": "end", "config": {"output": {"error": "=nodes.call.error"}}},
        ],
        "edges": [
            {"source": "start", "target": "call"},
            {"source": "call", "target": "end"},
            {"source": "call", "source_handle": "error", "target": "failed"},
            {"source": "call", "source_handle": "timeout", "target": "failed"},
        ],
    }


@dataclass
class Service:
    """A service on loopback that answers what it is told to. `seen`: heads and bodies of requests."""

    seen: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[Callable[[str, bytes], bytes | None]] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        self.seen.append((head, body))
        answer = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(head, body)
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        writer.write(answer)
        await writer.drain()

    def headers(self, number: int = -1) -> dict[str, str]:
        lines = self.seen[number][0].splitlines()[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


def saying(status: int, body: Any = None, **headers: str) -> Callable[[str, bytes], bytes]:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    told = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    head = f"HTTP/1.1 {status} Status\r\n{lines}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    return lambda _head, _body: head.encode() + data


def echoing(status: int) -> Callable[[str, bytes], bytes]:
    """The request, in the answer's body and in a header."""

    def answer(head: str, body: bytes) -> bytes:
        sent = [line for line in head.splitlines() if ":" in line]
        seen = next((line.partition(":")[2].strip() for line in sent if line.lower().startswith("authorization")), "none")
        return saying(status, {"you": head, "headers": sent, "body": body.decode()}, X_Seen=seen)(head, body)

    return answer


@asynccontextmanager
async def worker(
    database: Database,
    permitted: Sequence[Network] = LOOPBACK,
    resolve: Any = None,
    outbound: Outbound | None = None,
    master_keys: MasterKeys | None = MASTER_KEYS,
    mailing: Mailing | None = None,
) -> AsyncIterator[WorkerProcess]:
    resolve = resolve or resolving(["127.0.0.1"])[0]
    way_out = outbound or Outbound(permitted=permitted, resolve=resolve)
    async with (
        open_worker(
            database.system_url,
            Engine(CelEvaluator()),
            ScriptedProvider(),
            listen_url=database.listen_url,
            master_keys=master_keys,
            outbound=way_out,
            mailing=mailing,
        ) as one,
        at_work(one),
    ):
        yield one


async def ended(tenant: Tenant, config: Any, input: Any = None, client: Client | None = None, **fields: Any) -> Any:
    """An execution of a definition with this call, when it has ended."""
    key = f"calling-{await tenant.gesta.events()}"
    await tenant.publish({**definition(config, **fields), "key": key})
    asks = client or tenant.admin
    started = await asks.post("/executions", {"workflow_key": key, "input": input or {}})
    assert started.status_code == 201, started.text
    found = await asks.get(f"/executions/{started.json()['id']}", wait=30)
    assert found.json()["status"] in ("completed", "failed"), found.text
    return found.json()


async def output(tenant: Tenant, config: Any, input: Any = None, **fields: Any) -> Any:
    return (await ended(tenant, config, input, **fields))["output"]


async def error(tenant: Tenant, config: Any, input: Any = None, **fields: Any) -> Any:
    return (await output(tenant, config, input, **fields))["error"]


async def test_a_service_is_called_and_its_answer_goes_on(acme: Tenant, database: Database) -> None:
    """Through two API processes and a worker."""
    service = Service(answers=[saying(201, {"id": 7}, ETag='"1"', Set_Cookie="session=1")])
    async with server(service.handle) as port, worker(database), serving(database) as other:
        second = Client(other, acme.admin.token, acme.admin.headers)
        config = {
            "method": "POST",
            "url": f"http://api.example:{port}/orders",
            "query": {"dry": "=input.dry"},
            "headers": {"X-Order": "=input.id"},
            "body": {"order": "=input.id", "text": "ü"},
        }
        made = await ended(acme, config, {"id": 42, "dry": False}, client=second)
    assert made["output"]["status"] == 201
    assert made["output"]["body"] == {"id": 7}
    assert made["output"]["headers"]["etag"] == '"1"'
    assert "set-cookie" not in made["output"]["headers"], "a credential of the service's"
    ((head, body),) = service.seen
    assert head.startswith("POST /orders?dry=false HTTP/1.1\r\n")
    assert json.loads(body) == {"order": 42, "text": "ü"}
    sent = service.headers()
    assert (sent["host"], sent["x-order"], sent["content-type"]) == (f"api.example:{port}", "42", "application/json")
    assert sent["user-agent"].startswith("Gesta/")
    assert sent["gesta-attempt"] == f"{sent['idempotency-key']}/1"


async def test_the_key_of_a_visit_is_the_same_for_all_its_attempts(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(503, None, Retry_After="0"), saying(429), saying(200, {"done": True})])
    async with server(service.handle) as port, worker(database):
        config = {
            "method": "POST",
            "url": f"http://api.example:{port}/",
            "body": 1,
            "idempotent": True,
            "output": "=response.body",
        }
        assert await output(acme, config, retry=RETRY) == {"done": True}
    keys = [service.headers(number)["idempotency-key"] for number in range(3)]
    attempts = [service.headers(number)["gesta-attempt"] for number in range(3)]
    assert len(set(keys)) == 1
    assert len(set(attempts)) == 3


@pytest.mark.parametrize(("method", "calls"), [("POST", 1), ("GET", 3)])
async def test_a_request_that_may_have_been_acted_on_is_sent_again_only_if_it_may(
    acme: Tenant, database: Database, method: str, calls: int
) -> None:
    """The service takes it and breaks the connection."""
    service = Service(answers=[lambda _head, _body: b""])
    async with server(service.handle) as port, worker(database):
        told = await error(acme, {"method": method, "url": f"http://api.example:{port}/"}, retry=RETRY)
    assert len(service.seen) == told["attempts"] == calls


async def test_what_was_never_sent_is_sent_again_whatever_its_method(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    resolve, asked = resolving(["127.0.0.9"], ["127.0.0.9"], ["127.0.0.1"])
    async with server(service.handle) as port, worker(database, resolve=resolve):
        told = await output(acme, {"method": "POST", "url": f"http://api.example:{port}/"}, retry=RETRY)
    assert (told["status"], told["encoding"]) == (200, "none")
    assert len(asked) == 3


BODIES = [
    (b'{"a": 1}', "application/json", "auto", {"a": 1}, "json"),
    (b'{"a": 1}', "application/problem+json; charset=utf-8", "auto", {"a": 1}, "json"),
    (b"{broken", "application/json", "auto", "{broken", "text"),
    ("grüß".encode("latin-1"), "text/plain; charset=iso-8859-1", "auto", "grüß", "text"),
    (b"\x89PNG\0\xff", "image/png", "auto", "iVBORwD/", "base64"),
    (b'{"a": 1}', "text/plain", "json", {"a": 1}, "json"),
    (b'{"a": 1}', "application/json", "text", '{"a": 1}', "text"),
    (b"abc", "text/plain", "base64", "YWJj", "base64"),
    (b"abc", "text/plain", "none", None, "none"),
]


async def test_bodies_come_as_what_they_are_or_as_is_wanted(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200, data, Content_Type=kind) for data, kind, *_ in BODIES])
    async with server(service.handle) as port, worker(database):
        for _, kind, wanted, body, encoding in BODIES:
            told = await output(acme, {"url": f"http://api.example:{port}/", "response_as": wanted})
            assert (told["body"], told["encoding"]) == (body, encoding), kind
    service.answers = [saying(200, b"<html>", Content_Type="text/html")]
    async with server(service.handle) as port, worker(database):
        assert (await error(acme, {"url": f"http://api.example:{port}/", "response_as": "json"}))["type"] == "invalid_response"


async def test_forms_and_texts_are_sent(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    async with server(service.handle) as port, worker(database):
        url = f"http://api.example:{port}/"
        await output(acme, {"method": "POST", "url": url, "body_as": "form", "body": {"a": "b c", "d": [1, 2], "e": None}})
        assert service.seen[-1][1] == b"a=b+c&d=1&d=2"
        assert service.headers()["content-type"] == "application/x-www-form-urlencoded"
        headers = {"content-type": "application/xml"}
        await output(acme, {"method": "PUT", "url": url, "body_as": "text", "body": "<a/>", "headers": headers})
        assert (service.seen[-1][1], service.headers()["content-type"]) == (b"<a/>", "application/xml")


async def test_time_and_size_have_limits(acme: Tenant, database: Database) -> None:
    service = Service(answers=[lambda _head, _body: None])
    async with server(service.handle) as port, worker(database):
        slow = await error(acme, {"url": f"http://api.example:{port}/", "request_timeout": "PT0.2S"})
        assert (slow["type"], slow["attempts"]) == ("request_timeout", 1)
        service.answers = [saying(200, "x" * 2_000)]
        large = await error(acme, {"url": f"http://api.example:{port}/", "max_bytes": 1_000}, retry=RETRY)
        assert (large["type"], large["attempts"]) == ("too_large", 1)


# Where it may not go

NOTATIONS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0", "127.0.0.1."),
    *("localhost", "LOCALHOST", "localhost.", "127。0。0。1", "①②⑦.⓪.⓪.①", "%31%32%37.0.0.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "[fe80::1]", "[fd00:ec2::254]"),
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "169.254.43518", "[::ffff:169.254.169.254]", "[2002:a9fe:a9fe::]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fc00::1]", "[ff02::1]"),
    *("api.example@127.0.0.1", "127.0.0.1#@api.example", "127.0.0.1\\@api.example", "api.example:80@127.0.0.1"),
]


async def test_no_way_of_writing_it_leads_inside(acme: Tenant, database: Database) -> None:
    """All notations at once, through a whole node each. The system's own resolver reads them; nothing is permitted."""
    reached: list[int] = []

    async def handle(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        reached.append(1)

    drawn = definition({"url": "=input.url", "request_timeout": "PT5S"}, retry={"max_attempts": 1})
    await acme.publish({**drawn, "key": "corpus"})
    async with server(handle) as port, worker(database, permitted=(), outbound=Outbound()):

        async def refused(notation: str) -> None:
            body = {"workflow_key": "corpus", "input": {"url": f"http://{notation}:{port}/latest/meta-data/"}}
            started = await acme.admin.post("/executions", body)
            found = await acme.admin.get(f"/executions/{started.json()['id']}", wait=30)
            told = found.json()["output"]["error"]
            assert told["type"] in ("forbidden", "invalid_url", "invalid_value", "unreachable"), (notation, told)
            if "localhost" in notation.lower():
                assert "127.0.0" not in told["message"], "nobody maps our network by asking"

        await asyncio.gather(*(refused(notation) for notation in NOTATIONS))
    assert reached == []


async def test_redirects_are_followed_where_the_definition_says_so(acme: Tenant, database: Database) -> None:
    """To another origin without the credentials; and what comes after a redirect says nothing of the request before it."""
    service, other = Service(), Service([], [saying(200, {"n": 1})])
    await keep(acme)
    async with server(other.handle) as there, server(service.handle) as port, worker(database):
        service.answers = [saying(303, Location=f"http://other.example:{there}/got")]
        config = {"method": "POST", "url": f"http://api.example:{port}/", "body": {"a": 1}, "redirects": 1, **BEARER}
        found = await ended(acme, config)
        assert found["output"]["body"] == {"n": 1}
        assert other.seen[0][0].startswith("GET /got HTTP/1.1")
        assert other.seen[0][1] == b""
        assert "authorization" not in other.headers(0)
        assert "authorization" in service.headers(0)
        other.answers, service.seen = [saying(429)], []
        found = await ended(acme, config, retry=RETRY)
        assert found["output"]["error"]["type"] == "http_429"
        assert len(service.seen) == 1, "it may have been acted on"


async def test_a_redirect_leads_nowhere(acme: Tenant, database: Database) -> None:
    inside = Service(answers=[saying(200)])
    async with server(inside.handle) as port, worker(database):
        for status in (301, 302, 303, 307, 308):
            outside = Service(answers=[saying(status, None, Location=f"http://127.0.0.1:{port}/")])
            async with server(outside.handle) as other:
                told = await error(acme, {"url": f"http://api.example:{other}/"}, retry=RETRY)
            assert (told["type"], told["attempts"]) == (f"http_{status}", 1)
    assert inside.seen == []


async def test_a_resolver_that_changes_its_answer_leads_nowhere(acme: Tenant, database: Database) -> None:
    """Rebinding: a public address when it is judged, loopback when it is asked again, for every attempt anew."""
    inside, asked = Service(answers=[saying(200)]), list[str]()

    async def resolve(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) % 2 == 0 else "192.88.99.1")]

    async with server(inside.handle) as port, worker(database, permitted=(), resolve=resolve):
        for _ in range(2):
            told = await error(acme, {"url": f"http://rebinding.example:{port}/", "request_timeout": "PT1S"}, retry=RETRY)
            assert (told["type"], told["attempts"]) == ("forbidden", 1)
    assert inside.seen == []
    assert len(asked) == 2, "it is asked once for each request"


async def test_proxies_of_the_environment_are_not_asked(
    acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, proxy = Service(answers=[saying(200)]), Service(answers=[saying(200)])
    async with server(service.handle) as port, server(proxy.handle) as other:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
        async with worker(database):
            assert (await output(acme, {"url": f"http://api.example:{port}/"}))["status"] == 200
    assert (len(service.seen), proxy.seen) == (1, [])


async def test_a_tenant_says_where_its_requests_may_go(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    async with server(service.handle) as port, worker(database):
        changed = await acme.admin.call(
            "PATCH", "/tenant", {"settings": {"outbound": {"hosts": ["api.example", "*.crm.example"]}}}
        )
        assert changed.status_code == 200, changed.text
        for host in ("api.example", "eu.crm.example"):
            assert (await output(acme, {"url": f"http://{host}:{port}/"}))["status"] == 200
        told = await error(acme, {"url": f"http://elsewhere.example:{port}/"})
        assert (told["type"], "elsewhere.example" in told["message"]) == ("forbidden", True)
        await acme.admin.call("PATCH", "/tenant", {"settings": {"outbound": {"hosts": []}}})
        assert (await error(acme, {"url": f"http://api.example:{port}/"}))["type"] == "forbidden"
    for wrong, path in (
        (7, "/settings/outbound"),
        ({"host": []}, "/settings/outbound"),
        ({"hosts": "*"}, "/settings/outbound/hosts"),
        ({"hosts": ["a.example", "https://b.example"]}, "/settings/outbound/hosts/1"),
    ):
        refused = await acme.admin.call("PATCH", "/tenant", {"settings": {"outbound": wrong}})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)


# Secrets


async def keep(tenant: Tenant, name: str = "token", value: str = PLANTED, *hosts: str) -> None:
    body = {"name": name, "value": value, "hosts": list(hosts) or ["api.example"]}
    made = await tenant.admin.post("/secrets", body)
    assert made.status_code == 201, made.text


BEARER = {"headers": {"Authorization": {"secret": "token", "prefix": "Bearer "}}}
AUTHS = [
    {"type": "bearer", "secret": "token"},
    {"type": "basic", "username": "me", "secret": "token"},
    {"type": "header", "name": "X-Api-Key", "secret": "token", "prefix": "Key "},
    {"type": "query", "name": "api_key", "secret": "token"},
]


class Breaking(Outbound):
    """Sends nothing, and breaks with all that it was given in its words."""

    async def send(self, request: Request, *, hosts: Any = None) -> Response:
        raise RuntimeError(f"broken by {request.url} {list(request.headers)!r} {request!r} {hosts}")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a process logs that says as much as it can."""
    root, written = logging.getLogger(), io.StringIO()
    before = {name: logging.getLogger(name).level for name in (None, *CHATTY, *OURS)}
    handlers = list(root.handlers)
    configure_logging("DEBUG", "json", written)
    yield written
    root.handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


async def test_a_planted_secret_is_found_nowhere_but_sealed(acme: Tenant, database: Database, log: io.StringIO) -> None:
    """By a service that repeats what it was sent, in every status, by one that hangs or breaks, and by an error of our own."""
    await keep(acme)
    service, answers = Service(answers=[echoing(200)]), []
    async with server(service.handle) as port, worker(database):
        url = f"http://api.example:{port}/"
        answers += [await ended(acme, {"method": "POST", "url": url, "auth": auth, "body": 1}) for auth in AUTHS]
        assert all("[redacted]" in json.dumps(one["output"]) for one in answers)
        answers.append(await ended(acme, {"url": url, **BEARER, "response_as": "base64"}))
        answers.append(await ended(acme, {"url": url, **BEARER, "output": "=response.headers"}))
        for status in (400, 401, 500, 503):
            service.answers = [echoing(status)]
            answers.append(await ended(acme, {"url": url, **BEARER}, retry=RETRY))
            assert "[redacted]" in answers[-1]["output"]["error"]["message"]
        service.answers = [lambda _head, _body: None]
        answers.append(await ended(acme, {"url": url, **BEARER, "request_timeout": "PT0.2S"}))
        service.answers = [lambda head, _body: head.encode()]
        answers.append(await ended(acme, {"url": url, **BEARER}))
        assert answers[-1]["output"]["error"]["type"] == "protocol"
        sent = service.seen[0][0]
        assert f"Authorization: Bearer {PLANTED}\r\n" in sent, "it was sent"
    async with worker(database, outbound=Breaking(permitted=LOOPBACK)):
        answers.append(await ended(acme, {"url": url, **BEARER, "request_timeout": "PT1S"}, timeout="PT30S"))
        assert answers[-1]["output"]["error"]["type"] == "lease_lost"
    assert "broken by" in log.getvalue(), "what broke is told"
    answers += [(await acme.admin.get(path)).text for path in ("/audit-logs", "/events", "/executions", "/secrets")]
    for one in answers:
        assert "pl4nted" not in json.dumps(one, ensure_ascii=False)
    assert not everywhere(database, PLANTED)
    assert not everywhere(database, "pl4nted")
    assert "pl4nted" not in log.getvalue()


async def test_a_secret_goes_only_where_it_may(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    await keep(acme, "token", PLANTED, "api.example", "*.crm.example")
    await keep(acme, "signing", "for signing only", "nowhere.example")
    async with server(service.handle) as port, worker(database):
        for host in ("api.example", "eu.crm.example"):
            assert (await output(acme, {"url": f"http://{host}:{port}/", **BEARER}))["status"] == 200
        count = len(service.seen)
        told = await error(acme, {"url": f"http://evil.example:{port}/", **BEARER}, retry=RETRY)
        assert (told["type"], told["attempts"]) == ("secret_forbidden", 1)
        absent = await error(acme, {"url": f"http://api.example:{port}/", "auth": {"type": "bearer", "secret": "absent"}})
        assert absent["type"] == "secret_missing"
        assert len(service.seen) == count


async def test_a_secret_goes_by_https_only_where_others_could_read_it(acme: Tenant, database: Database) -> None:
    """Loopback is opened by the operator, and so may get it; 192.0.2.0/24 stands for the internet, and is not."""
    await keep(acme, "token", PLANTED, "*")
    resolve, _ = resolving(["8.8.8.8"])
    async with worker(database, resolve=resolve):
        told = await error(acme, {"url": "http://api.example/", **BEARER, "request_timeout": "PT2S"}, retry=RETRY)
    assert (told["type"], told["attempts"]) == ("insecure", 1)


async def test_a_rotated_secret_is_used_by_the_next_request(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    await keep(acme, "token", "the first value")
    async with server(service.handle) as port, worker(database):
        config = {"url": f"http://api.example:{port}/", "auth": {"type": "bearer", "secret": "token"}}
        await output(acme, config)
        (found,) = (await acme.admin.get("/secrets")).json()["items"]
        await acme.admin.post(f"/secrets/{found['id']}/rotate", {"value": "the second value"})
        await output(acme, config)
    assert [service.headers(number)["authorization"] for number in (0, 1)] == [
        "Bearer the first value",
        "Bearer the second value",
    ]


async def test_a_worker_without_the_master_key_leaves_it_to_another(acme: Tenant, database: Database) -> None:
    service = Service(answers=[saying(200)])
    await keep(acme)
    async with server(service.handle) as port:
        drawn = {**definition({"url": f"http://api.example:{port}/", **BEARER}), "key": "left"}
        await acme.publish(drawn)
        async with worker(database, master_keys=None) as lacking:
            started = (await acme.admin.post("/executions", {"workflow_key": "left"})).json()
            waiting = await _errors(lacking)
        assert "GESTA_MASTER_KEY" in waiting[0]
        async with worker(database) as other:
            async with other.context.pool.connection() as connection:
                await connection.execute("UPDATE runtime.jobs SET run_at = clock_timestamp() WHERE type = 'gesta.http'")
            found = await acme.admin.get(f"/executions/{started['id']}", wait=30)
    assert found.json()["output"]["status"] == 200


async def _errors(one: WorkerProcess) -> list[str]:
    """What is said on jobs that wait, as soon as there is something."""
    statement = "SELECT convert_from(error, 'UTF8') FROM runtime.jobs WHERE type = 'gesta.http' AND error IS NOT NULL"
    async with asyncio.timeout(30), one.context.pool.connection() as connection:
        while True:
            found = await (await connection.execute(statement)).fetchall()
            if found:
                return [row[0] for row in found]
            await asyncio.sleep(0.02)
