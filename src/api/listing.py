"""Lists: which filters and orders there are, and one page of them by keyset.

A list is a value: its statement, its filters, its orders. From it come the SQL (composed from these fixed parts, never
from what a client sent), the check of the query, and the description in OpenAPI. A page begins after the last row of the
one before; its cursor holds that row's sort keys and is bound to list, tenant, filters and order.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from psycopg import sql
from starlette.datastructures import QueryParams

from api import answers, headers
from api.problems import Problem
from api.reads import Question, Row
from domain.facts import Json

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PAGE_BYTES = 4 << 20
"""Of the items of one page, as JSON; one item may be larger."""
DIGEST_BYTES = 12


@dataclass(frozen=True)
class ValueType:
    """A type of value in a query: how its text is read (ValueError says what it must be) and described."""

    read: Callable[[str], Any]
    schema: Json


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _text(text: str) -> str:
    if not text:
        raise ValueError("not empty")
    return text


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError("a whole number")
    return int(text)


TEXT = ValueType(_text, {"type": "string", "minLength": 1})
UUID_ = ValueType(headers.id_of, {"type": "string", "format": "uuid"})
TIME = ValueType(headers.moment, {"type": "string", "format": "date-time"})
BOOLEAN = ValueType(_boolean, {"type": "boolean"})
WHOLE = ValueType(_whole, {"type": "integer", "minimum": 0})


def choice(*values: str) -> ValueType:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return ValueType(read, {"type": "string", "enum": list(values)})


@dataclass(frozen=True)
class Filter:
    """A condition on %(<its name>)s. A mapping where the value chooses the condition rather than being compared."""

    kind: ValueType
    clause: sql.SQL | Mapping[Any, sql.SQL] | Callable[[Any], sql.SQL]
    description: str
    key: Callable[[Any], Any] | None = None
    """Of a prefixed filter: what {key} is filled in with, for the value."""
    endings: Mapping[str, "Filter"] = field(default_factory=dict)
    """Of a prefixed filter: others on the same name, by what follows it, `<prefix><name>.<ending>`. They drive no source."""
    driving: sql.SQL | None = None
    """The condition where the rows come from the source that was chosen for this filter."""


@dataclass(frozen=True)
class ListSource:
    """Where rows come from: a SELECT with its WHERE begun, and the columns that order them, with the kinds of these.

    The columns are expressions in the statement; the rows have them under `names`.
    """

    select: sql.SQL
    columns: tuple[sql.Identifier, ...]
    names: tuple[str, ...]
    kinds: tuple[ValueType, ...]
    drives: str | None = None
    """The filter, or prefix of filters, for which rows come from here."""
    alone: bool = False
    """Rows are cut to a page inside, at {after}, {order} and the limit: only where no other filter is given."""
    merged: bool = False
    """Rows are merged from several sources, each of which is cut to a page inside, also at {conditions}."""


@dataclass(frozen=True)
class Order:
    """A way to sort: its source, and others where a filter is served by another index."""

    source: ListSource
    descending: bool
    instead: tuple[ListSource, ...] = ()
    """The first whose filter is given wins. What the order means is the same."""

    def source_for(self, filters: Mapping[str, Any]) -> ListSource:
        for source in self.instead:
            assert source.drives is not None
            if source.alone and len(filters) > 1:
                continue
            if any(_drives(source.drives, name) for name in filters):
                return source
        return self.source


@dataclass(frozen=True)
class Listing:
    """`orders`: the first one is the default."""

    name: str
    orders: Mapping[str, Order]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    prefixed: Mapping[str, Filter] = field(default_factory=dict)
    """Filters named `<prefix><anything>`, the prefix with its dot. {name}, {value} and {key} in conditions are filled in."""
    only_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Filters that go with certain orders, the first being their default, and these orders go with them."""

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """For OpenAPI, and therefore also what the route accepts."""
        named = [(name, wanted.kind.schema, wanted.description) for name, wanted in self.filters.items()]
        named += [(f"{prefix}*", wanted.kind.schema, wanted.description) for prefix, wanted in self.prefixed.items()]
        named += [
            (
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
                "The most items in the answer.",
            ),
            ("cursor", {"type": "string"}, "`next_cursor` of the page before."),
            ("order", {"type": "string", "enum": list(self.orders), "default": next(iter(self.orders))}, "Sort order."),
        ]
        return [_parameter(*one) for one in (*named, *FRESHNESS_PARAMETERS)]

    def parse(self, query: QueryParams, tenant_id: UUID, fixed: Mapping[str, Any]) -> "PageRequest":
        """What is asked for. Raises Problem naming the parameter at fault."""
        limit = read_parameter("limit", WHOLE, query.get("limit", str(DEFAULT_LIMIT)))
        if not 1 <= limit <= MAX_LIMIT:
            raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
        orders = self.orders_for(query)
        order = query.get("order", orders[0])
        if order not in orders:
            raise Problem.at("order", "unknown_value", f"order must be one of {', '.join(orders)}.")
        return PageRequest(self, tenant_id, limit, order, self.read_filters(query), fixed).after(query.get("cursor"))

    def read_filters(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The filters among what is given. Raises Problem naming the one at fault."""
        filters = {name: read_parameter(name, self.filters[name].kind, given[name]) for name in self.filters if name in given}
        for prefix, wanted in self.prefixed.items():
            for name in [name for name in given if name.startswith(prefix)]:
                ending = _ending(name, prefix)
                if ending and ending not in wanted.endings:
                    raise Problem.at(name, "unknown_parameter", f"There is no parameter {name} here.")
                filters[name] = read_parameter(name, wanted.endings.get(ending, wanted).kind, given[name])
        return filters

    def all_of(self, tenant_id: UUID, filters: Mapping[str, Any], most: int, order: str) -> "PageRequest":
        """A question for all that fits, in an order, and for one more than `most`."""
        return PageRequest(self, tenant_id, most, order, filters, {})

    def orders_for(self, query: QueryParams) -> Sequence[str]:
        """The orders that go with these filters, the default first."""
        for name, orders in self.only_with.items():
            if name in query:
                return orders
        bound = {order for orders in self.only_with.values() for order in orders}
        return [order for order in self.orders if order not in bound]


@dataclass(frozen=True)
class PageRequest:
    """One page of a list, as a client asked for it."""

    listing: Listing
    tenant_id: UUID
    limit: int
    order: str
    filters: Mapping[str, Any]
    fixed: Mapping[str, Any]
    last: tuple[Any, ...] | None = None
    """Sort keys of the last row of the page before."""

    @property
    def source(self) -> ListSource:
        return self.listing.orders[self.order].source_for(self.filters)

    def question(self) -> Question:
        """The statement asks for one row more than the page has: it says whether there is another page."""
        order = self.listing.orders[self.order]
        source = self.source
        params: dict[str, Any] = {"tenant_id": self.tenant_id, "limit": self.limit + 1, **self.fixed}
        direction = DESCENDING if order.descending else ASCENDING
        sorting = _comma([direction.format(column) for column in source.columns])
        after: sql.Composable = sql.SQL("")
        if self.last is not None:
            places = [f"last_{number}" for number, _ in enumerate(self.last)]
            params.update(zip(places, self.last, strict=True))
            comparison = BEFORE if order.descending else AFTER
            after = comparison.format(_comma(source.columns), _comma([sql.Placeholder(place) for place in places]))
        conditions: list[sql.Composable] = []
        undriven = source.drives
        for name, value in self.filters.items():
            drives = undriven is not None and _drives(undriven, name)
            conditions.append(self._condition(name, value, params, drives=drives))
            undriven = None if drives else undriven
        select: sql.Composable = source.select
        if source.merged:
            select = source.select.format(after=after, order=sorting, conditions=_lines(conditions))
            conditions = []
        elif source.alone:
            select = source.select.format(after=after, order=sorting)
        return Question(_lines([select, *conditions, after, ORDER_LIMIT.format(sorting)]), params)

    def _condition(self, name: str, value: Any, params: dict[str, Any], *, drives: bool) -> sql.Composable:
        wanted = self.listing.filters.get(name)
        if wanted is not None:
            params[name] = value
            clause = wanted.driving if drives and wanted.driving is not None else wanted.clause
            if isinstance(clause, sql.SQL):
                return clause
            return clause[value] if isinstance(clause, Mapping) else clause(value)
        prefix, wanted = next((p, w) for p, w in self.listing.prefixed.items() if name.startswith(p))
        ending = _ending(name, prefix)
        wanted = wanted.endings.get(ending, wanted)
        clause = wanted.driving if drives and wanted.driving is not None else wanted.clause
        if not isinstance(clause, sql.SQL):
            clause = clause[value] if isinstance(clause, Mapping) else clause(value)
        number = len(params)
        params[f"name_{number}"] = name.removeprefix(prefix).removesuffix(f".{ending}" if ending else "")
        params[f"value_{number}"] = value
        params[f"key_{number}"] = value if wanted.key is None else wanted.key(value)
        return clause.format(**{part: sql.Placeholder(f"{part}_{number}") for part in ("name", "value", "key")})

    def beyond(self, row: Row) -> "PageRequest":
        """What comes after a row."""
        return self.after(self.cursor(row))

    def page(self, rows: Sequence[Row], looked_at: Row | None = None) -> bytes:
        """As JSON: as many items as the limit and the bytes of a page allow, but one at least.

        `looked_at`: the row behind which there may be more, where it is not for these rows to say.
        """
        items: list[bytes] = []
        size = 0
        for row in rows[: self.limit]:
            item = answers.to_json(row)
            size += len(item)
            if items and size > PAGE_BYTES:
                break
            items.append(item)
        last = rows[len(items) - 1] if len(items) < len(rows) else looked_at
        cursor = None if last is None else self.cursor(last)
        return b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), answers.to_json(cursor))

    def cursor(self, row: Row) -> str:
        """Leads to what comes after a row."""
        keys = answers.to_json([row[name] for name in self.source.names])
        return urlsafe_b64encode(self._digest(keys) + keys).rstrip(b"=").decode()

    def after(self, cursor: str | None) -> "PageRequest":
        """The page that a cursor of this very list leads to. Raises Problem for any other text."""
        if cursor is None:
            return self
        try:
            packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            packed = b""
        keys = packed[DIGEST_BYTES:]
        if not keys or packed[:DIGEST_BYTES] != self._digest(keys):
            raise Problem.at("cursor", "cursor", "cursor does not belong to this list with these filters and this order.")
        last = tuple(kind.read(str(value)) for kind, value in zip(self.source.kinds, orjson.loads(keys), strict=True))
        return PageRequest(self.listing, self.tenant_id, self.limit, self.order, self.filters, self.fixed, last)

    def _digest(self, keys: bytes) -> bytes:
        """Binds a cursor to its list. No secret: a forged one would show its forger nothing that a filter would not."""
        bound = [self.listing.name, str(self.tenant_id), self.order, sorted((k, str(v)) for k, v in self.filters.items())]
        return hashlib.blake2b(orjson.dumps(bound) + keys, digest_size=DIGEST_BYTES).digest()


BEFORE = sql.SQL("   AND ({}) < ({})")
AFTER = sql.SQL("   AND ({}) > ({})")
DESCENDING = sql.SQL("{} DESC")
ASCENDING = sql.SQL("{}")
ORDER_LIMIT = sql.SQL(" ORDER BY {}\n LIMIT %(limit)s")

FRESHNESS_PARAMETERS: tuple[tuple[str, Json, str], ...] = (
    ("at_least", {"type": "string"}, "A `Gesta-Position`: wait until the tables have reached it."),
    ("consistency", {"type": "string", "enum": ["eventual"]}, "Do not wait for the tables to catch up."),
)
FRESHNESS = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
    for name, schema, description in FRESHNESS_PARAMETERS
]
PAST = [
    *FRESHNESS,
    {
        "name": "as_of",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": "As it stood: a time of RFC 3339, by when it was recorded, or a position in the ledger.",
    },
]
"""Of single resources."""


def _parameter(name: str, schema: Json, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ending(name: str, prefix: str) -> str:
    """What follows the name in `<prefix><name>.<ending>`."""
    return name.removeprefix(prefix).partition(".")[2]


def _drives(drives: str, name: str) -> bool:
    """Whether rows come from another source for this filter. `drives`: its name, or a prefix with its dot."""
    return name == drives or (drives.endswith(".") and name.startswith(drives) and not _ending(name, drives))


def _lines(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL("\n").join(parts)


def _comma(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def read_parameter(name: str, kind: ValueType, text: str) -> Any:
    """The value of a query parameter. Raises Problem naming it."""
    try:
        return kind.read(text)
    except ValueError as error:
        raise Problem.at(name, "value", f"{name} must be {error}.") from None
