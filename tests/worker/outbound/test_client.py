"""The way out, against real servers on loopback and resolvers that lie."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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


def _signed(name: str, issuer: "Signed | None" = None) -> "Signed":
    """A certificate for a host, or of an authority where nobody issues it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Signed(key, certificate)


@dataclass(frozen=True)
class Signed:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, directory: Path) -> tuple[Path, Path]:
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


async def test_the_host_proves_that_it_is_the_one_that_was_named(tmp_path: Path) -> None:
    """TLS goes by the name in the URL, although the connection is made to an address; what is confidential goes by it."""
    authority = _signed("authority")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*_signed("api.example", authority).write(tmp_path))
    trusting = ssl.create_default_context(cadata=authority.certificate.public_bytes(Encoding.PEM).decode())
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    resolve, _ = resolving(["127.0.0.1"])
    async with server(answering(ok), tls=served) as port:
        async with outbound(resolve=resolve, tls=trusting) as out:
            assert (await out.send(Request("GET", f"https://api.example:{port}/", confidential=True))).status == 200
        other = await refused(Request("POST", f"https://other.example:{port}/"), resolve=resolve, tls=trusting)
        unknown = await refused(Request("POST", f"https://api.example:{port}/"), resolve=resolve)
    assert (other.type, other.sent) == (unknown.type, unknown.sent) == ("unreachable", False)


async def test_what_must_not_be_read_on_its_way_goes_by_https_or_to_opened_networks() -> None:
    ok, seen = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", list[bytes]()
    async with server(answering(ok, seen=seen)) as port, outbound() as out:
        assert (await out.send(Request("GET", f"http://127.0.0.1:{port}/", confidential=True))).status == 200
        for addresses in (["8.8.8.8"], ["127.0.0.1", "8.8.8.8"]):
            resolve, _ = resolving(addresses)
            error = await refused(Request("GET", f"http://api.example:{port}/", confidential=True), resolve=resolve)
            assert (error.type, error.sent) == ("insecure", False)
    assert len(seen) == 1


async def test_what_must_not_be_done_twice_goes_by_a_new_connection() -> None:
    """A kept one may be closed by the other side in the moment of the request: then nobody knows whether it was received."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with server(handle) as port, outbound() as out:
        for _ in range(3):
            await out.send(Request("GET", f"http://127.0.0.1:{port}/"))
        assert connections == 1
        for _ in range(3):
            await out.send(Request("POST", f"http://127.0.0.1:{port}/", once=True))
        assert connections == 4
