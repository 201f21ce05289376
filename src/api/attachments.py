"""Attachments in bodies: files that are kept elsewhere, named by their hash."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.models import Body
from domain.approval import Attachment
from domain.approval.content import LONGEST_NAME, LONGEST_REFERENCE, MOST_ATTACHMENTS, attachments_of

EXAMPLE: Any = {
    "name": "offer.pdf",
    "reference": "https://files.example/offers/17.pdf",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "media_type": "application/pdf",
    "size": 48213,
}


class Attached(Body):
    """What each field must be beside its length, the domain says."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    reference: Annotated[str, Field(min_length=1, max_length=LONGEST_REFERENCE, description="Where it is kept.")]
    sha256: Annotated[str, Field(min_length=64, max_length=64, description="Its SHA-256, in lower-case hexadecimal.")]
    media_type: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    size: Annotated[int, Field(ge=0, lt=2**53, description="In bytes.")] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


Attachments = Annotated[list[Attached], Field(max_length=MOST_ATTACHMENTS)]


def attachments(given: list[Attached] | None) -> tuple[Attachment, ...]:
    """Raises Invalid."""
    return attachments_of([each.model_dump() for each in given or ()])
