"""What the outermost layer does for every request: the client's address behind proxies, headers for browsers, failed logins."""

import logging
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.requests import Request

from api import tries
from api.problems import Problem
from api.proxies import Proxies
from api.session import FailedLogins
from tests.api.conftest import Client, Gesta
from tests.api.definitions import INSTANT
from tests.clock import ManualClock

OURS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


def seen(peer: str, *lines: str, header: str = "x-forwarded-for", trusted: Any = OURS) -> str:
    scope: dict[str, Any] = {"client": (peer, 5000), "headers": [(header.encode(), line.encode()) for line in lines]}
    Proxies(trusted, header).put_client(scope)
    return str(scope["client"][0])


def test_nobody_is_believed_unless_they_are_trusted() -> None:
    assert seen("10.0.0.1", "203.0.113.9", trusted=()) == "10.0.0.1"
    assert seen("203.0.113.5", "198.51.100.1") == "203.0.113.5"
    assert seen("10.0.0.1") == "10.0.0.1"


def test_the_client_is_the_nearest_that_is_not_ours() -> None:
    assert seen("10.0.0.1", "203.0.113.9") == "203.0.113.9"
    assert seen("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2") == "203.0.113.9"
    assert seen("10.0.0.1", "6.6.6.6", "203.0.113.9", "10.0.0.2") == "203.0.113.9"
    assert seen("10.0.0.1", "10.0.0.3, 10.0.0.2") == "10.0.0.3"
    assert seen("::ffff:10.0.0.1", "[2001:db9::1]:443") == "2001:db9::1"
    assert seen("2001:db8::1", "203.0.113.9:4711") == "203.0.113.9"


def test_what_is_no_address_ends_the_way() -> None:
    assert seen("10.0.0.1", "6.6.6.6, unknown, 10.0.0.2") == "10.0.0.2"
    assert seen("10.0.0.1", "6.6.6.6, <script>") == "10.0.0.1"
    assert seen("10.0.0.1", "") == "10.0.0.1"


def test_only_the_header_that_our_proxies_write_is_read() -> None:
    assert seen("10.0.0.1", 'for=6.6.6.6, for="[2001:db9::1]:80";proto=https;by=10.0.0.1', header="forwarded") == "2001:db9::1"
    assert seen("10.0.0.1", "for=203.0.113.9;host=x, For=10.0.0.2", header="forwarded") == "203.0.113.9"
    assert seen("10.0.0.1", "for=_hidden", header="forwarded") == "10.0.0.1"
    scope: dict[str, Any] = {"client": ("10.0.0.1", 1), "headers": [(b"forwarded", b"for=6.6.6.6")]}
    Proxies(OURS).put_client(scope)
    assert scope["client"][0] == "10.0.0.1"


async def test_the_audit_log_has_the_clients_address(gesta: Gesta) -> None:
    """Here nobody is trusted: the header is a text like any other."""
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    await acme.admin.post("/executions", {"workflow_key": "instant"}, X_Forwarded_For="6.6.6.6")
    rows = (await acme.admin.get("/audit-logs", action="execution.started")).json()["items"]
    assert [row["ip_address"] for row in rows] == ["127.0.0.1"]


async def test_every_answer_tells_browsers_to_take_it_for_what_it_is(gesta: Gesta) -> None:
    for path in ("/healthz", "/docs", "/docs/start.js", "/openapi.json", "/v1/me", "/nowhere", "/metrics"):
        answer = await gesta.http.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path


async def test_an_answer_with_a_token_is_kept_nowhere(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    body = {"name": "k", "permissions": []}
    for _first_and_again in range(2):
        made = await acme.admin.post("/api-keys", body, Idempotency_Key="k")
        assert made.headers["Cache-Control"] == "no-store"


def request(address: str, key: str | None) -> Request:
    headers = [] if key is None else [(b"authorization", key.encode())]
    return Request({"type": "http", "client": (address, 1), "headers": headers, "request_id": "r"})


def test_who_tries_keys_waits_and_those_beside_them_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "BURST", 3)
    clock = ManualClock()
    logins = FailedLogins(clock)
    logins.succeeded(request("192.0.2.1", "Bearer good"))
    for number in range(3):
        logins.check(request("192.0.2.1", f"Bearer {number}"))
        logins.failed(request("192.0.2.1", f"Bearer {number}"), "wrong secret")
    with pytest.raises(Problem) as refused:
        logins.check(request("192.0.2.1", "Bearer 4"))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    logins.check(request("192.0.2.1", "Bearer good"))
    logins.check(request("192.0.2.1", None))
    logins.check(request("192.0.2.2", "Bearer 4"))
    clock.advance(timedelta(seconds=1))
    logins.check(request("192.0.2.1", "Bearer 4"))


def test_of_ipv6_a_whole_network_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "BURST", 2)
    logins = FailedLogins(ManualClock())
    for number in range(2):
        logins.failed(request(f"2001:db8::{number}", "Bearer x"), "wrong secret")
    with pytest.raises(Problem):
        logins.check(request("2001:db8::3", "Bearer y"))
    logins.check(request("2001:db8:0:1::3", "Bearer y"))


async def test_failed_logins_are_limited_and_carry_the_address(gesta: Gesta, caplog: pytest.LogCaptureFixture) -> None:
    good = (await (await gesta.tenant()).service("executions:read")).token
    stranger = Client(gesta.http, good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"))
    with caplog.at_level(logging.WARNING, logger="api.session"):
        statuses = [(await stranger.get("/me")).status_code for _ in range(tries.BURST + 20)]
    assert statuses[0] == 401
    refused = await stranger.get("/me")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_failed_logins")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await Client(gesta.http, good).get("/me")).status_code in (200, 429)  # a key that was never used here before
    assert (await gesta.platform.get("/me")).status_code == 200
    logged = [record for record in caplog.records if record.__dict__.get("action") == "login_failed"]
    assert 0 < len(logged) < len(statuses)
    assert {record.__dict__["ip"] for record in logged} == {"127.0.0.1"}
