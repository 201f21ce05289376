"""``gesta db studio``: one command, and a key that is handed over once and ends with it. In a browser: tests/api."""

from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from api.handing_over import HEADER
from cli.preparing import opened
from cli.studio import tenant_of
from domain.api_key import API_KEY
from runtime.errors import OperatorError
from tests.api.conftest import addresses_of
from tests.cli.studios import studio
from tests.conftest import Database


async def test_the_key_is_handed_over_once_and_ends_with_the_command(
    tmp_path: Path, database: Database, seeded_acme: tuple[str, UUID]
) -> None:
    async with studio(tmp_path, database) as running, httpx2.AsyncClient(timeout=30) as http:
        url, code = await running.address()
        assert (await http.get(f"{url}/studio")).status_code == 200
        assert (await http.post(f"{url}/studio/once", headers={HEADER: "guessed"})).json()["code"] == "code_used"
        handed = await http.post(f"{url}/studio/once", headers={HEADER: code})
        assert (handed.status_code, handed.headers["cache-control"]) == (200, "no-store")
        assert (await http.post(f"{url}/studio/once", headers={HEADER: code})).json()["code"] == "code_used"
        again = await running.address()
        assert (again[0], again[1] != code) == (url, True)

        key = {"Authorization": f"Bearer {handed.json()['token']}"}
        me = (await http.get(f"{url}/v1/me", headers=key)).json()
        assert (me["tenant_id"], me["user_id"], me["api_key"]["name"]) == (str(seeded_acme[1]), None, "gesta db studio")
        assert {name for name in me["permissions"] if not name.endswith(":read")} <= {"query:run"}
        assert await running.close() == 0

    async with opened(addresses_of(database)) as (handler, connection):
        key_state, _version = await handler.read(seeded_acme[1], API_KEY, UUID(me["api_key"]["id"]))
        assert (key_state.revoked, key_state.expires_at is not None) == (True, True)
        assert await tenant_of(handler, connection, None) == ("acme", seeded_acme[1])
        with pytest.raises(OperatorError, match="There is no tenant nobody"):
            await tenant_of(handler, connection, "nobody")
