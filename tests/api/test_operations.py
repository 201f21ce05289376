"""What operators look at, and what the API says of itself."""

import re

import psycopg

from api.app import create_app
from api.metrics import Metrics
from api.openapi import describe
from tests.api.conftest import Gesta, addresses_of
from tests.conftest import Database


async def test_health_readiness_and_metrics_need_no_key(gesta: Gesta) -> None:
    assert (await gesta.http.get("/healthz")).json() == {"status": "ok"}
    ready = await gesta.http.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (200, "ok")
    await gesta.tenant()
    text = (await gesta.http.get("/metrics")).text
    assert 'gesta_http_requests_total{method="POST",route="/v1/tenants",status="201"} 1' in text
    assert "gesta_events_behind" in text


async def test_a_server_without_its_schema_is_not_ready(gesta: Gesta) -> None:
    async with await psycopg.AsyncConnection.connect(gesta.database.owner_url, autocommit=True) as connection:
        await connection.execute("UPDATE gesta_meta.migrations SET version = version + 100 WHERE version = 1")
    ready = await gesta.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")


async def test_every_operation_describes_its_errors_and_asks_for_a_key(gesta: Gesta) -> None:
    described = (await gesta.http.get("/openapi.json")).json()
    for path, operations in described["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in operations.items():
            assert operation["security"], (method, path)
            for status in ("401", "403", "422", "503"):
                content = operation["responses"][status]["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_operation_has_a_name_for_generated_clients(database: Database) -> None:
    paths = describe(create_app(addresses_of(database)))["paths"]
    names = {(method, path): told["operationId"] for path, methods in paths.items() for method, told in methods.items()}
    assert len(set(names.values())) == len(names) > 60
    assert [name for name in names.values() if not re.fullmatch("[a-z]+(_[a-z]+)*", name)] == []
    assert names["post", "/v1/executions"] == "executions_start"
    assert names["get", "/v1/ai-tasks/{id}"] == "ai_tasks_get"
    assert names["get", "/v1/workflows/{id}/versions"] == "workflows_list_versions"
    assert names["get", "/healthz"] == "healthz"


def test_the_description_is_made_without_a_database(database: Database) -> None:
    paths = describe(create_app(addresses_of(database)))["paths"]
    assert {"/v1/executions", "/v1/approvals/{id}/decide", "/v1/workflows/validate"} <= set(paths)


def test_metrics_count_by_route_and_status() -> None:
    metrics = Metrics()
    metrics.observe("GET", "/x", 200, 0.02)
    metrics.observe("GET", "/x", 404, 20.0)
    text = metrics.render({"g": 3}).decode()
    assert 'gesta_http_requests_total{method="GET",route="/x",status="404"} 1' in text
    assert 'gesta_http_request_seconds_bucket{route="/x",le="0.025"} 1' in text
    assert 'gesta_http_request_seconds_bucket{route="/x",le="+Inf"} 2' in text
    assert "g 3" in text
