"""Redirects that a definition allows: as browsers follow them, without credentials elsewhere, and to nowhere inside."""

from time import monotonic

import pytest

from tests.worker.outbound.servers import answering, outbound, resolving, server
from worker.outbound.addresses import networks
from worker.outbound.client import OutboundError, Request, Response
from worker.outbound.redirects import followed, send_on

HEADERS = (
    ("Authorization", "Bearer s3cret-s3cret"),
    ("X-Api-Key", "s3cret-s3cret"),
    ("X-Plain", "with s3cret-s3cret in it"),
    ("Content-Type", "application/json"),
    ("Idempotency-Key", "visit"),
    ("Accept", "*/*"),
)
ASKED = Request("POST", "https://api.example/a/b?c=d", HEADERS, b"{}", confidential=True, once=True)
SECRETS = ["s3cret-s3cret"]


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} See\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 303, "GET"),
        ("DELETE", 302, "DELETE"),
        ("HEAD", 303, "HEAD"),
        ("GET", 307, "GET"),
    ],
)
def test_the_method_after_it_is_as_in_browsers(method: str, status: int, then: str) -> None:
    request = followed(Request(method, "https://api.example/", HEADERS, b"{}"), status, "/next")
    names = {name for name, _ in request.headers}
    assert (request.method, request.body) == (then, b"{}" if then == method else b"")
    assert ({"Content-Type", "Idempotency-Key"} <= names) == (then == method)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "https://api.example/x"),
        ("x?y", "https://api.example/a/x?y"),
        ("//other.example/z", "https://other.example/z"),
        ("https://API.example:443/x#part", "https://api.example/x"),
        ("/\u00c3\u00a4", "https://api.example/%C3%A4"),
    ],
)
def test_a_location_is_read_from_where_it_came(location: str, url: str) -> None:
    assert followed(ASKED, 307, location).url == url


@pytest.mark.parametrize(
    "location", ["https://other.example/", "https://api.example:8443/", "http://api.example/", "https://api.example.evil/"]
)
def test_credentials_do_not_go_to_another_origin(location: str) -> None:
    request = followed(ASKED, 307, location, SECRETS)
    assert request.headers == [("Content-Type", "application/json"), ("Idempotency-Key", "visit"), ("Accept", "*/*")]
    assert request.confidential, "and so nothing goes on in the clear"


def test_credentials_stay_with_the_origin() -> None:
    assert followed(ASKED, 307, "https://api.example/elsewhere", SECRETS).headers == HEADERS


@pytest.mark.parametrize("location", ["https://other.example/?k=s3cret-s3cret", "https://other.example/s3cret%2Ds3cret"])
def test_a_secret_in_the_location_does_not_go_to_another_origin(location: str) -> None:
    with pytest.raises(OutboundError) as caught:
        followed(ASKED, 302, location, SECRETS)
    assert caught.value.type == "forbidden"
    assert "s3cret" not in str(caught.value)
    assert followed(ASKED, 302, "/?k=s3cret-s3cret", SECRETS).url == "https://api.example/?k=s3cret-s3cret"


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://api.example/",
        "gopher://x",
        "https://user:word@api.example/",
        "http://[::1",
        "javascript:1",
    ],
)
async def test_what_is_no_request_of_ours_is_not_followed(location: str) -> None:
    with pytest.raises(OutboundError) as caught:
        followed(ASKED, 302, location)
    assert caught.value.type == "invalid_url"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.2",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "0xa9.0xfe.0xa9.0xfe",
        "2852039166",
        "0251.0376.0251.0376",
        "10.1",
        "192.168.0.1",
        "0.0.0.0",
        "[fd00:ec2::254]",
    ],
)
async def test_a_redirect_leads_to_nothing_inside(host: str) -> None:
    """Only the very address of the first server is open here."""
    options = {"permitted": networks(["127.0.0.1/32"])}
    async with server(answering(redirect(f"http://{host}/latest/meta-data"))) as port, outbound(**options) as out:
        with pytest.raises(OutboundError) as caught:
            await send_on(out.send, Request("GET", f"http://127.0.0.1:{port}/"), 5)
    assert caught.value.type in ("forbidden", "invalid_url")
    assert caught.value.sent, "the first one was"


async def test_a_name_is_resolved_anew_at_each_hop() -> None:
    """And its addresses are judged anew: a resolver that changes its answer in between gains nothing."""
    resolve, asked = resolving(["127.0.0.1"], ["169.254.169.254"])
    async with server(answering(redirect("/next"))) as port, outbound(resolve=resolve) as out:
        with pytest.raises(OutboundError) as caught:
            await send_on(out.send, Request("GET", f"http://rebinding.example:{port}/", once=True), 5)
    assert caught.value.type == "forbidden"
    assert asked == ["rebinding.example"] * 2


async def test_as_many_are_followed_as_may_and_the_last_answer_is_told() -> None:
    seen: list[bytes] = []
    async with server(answering(redirect("/again"), seen=seen)) as port, outbound() as out:
        request = Request("GET", f"http://127.0.0.1:{port}/")
        for most in (0, 1, 5):
            seen.clear()
            response, redirected = await send_on(out.send, request, most)
            assert (response.status, redirected, len(seen)) == (302, most > 0, most + 1)


async def test_a_host_that_is_not_on_the_tenants_list_is_not_led_to() -> None:
    resolve, _ = resolving(["127.0.0.1"])
    async with server(answering(redirect("http://other.example/"))) as port, outbound(resolve=resolve) as out:

        async def send(request: Request) -> Response:
            return await out.send(request, hosts=["api.example"])

        with pytest.raises(OutboundError, match="not on this tenant's list"):
            await send_on(send, Request("GET", f"http://api.example:{port}/"), 1)


async def test_all_of_it_has_the_time_of_one_request() -> None:
    given: list[float] = []

    async def send(request: Request) -> Response:
        given.append(request.timeout)
        until = monotonic() + 0.01
        while monotonic() < until:
            pass
        return Response(302, (("location", "/next"),), b"")

    await send_on(send, Request("GET", "https://api.example/", timeout=1.0), 5)
    assert given == sorted(given, reverse=True)
    assert given[-1] <= 0.95
