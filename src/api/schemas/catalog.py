"""The tables and views that can be queried."""

from api.schemas.schema import BOOLEAN, TEXT, TEXTS, ObjectSchema, many, one_of, said

CATALOG_COLUMN = ObjectSchema(
    "CatalogColumn",
    "A column.",
    {
        "name": TEXT,
        "type": said(TEXT, "As PostgreSQL has it; timestamptz for short."),
        "nullable": BOOLEAN,
        "comment": said(TEXT, "What it means."),
        "choices": said(TEXTS, "The only values that it has, where they are fixed."),
    },
    optional=frozenset({"choices"}),
)
CATALOG_REFERENCE = ObjectSchema(
    "CatalogReference",
    "What some columns name.",
    {
        "columns": TEXTS,
        "table": TEXT,
        "to": said(TEXTS, "The columns of that table, in the same order."),
        "enforced": said(BOOLEAN, "Whether a foreign key says so. Else the row that is named may be missing."),
    },
)
CATALOG_TABLE = ObjectSchema(
    "CatalogTable",
    "A table or a view, in the schema `projections`.",
    {
        "name": TEXT,
        "kind": one_of("table", "view"),
        "group": said(TEXT, "What it is built together with; `views` of views."),
        "comment": said(TEXT, "What its rows are."),
        "key": said(TEXTS, "Its primary key; empty of a view."),
        "columns": many(CATALOG_COLUMN),
        "references": many(CATALOG_REFERENCE),
    },
)
CATALOG = ObjectSchema("Catalog", "What can be queried.", {"tables": many(CATALOG_TABLE)})
