"""The way out, against real servers on loopback and resolvers that lie."""

import asyncio
import socket

import pytest

from domain.hosts import is_listed
from tests.worker.outbound.servers import answering, outbound, resolving, server
from worker.outbound.client import OutboundError, Request


async def refused(request: Request, **options: object) -> OutboundError:
    async with outbound(**options) as out:
        with pytest.raises(OutboundError) as caught:
            await out.send(request)
    return caught.value


async def test_an_answer_comes_whole_whatever_its_status() -> None:
    seen: list[bytes] = []
    text = b"HTTP/1.1 404 Not Found\r\nX-One: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    async with server(answering(text, seen=seen)) as port, outbound() as out:
        answer = await out.send(Request("POST", f"http://127.0.0.1:{port}/a?b=c", (("X-Key", "k"),), b"{}"))
    assert (answer.status, answer.body, answer.header("X-ONE")) == (404, b"hello", "a")
    head = seen[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert "Content-Length: 2\r\n" in head
    assert f"Host: 127.0.0.1:{port}\r\n" in head
    assert "X-Key: k\r\n" in head


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "①②⑦.⓪.⓪.①",
        "[::ffff:7f00:1]",
        "[::]",
        "LOCALHOST",
        "localhost.",
    ],
)
async def test_no_way_of_writing_loopback_reaches_it(host: str) -> None:
    connected = False

    async def handle(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected = True

    async with server(handle) as port:
        error = await refused(Request("GET", f"http://{host}:{port}/"), permitted=())
    assert error.type in ("forbidden", "unreachable", "invalid_url")
    assert not error.sent
    assert not connected


@pytest.mark.parametrize(
    "addresses", [["169.254.169.254"], ["10.0.0.5"], ["fd00:ec2::254"], ["64:ff9b::a9fe:a9fe"], ["8.8.8.8", "10.0.0.5"]]
)
async def test_a_name_that_leads_inside_is_refused_even_among_others(addresses: list[str]) -> None:
    resolve, _ = resolving(addresses)
    error = await refused(Request("GET", "https://rebinding.example/"), permitted=(), resolve=resolve)
    assert error.type == "forbidden"
    assert not any(address in str(error) for address in addresses), "nobody maps our network by asking"


async def test_a_resolver_that_changes_its_mind_is_not_asked_again() -> None:
    """Rebinding: the address that was judged is the one that is called. Here the judged one is a closed port of loopback."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.9", 0))
        port = unused.getsockname()[1]
    resolve, asked = resolving(["127.0.0.9"], ["169.254.169.254"])
    error = await refused(Request("GET", f"http://rebinding.example:{port}/"), resolve=resolve)
    assert (error.type, error.retryable, error.sent) == ("unreachable", True, False)
    assert asked == ["rebinding.example"]


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    resolve, _ = resolving(["127.0.0.9", "127.0.0.1"])
    async with server(answering(ok)) as port, outbound(resolve=resolve) as out:
        assert (await out.send(Request("GET", f"http://two.example:{port}/"))).status == 200


async def test_a_redirect_is_an_answer_and_no_order() -> None:
    text = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with server(answering(text)) as port, outbound() as out:
        answer = await out.send(Request("GET", f"http://127.0.0.1:{port}/"))
    assert (answer.status, answer.header("location")) == (302, "http://169.254.169.254/")


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nme"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with server(answering(ok)) as port, outbound() as out:
        assert (await out.send(Request("GET", f"http://127.0.0.1:{port}/"))).body == b"me"


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 20),
        (b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 20),
    ],
)
async def test_an_answer_without_an_end_is_cut(parts: tuple[bytes, ...]) -> None:
    async with server(answering(*parts)) as port:
        error = await refused(Request("GET", f"http://127.0.0.1:{port}/", max_bytes=1_000_000))
    assert (error.type, error.retryable, error.sent) == ("too_large", False, True)


async def test_a_packed_answer_is_not_unpacked() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\x1f\x8b"
    async with server(answering(text)) as port:
        error = await refused(Request("GET", f"http://127.0.0.1:{port}/"))
    assert error.type == "protocol"


async def test_who_answers_byte_by_byte_runs_out_of_time() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with server(handle) as port:
        error = await refused(Request("GET", f"http://127.0.0.1:{port}/", timeout=0.2))
    assert (error.type, error.retryable, error.sent) == ("timeout", True, True)


async def test_what_is_no_http_is_said_to_be_none() -> None:
    async with server(answering(b"SSH-2.0-nothing\r\n\r\n")) as port:
        error = await refused(Request("GET", f"http://127.0.0.1:{port}/"))
    assert error.type == "protocol"
    broken = await refused(Request("GET", "http://127.0.0.1:1/", headers=(("X", "a\r\nHost: b"),)))
    assert (broken.type, broken.sent) == ("unreachable", False) or broken.type == "protocol"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://x/",
        "http://",
        "https:///x",
        "http://u:p@example.com/",
        "http://[::1",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "https://" + "x" * 9000,
        "http+unix://%2Fvar%2Frun/x",
    ],
)
async def test_what_is_no_url_of_the_web_is_refused(url: str) -> None:
    error = await refused(Request("GET", url))
    assert error.type == "invalid_url"


async def test_a_host_that_the_tenant_does_not_list_is_refused() -> None:
    async with outbound() as out:
        with pytest.raises(OutboundError, match="not on this tenant's list") as caught:
            await out.send(Request("GET", "http://127.0.0.1:1/"), hosts=["api.example.com"])
    assert caught.value.type == "forbidden"


def test_a_list_names_hosts_and_what_is_within_them() -> None:
    hosts = ["api.example.com", "*.example.org"]
    assert all(
        is_listed(host, hosts)
        for host in ("api.example.com", "API.example.com", "a.example.org", "a.b.example.org", "a.example.org.")
    )
    assert not any(
        is_listed(host, hosts)
        for host in ("example.com", "xapi.example.com", "example.org", "badexample.org", "api.example.com.evil")
    )
