"""The page of one's own data, and the copy that it sends."""

import httpx
from sqlalchemy import update

from headway.accounts.tables import users
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.rights.conftest import School
from tests.integration.personal_archive import PersonalArchive
from tests.pages.conftest import BOTH_DATABASES, Visit
from tests.pages.visitor import ORIGIN, Visitor
from tests.world import FakeClock, World

PAGE, EXPORT = "/app/account/data", "/app/account/data/export"
HOSTILE = '"><script>alert(1)</script>'


@BOTH_DATABASES
async def test_a_copy_of_ones_own_data_is_downloaded(visit: Visit, school: School, world: World) -> None:
    learner = school.people["learner"]
    async with world.database.write() as tx:
        await tx.run(update(users).where(users.c.id == learner.id).values(name=HOSTILE))
    visitor = visit("learner")
    assert EXPORT in (await visitor.open(PAGE)).html

    sent = await visitor.client.post(EXPORT, headers={"Origin": ORIGIN, "Accept-Language": "de"})

    exported = PersonalArchive.of(sent)
    assert f"headway-data-{learner.id}-2026-01-01.zip" in sent.headers["Content-Disposition"]
    assert exported.manifest["userId"] == learner.id
    assert exported.sections["account"][0]["name"] == HOSTILE
    assert "<script" not in exported.page
    assert '<html lang="de">' in exported.page


async def test_administrators_export_anybodys_data_from_the_page_of_the_account(visit: Visit, school: School) -> None:
    path = f"/app/admin/users/{school.ids['learner_id']}"
    visitor = visit("admin")
    assert f"{path}/export" in (await visitor.open(path)).html

    sent = await visitor.client.post(f"{path}/export", headers={"Origin": ORIGIN})
    refused = await visit("learner").client.post(f"{path}/export", headers={"Origin": ORIGIN})

    assert PersonalArchive.of(sent).manifest["onRequest"] == []
    assert refused.status_code == 403


async def test_the_page_says_who_has_seen_the_record(visit: Visit, school: School, world: World) -> None:
    tutor = school.people["tutor"]
    async with world.database.write() as tx:
        await tx.run(update(users).where(users.c.id == tutor.id).values(name=HOSTILE))
    assert (await visit("tutor").open(school.filled("/app/courses/{course}/learners/{learner_id}"))).status == 200

    shown = await visit("learner").open(PAGE)
    (row,) = [row for row in shown.rows(".seen tbody tr") if HOSTILE in row[1]][:1]

    assert row[1] == f"{HOSTILE} instructor"
    assert row[2].endswith("Course")
    assert HOSTILE not in (await visit("stranger").open(PAGE)).text


async def test_the_page_is_refused_to_other_sites(visit: Visit) -> None:
    visitor = visit("learner")

    answer = await visitor.client.post(EXPORT, headers={"Origin": "https://elsewhere.test"})

    assert answer.status_code == 403


async def test_too_many_copies_are_refused_on_the_page(visit: Visit) -> None:
    visitor = visit("stranger")
    for _ in range(10):
        assert (await visitor.submit(EXPORT)).status == 200

    refused = await visitor.submit(EXPORT)

    assert refused.status == 429
    assert "Too many exports; try again in" in refused.text
    assert EXPORT in refused.html


async def test_the_page_says_whom_to_ask(settings: Settings, visit: Visit) -> None:
    assert "Ask the administrators of this server." in (await visit("learner").open(PAGE)).text


async def test_the_page_names_the_contact_as_text_and_how_long_messages_are_kept(database_url: str, settings: Settings) -> None:
    contact = f"dpo@school.test {HOSTILE}"
    named = Settings(
        database_url=database_url, secret_key=settings.secret_key, privacy_contact=contact, retention_messages_days=77
    )
    async with open_server(named, FakeClock()) as (client, world):
        assert isinstance(client, httpx.AsyncClient)
        shown = await Visitor(client, world, await world.user()).open(PAGE)

    assert f"Ask {contact}." in shown.text
    assert [row[2] for row in shown.rows(".stored tbody tr") if row[0] == "Messages"] == ["77 days"]
    assert shown.soup.find("script", string="alert(1)") is None
