"""What a route's function takes is read from its signature, by what its libraries promise."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from api.models import Body
from api.problems import Problem
from api.requests import Parameters, StrictRequest

ID = "0198c0de-0000-7000-8000-000000000001"


class Change(Body):
    name: str
    tags: list[str] = Field(default_factory=list)


async def change(call: Any, id: UUID, number: int, body: Change = Change(name="none")) -> None: ...  # noqa: B008 - as routes do


async def of_two(call: Any, body: Change, other: Change) -> None: ...


async def unnamed(call: Any, id: UUID) -> None: ...


def request(body: bytes, id: str = ID, media_type: str = "application/json") -> StrictRequest:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", media_type.encode())]
    return StrictRequest({"type": "http", "headers": headers, "path_params": {"id": id, "number": "3"}}, receive)


PARAMETERS = Parameters.of("/v1/things/{id}/versions/{number}", change)


async def test_they_are_read_by_name_and_type() -> None:
    asked = request(b'{"name": "a"}')
    assert await PARAMETERS.read(asked) == {"id": UUID(ID), "number": 3, "body": Change(name="a")}
    assert asked.sent == b'{"name": "a"}'
    assert await PARAMETERS.read(request(b"")) == {"id": UUID(ID), "number": 3}


async def test_a_fault_has_its_place() -> None:
    with pytest.raises(RequestValidationError) as refused:
        await PARAMETERS.read(request(b'{"name": "a", "tags": ["x", 7]}'))
    assert [(fault["loc"], fault["type"]) for fault in refused.value.errors()] == [(("body", "tags", 1), "string_type")]


@pytest.mark.parametrize(("asked", "status"), [(request(b"", id="one"), 404), (request(b"{}", media_type="text/plain"), 415)])
async def test_what_cannot_be_there_or_is_no_json_is_refused(asked: StrictRequest, status: int) -> None:
    with pytest.raises(Problem) as refused:
        await PARAMETERS.read(asked)
    assert refused.value.status == status


@pytest.mark.parametrize("function", [of_two, unnamed])
def test_a_function_that_takes_what_no_request_has_is_a_mistake(function: Any) -> None:
    with pytest.raises(TypeError):
        Parameters.of("/v1/things", function)
