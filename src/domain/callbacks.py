"""Callbacks: who starts something may name where its end is told, once."""

from uuid import UUID

from domain.facts import Invalid, Json, View
from domain.notification_endpoint import NOTIFICATION_ENDPOINT, require_url
from domain.secret import SECRET, secret_id_of

SIGNING_SECRET = "callbacks"
"""What signs where an address is named and no endpoint: a secret of the tenant's by this name."""


def callback(view: View, path: str, url: str | None, endpoint_id: UUID | None) -> Json:
    """{endpoint_id}, or {url, secret}. `path`: where it is in the request. Raises Invalid."""
    if (url is None) == (endpoint_id is None):
        raise Invalid("A callback has either a url or an endpoint_id.", path)
    if endpoint_id is not None:
        endpoint = view.read(NOTIFICATION_ENDPOINT, endpoint_id)
        if not endpoint.exists:
            raise Invalid("There is no such notification endpoint.", f"{path}/endpoint_id")
        if endpoint.format == "events":
            raise Invalid("This endpoint is sent the ledger: a callback needs one of another format.", f"{path}/endpoint_id")
        if endpoint.format == "mail":
            raise Invalid("Mail goes to people: a callback needs an endpoint of another format.", f"{path}/endpoint_id")
        return {"endpoint_id": str(endpoint_id)}
    assert url is not None
    require_url(url, f"{path}/url")
    if not view.read(SECRET, secret_id_of(view.tenant_id, SIGNING_SECRET)).exists:
        raise Invalid(f"There is no secret named {SIGNING_SECRET} to sign with: create it, or name an endpoint.", f"{path}/url")
    return {"url": url, "secret": SIGNING_SECRET}
