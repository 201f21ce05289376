"""What there is to query: the same for every tenant, so any key will do."""

from functools import cache

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented
from api.routing import router
from api.schemas import catalog as shapes
from projections.catalog import catalog as catalog_of_release

routes = router("tables")


@routes.get("/catalog", **documented("See what can be queried", "Tables and views", shapes.CATALOG, parameters=[]))
async def catalog(_call: Calling) -> Response:
    """Every table and view with its columns, its key and where its rows lead, and what each means."""
    return answers.as_json(_document())


@cache
def _document() -> bytes:
    return answers.to_json(catalog_of_release())
