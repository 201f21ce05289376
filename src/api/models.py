"""What bodies consist of. Strict: unknown fields are refused, `false` is no number, a number is no text."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api import headers
from api.problems import MOST_ERRORS, UNKNOWN_FIELDS


def _id(value: Any) -> UUID:
    if not isinstance(value, str):
        raise ValueError("Input should be a UUID, as text")
    try:
        return headers.id_of(value)
    except ValueError:
        raise ValueError("Input should be a UUID") from None


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("Input should be a time of RFC 3339, as text")
    try:
        return headers.moment(value)
    except ValueError as error:
        raise ValueError(f"Input should be {error}") from None


Id = Annotated[UUID, BeforeValidator(_id)]
Time = Annotated[datetime, BeforeValidator(_time)]
Object = dict[str, Any]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=10_000)]
Priority = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class Body(BaseModel):
    """The base of all bodies."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, value: Any) -> Any:
        """One fault for very many unknown fields (`problems.from_validation` tells some): one for each would take a second."""
        known = cls.model_fields
        if not isinstance(value, dict) or len(value) <= len(known) + MOST_ERRORS:
            return value
        unknown = [name for name in value if name not in known]
        raise PydanticCustomError(
            UNKNOWN_FIELDS, "There are {count} unknown fields.", {"names": unknown[:MOST_ERRORS], "count": len(unknown)}
        )

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, for partial changes."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Reason(Body):
    reason: Text | None = None


NO_REASON = Reason()
