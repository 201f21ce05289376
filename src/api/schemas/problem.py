"""The one shape of every error (RFC 9457)."""

from api.schemas.schema import INTEGER, TEXT, ObjectSchema, many, said

FAULT = ObjectSchema(
    "Fault",
    "One fault of a request.",
    {
        "path": said(TEXT, "JSON pointer, query parameter or header at fault."),
        "code": said(TEXT, "Stable; made for programs."),
        "message": TEXT,
    },
)
PROBLEM = ObjectSchema(
    "Problem",
    "Why a request was not answered with success.",
    {
        "type": {"type": "string", "format": "uri", "description": "A name, not an address: it ends in `code`."},
        "title": said(TEXT, "The status, in words."),
        "status": INTEGER,
        "detail": said(TEXT, "What is wrong, for people."),
        "code": said(TEXT, "Stable; made for programs."),
        "errors": said(many(FAULT), "The fields at fault, where they can be named; 50 at most."),
        "more_errors": said(INTEGER, "How many more faults there are; absent where there are none."),
        "href": said(TEXT, "Of `archived`: where it is."),
        "sqlstate": said(TEXT, "Of a statement that PostgreSQL refused: its code for the error."),
        "position": said(INTEGER, "Of a statement that PostgreSQL refused: the character at fault, from 1, where it names one."),
        "request_id": said(TEXT, "Identifies the request in the logs."),
    },
    optional=frozenset({"more_errors", "sqlstate", "position", "href"}),
    example={
        "type": "https://gesta.invalid/problems/invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "The request is not valid.",
        "code": "invalid",
        "errors": [{"path": "/input/amount", "code": "required", "message": "This field is required."}],
        "request_id": "0198c0de-0000-7000-8000-000000000000",
    },
)
