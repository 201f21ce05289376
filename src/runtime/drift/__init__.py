"""Drift: does the database say what the migrations say?

A live database's catalogs are read as *facts* (``catalog``), in the words of PostgreSQL's own deparsers, and compared with those
of a *shadow* (``shadow``): a database made from the migrations a moment ago. What differs can be drafted as SQL (``draft``).
"""

from runtime.drift.catalog import Catalog, CatalogFact, read_catalog
from runtime.drift.compare import Drift, compare
from runtime.drift.draft import Draft, draft
from runtime.drift.shadow import Sides, both_sides, live_owner, with_wanted

__all__ = [
    "Catalog",
    "CatalogFact",
    "Draft",
    "Drift",
    "Sides",
    "both_sides",
    "compare",
    "draft",
    "live_owner",
    "read_catalog",
    "with_wanted",
]
