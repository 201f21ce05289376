"""Providers of AI models and names for models over HTTP."""

from psycopg import AsyncConnection

from store import ai_providers
from tests.api.conftest import Gesta

CLAUDE = {
    "kind": "anthropic",
    "secret": "anthropic-key",
    "limits": {"concurrency": 5},
    "prices": {"claude-sonnet-4-6": {"input": "3", "cached_input": "0.3", "output": "15.0000000001", "currency": "EUR"}},
}


async def test_a_provider_and_a_name_are_set_read_changed_and_removed(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    owner, designer = await acme.member("owner"), await acme.member("designer")
    missing = await owner.client.call("PUT", "/ai-providers/claude", CLAUDE)
    assert (missing.status_code, missing.json()["errors"][0]["path"]) == (422, "/secret"), missing.text
    key = {"name": "anthropic-key", "value": "sk-of-a-test", "hosts": ["api.anthropic.com"]}
    secret = f"/secrets/{(await owner.client.post('/secrets', key)).json()['id']}"
    made = await owner.client.call("PUT", "/ai-providers/claude", CLAUDE)
    assert made.status_code == 200, made.text
    read = (await designer.client.get("/ai-providers/claude")).json()
    assert {name: read[name] for name in ("kind", "secret", "base_url", "prices")} == {
        **{name: CLAUDE[name] for name in ("kind", "secret", "prices")},
        "base_url": None,
    }
    assert read["limits"] == {"concurrency": 5, "requests_per_minute": None, "tokens_per_minute": None}
    assert read["state"] is None
    again = await owner.client.call("PUT", "/ai-providers/claude", CLAUDE)
    assert again.json()["version"] == made.json()["version"]
    fast = {"models": ["claude:claude-sonnet-4-6", "offline/echo"], "defaults": {"temperature": 0.2}}
    assert (await owner.client.call("PUT", "/ai-models/fast", fast)).status_code == 200
    assert (await designer.client.get("/ai-models/fast")).json()["models"] == fast["models"]
    (listed,) = (await designer.client.get("/ai-providers", key="claude")).json()["items"]
    assert "prices" not in listed
    assert (await designer.client.call("PUT", "/ai-models/fast", fast)).status_code == 403
    assert (await other.admin.get("/ai-providers/claude")).status_code == 404
    for path in (secret, "/ai-providers/claude", "/ai-models/fast"):
        if path == "/ai-providers/claude":
            cheaper = {**CLAUDE, "limits": {"concurrency": 6}}
            assert (await owner.client.call("PUT", path, cheaper)).status_code == 200, "what was named before may be gone"
        assert (await owner.client.call("DELETE", path)).status_code == 200
        assert (await owner.client.get(path)).status_code == 404
        assert await dangling(gesta) == {secret: (1, 0), "/ai-providers/claude": (0, 1)}.get(path, (0, 0))
    for path, body, field in (
        ("/ai-providers/openai", CLAUDE, "/key"),
        ("/ai-providers/x", {**CLAUDE, "kind": "openai_compatible"}, "/base_url"),
        ("/ai-providers/x", {**CLAUDE, "base_url": "ftp://x"}, "/base_url"),
        ("/ai-providers/x", {**CLAUDE, "secret": None}, "/secret"),
        ("/ai-providers/x", {**CLAUDE, "limits": {"concurrency": 0}}, "/limits/concurrency"),
        ("/ai-providers/x", {**CLAUDE, "prices": {"m": {"input": "1e3", "output": "1", "currency": "EUR"}}}, "/prices/m/input"),
        ("/ai-models/default", fast, "/key"),
        ("/ai-models/x", {"models": ["claude"]}, "/models/0"),
        ("/ai-models/x", {"models": ["openai:gpt-5", "offline/echo", "claude:m"]}, "/models/2"),
        ("/ai-models/x", {"models": ["a:b", "a:b"]}, "/models"),
    ):
        refused = await owner.client.call("PUT", path, body)
        assert refused.status_code == 422, (path, body, refused.text)
        assert refused.json()["errors"][0]["path"] == field, refused.text


async def dangling(gesta: Gesta) -> tuple[int, int]:
    """As `gesta doctor` has it."""
    await gesta.projector.catch_up()
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as connection:
        return await ai_providers.dangling(connection)
