"""Providers of AI models and names for models over HTTP."""

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
    for path in ("/ai-providers/claude", "/ai-models/fast"):
        assert (await owner.client.call("DELETE", path)).status_code == 200
        assert (await owner.client.get(path)).status_code == 404
    for path, body, field in (
        ("/ai-providers/openai", CLAUDE, "/key"),
        ("/ai-providers/x", {**CLAUDE, "kind": "openai_compatible"}, "/base_url"),
        ("/ai-providers/x", {**CLAUDE, "base_url": "ftp://x"}, "/base_url"),
        ("/ai-providers/x", {**CLAUDE, "secret": None}, "/secret"),
        ("/ai-providers/x", {**CLAUDE, "limits": {"concurrency": 0}}, "/limits/concurrency"),
        ("/ai-providers/x", {**CLAUDE, "prices": {"m": {"input": "1e3", "output": "1", "currency": "EUR"}}}, "/prices/m/input"),
        ("/ai-models/default", fast, "/key"),
        ("/ai-models/x", {"models": ["claude"]}, "/models/0"),
        ("/ai-models/x", {"models": ["a:b", "a:b"]}, "/models"),
    ):
        refused = await owner.client.call("PUT", path, body)
        assert refused.status_code == 422, (path, body, refused.text)
        assert refused.json()["errors"][0]["path"] == field, refused.text
