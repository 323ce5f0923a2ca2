"""The pages of webhooks: create and change them, see why something did not arrive, and send it again."""

import pytest

from headway.paging.service import Walk
from headway.webhooks import deliveries_store
from headway.webhooks.model import Attempt, DeliveryStatus, Webhook
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.visitor import Visitor
from tests.world import World

PATH = "/app/admin/webhooks"
URL = "https://warehouse.example.org/in"


@pytest.fixture
def admin(visit: Visit) -> Visitor:
    return visit("admin")


async def webhook_of(world: World, webhook_id: int) -> Webhook:
    return await world.read(world.services.webhooks.find, None, webhook_id)


async def test_the_secret_of_a_new_webhook_is_shown_once(admin: Visitor, world: World) -> None:
    shown = await admin.fill(await admin.open(PATH), PATH, url=URL, events=["course.completed"], description="Warehouse")

    *_, created = await world.read(world.services.webhooks.list_all, None)
    assert (created.url, created.events, created.course_id) == (URL, ("course.completed",), None)
    assert created.secrets[0] in shown.text
    assert created.secrets[0] not in (await admin.open(f"{PATH}/{created.id}")).html
    rows = [row[:5] for row in (await admin.open(PATH)).rows()]
    assert ["warehouse.example.org Warehouse", "enabled", "all", "course.completed", "0"] in rows


async def test_a_refused_webhook_keeps_what_was_typed(admin: Visitor, school: School) -> None:
    fields = {"url": "http://10.0.0.1/in", "events": ["unit.completed"], "course_id": "999999"}
    shown = await admin.fill(await admin.open(PATH), PATH, **fields)

    assert shown.status == 422
    assert {name: shown.values(PATH)[name] for name in fields} == {
        "url": ["http://10.0.0.1/in"],
        "events": ["unit.completed"],
        "course_id": ["999999"],
    }
    assert {each["id"] for each in shown.soup.select(".error[id]")} == {"url-error", "course_id-error"}
    assert (await admin.fill(shown, PATH, url=URL, events=[], course_id="")).status == 422


async def test_a_webhook_is_changed_disabled_and_enabled(admin: Visitor, world: World, school: School) -> None:
    webhook_id = int(school.ids["webhook"])
    path = f"{PATH}/{webhook_id}"
    page = await admin.open(path)
    page = await admin.fill(page, path, url=URL, events=["unit.completed", "course.completed"], course_id=school.ids["course"])
    page = await admin.fill(page, f"{path}/enable")

    webhook = await webhook_of(world, webhook_id)
    assert (webhook.url, webhook.course_id, webhook.is_enabled) == (URL, int(school.ids["course"]), True)
    assert webhook.events == ("course.completed", "unit.completed")
    await admin.fill(page, f"{path}/disable")
    assert not (await webhook_of(world, webhook_id)).is_enabled


async def test_a_new_secret_replaces_the_old_one(admin: Visitor, world: World, school: School) -> None:
    path = f"{PATH}/{school.ids['webhook']}"
    (old,) = (await webhook_of(world, int(school.ids["webhook"]))).secrets

    shown = await admin.fill(await admin.open(path), f"{path}/secret")

    new, kept = (await webhook_of(world, int(school.ids["webhook"]))).secrets
    assert kept == old != new
    assert new in shown.text


async def test_why_a_delivery_did_not_arrive_is_shown_and_it_is_sent_again(
    admin: Visitor, world: World, school: School
) -> None:
    webhook_id, hostile = int(school.ids["webhook"]), "<script>alert(1)</script>"
    path = f"{PATH}/{webhook_id}"
    listed = await world.read(world.services.webhooks.list_deliveries, None, webhook_id, Walk(10, 1))
    listed[0].status, listed[0].ended_at = DeliveryStatus.PENDING, None
    listed[0].settle(Attempt(world.clock(), 31, 500, None, hostile), jitter=0)
    await world.write(deliveries_store.settle, listed, world.clock())

    page = await admin.open(path)
    (row,) = page.rows()
    assert row[0].startswith("webhook.test")
    assert row[4] == "waiting"
    assert row[5].startswith("500 31 ms")
    assert hostile in page.text
    assert "<script>alert" not in page.html
    assert "1 delivery waits" in page.text
    assert (await admin.open(f"{path}?status=failed")).rows() == []

    await admin.fill(page, f"{path}/enable")
    page = await admin.open(path)
    await admin.fill(page, f"{path}/deliveries/{listed[0].id}/redeliver")

    (again,) = await world.read(world.services.webhooks.list_deliveries, None, webhook_id, Walk(10, 1))
    assert again.message_id == listed[0].message_id
    assert again.tries <= 1


async def test_a_webhook_is_deleted(admin: Visitor, world: World, school: School) -> None:
    path = f"{PATH}/{school.ids['webhook']}"

    shown = await admin.fill(await admin.open(path), f"{path}/delete")

    assert shown.path == PATH
    assert await world.read(world.services.webhooks.list_all, None) == []
    assert (await admin.open(path)).status == 404


async def test_others_see_nothing_of_webhooks(visit: Visit, world: World, school: School) -> None:
    for role in ("tutor", "learner", "system"):
        assert (await visit(role).open(PATH)).status == 403
        assert (await visit(role).submit(PATH, {"url": URL, "events": ["unit.completed"]})).status == 403
    assert len(await world.read(world.services.webhooks.list_all, None)) == 1
