"""The pages with which administrators erase a person, and keep the receipt."""

import re

from headway.privacy import receipts
from headway.web.sessions import ZONE
from tests.contract.rights.conftest import School
from tests.pages.conftest import BOTH_DATABASES, Visit

pytestmark = BOTH_DATABASES


async def test_an_administrator_erases_a_person_and_downloads_the_receipt(school: School, visit: Visit) -> None:
    admin, user_id = visit("admin"), school.ids["learner_id"]
    path, name = f"/app/admin/users/{user_id}", school.people["learner"].name
    assert "Nobody was erased yet." in (await admin.open("/app/admin/erasures")).text
    asked = await admin.open(f"{path}/erase")
    assert f"Erase {name}" in asked.text

    refused = await admin.fill(asked, f"{path}/erase", reason="request", confirmation="somebody@else.example")
    assert "must be the id or the address of the account" in refused.text
    assert name in (await admin.open(path)).text
    receipt = await admin.fill(asked, f"{path}/erase", reason="request", confirmation=user_id)

    assert "The person is erased." in receipt.text
    downloaded = await admin.client.get("/app/admin/erasures/1/receipt.json")
    public_key = (await school.ask("admin", "GET", "/api/v1/erasures/key")).json()["data"]["publicKey"]
    assert receipts.verify(downloaded.content, public_key).user_id == user_id
    assert public_key in receipt.text
    shown = await admin.open(path)
    assert (name in shown.text, "Erased user" in shown.text, "This person was erased on" in shown.text) == (False, True, True)
    assert "the person asked for it" in (await admin.open("/app/admin/erasures")).text
    assert "This person was erased on" in (await admin.open(f"{path}/erase")).text


async def test_an_erasure_is_told_in_the_time_of_the_viewer(school: School, visit: Visit) -> None:
    admin, user_id = visit("admin"), school.ids["learner_id"]
    path = f"/app/admin/users/{user_id}/erase"
    await admin.fill(await admin.open(path), path, reason="request", confirmation=user_id)
    admin.client.cookies.set(ZONE, "Pacific/Kiritimati")

    for page in ("/app/admin/erasures", "/app/admin/erasures/1"):
        assert re.search("Jan 2, 2026, 2:[0-9]{2}", (await admin.open(page)).text)


async def test_nobody_is_offered_to_erase_themselves(school: School, visit: Visit) -> None:
    admin = visit("admin")

    own = await admin.open(f"/app/admin/users/{school.ids['admin_id']}")

    assert "Erase the person for ever" not in own.text
