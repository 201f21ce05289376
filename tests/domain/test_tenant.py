from uuid import UUID

import pytest

from domain import tenant
from domain.facts import Claim, Fact
from domain.tenant import TENANT, TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from tests.given import given

ACME = UUID(int=7)
CREATED = Fact(ACME, TenantCreated("acme", "Acme", {}))


def test_a_tenant_is_created_and_claims_its_slug() -> None:
    story = given().when(lambda view: tenant.create(view, ACME, "acme", "Acme"))
    story.then(TenantCreated("acme", "Acme", {}))
    assert story.decided.claims == (Claim("tenant.slug", "acme", ACME),)
    assert story.result == {"id": str(ACME), "slug": "acme", "name": "Acme", "version": 1}


def test_a_tenant_is_not_created_twice() -> None:
    given([CREATED]).when(lambda view: tenant.create(view, ACME, "acme", "Acme")).then_refused("tenant_exists")


@pytest.mark.parametrize("slug", ["", "Acme", "1acme", "a b", "acme\n", "a" * 64, "é"])
def test_a_slug_of_the_wrong_form_is_refused(slug: str) -> None:
    given().when(lambda view: tenant.create(view, ACME, slug, "Acme")).then_refused("invalid", "/slug")


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_is_neither_blank_nor_endless(name: str) -> None:
    given().when(lambda view: tenant.create(view, ACME, "acme", name)).then_refused("invalid", "/name")


def test_a_billing_address_must_be_an_address() -> None:
    story = given([CREATED])
    story.when(lambda view: tenant.change(view, ACME, {"billing_email": "nobody"})).then_refused("invalid", "/billing_email")
    create = story.when(lambda view: tenant.create(view, UUID(int=8), "b", "B", billing_email="nobody"))
    create.then_refused("invalid", "/billing_email")


def test_a_change_keeps_only_what_may_be_changed() -> None:
    story = given([CREATED]).when(lambda view: tenant.change(view, ACME, {"name": "Acme Ltd", "slug": "evil"}))
    story.then(TenantChanged({"name": "Acme Ltd"}))
    assert story.view.read(TENANT, ACME).name == "Acme Ltd"
    assert story.result["version"] == 2


def test_a_tenant_that_is_not_there_can_not_be_changed() -> None:
    given().when(lambda view: tenant.change(view, ACME, {"name": "x"})).then_refused("not_found")


def test_a_tenant_is_suspended_and_reactivated_once() -> None:
    story = given([CREATED]).when(lambda view: tenant.suspend(view, ACME, "unpaid"))
    story.then(TenantSuspended("unpaid"))
    assert not story.view.read(TENANT, ACME).active
    story.when(lambda view: tenant.suspend(view, ACME)).then_refused("tenant_already")
    again = story.when(lambda view: tenant.reactivate(view, ACME)).then(TenantReactivated())
    assert again.view.read(TENANT, ACME).active
    again.when(lambda view: tenant.reactivate(view, ACME)).then_refused("tenant_already")
