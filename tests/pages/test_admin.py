"""The pages of administrators: users, courses, the audit log, health and settings."""

import csv
from io import StringIO
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select

from headway.accounts.tables import users
from headway.audit.model import Actor, Context, EntryDraft, Target, TargetType
from headway.audit.tables import audit_entries, audit_verification
from headway.courses.tables import courses
from headway.db.database import Database
from headway.identity import Caller, Client, Role
from headway.instants import DAY, iso
from headway.settings import Settings
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.pages.visitor import Visitor
from tests.world import FakeClock, World

USERS, LOG, KEYS = "/app/admin/users", "/app/admin/log", "/app/admin/keys"
PASSWORD = "Correct-Horse-1"


@pytest.fixture
def admin(visit: Visit) -> Visitor:
    return visit("admin")


def cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(content.decode("utf-8-sig"))))


async def count(world: World, table: Any) -> int:
    ((found,),) = await world.rows(select(func.count()).select_from(table))
    return int(found)


class TestKeys:
    async def test_a_new_key_is_shown_once_and_works_until_it_is_revoked(
        self, admin: Visitor, school: School, client: httpx.AsyncClient
    ) -> None:
        shown = await admin.open(KEYS)
        made = await admin.fill(shown, KEYS, name=HOSTILE, scopes=["progress:read", "courses:read"])
        text = made.soup.select_one(".admin-key").get_text()  # type: ignore[union-attr]
        path, bearer = f"/user-progress/course/{school.ids['course']}/all", {"Authorization": f"Bearer {text}"}
        assert (await client.get(path, headers=bearer)).status_code == 200

        listed = await admin.open(KEYS)
        assert text not in listed.html
        row = listed.rows()[0]
        assert (row[0], row[1].replace(" ,", ","), row[2]) == (HOSTILE, "courses:read, progress:read", HOSTILE)
        key_id = text.split("_")[1]
        revoked = await admin.fill(listed, f"{KEYS}/{key_id}/revoke")

        assert "The key is revoked." in revoked.text
        assert revoked.rows()[0][0] == f"{HOSTILE} revoked"
        assert (await client.get(path, headers=bearer)).status_code == 401

    async def test_a_key_that_cannot_be_made_is_shown_again_as_it_was_typed(self, admin: Visitor, school: School) -> None:
        shown = await admin.open(KEYS)
        for user_id, status in (("999999", 404), (school.ids["learner_id"], 409)):
            failed = await admin.fill(shown, KEYS, name="Relay", scopes=["events:write"], user_id=user_id)
            assert failed.status == status
        without = await admin.fill(shown, KEYS, name="Relay")

        assert without.status == 422
        assert without.soup.select_one("#scopes-error") is not None
        assert without.soup.select_one('input[name="name"]')["value"] == "Relay"  # type: ignore[index]


class TestUsers:
    async def test_all_are_listed_with_how_many_there_are(self, admin: Visitor, school: School, world: World) -> None:
        shown = await admin.open(USERS)

        assert len(shown.rows()) == await count(world, users)
        by_role = dict(await world.rows(select(users.c.role, func.count()).group_by(users.c.role)))
        figures = [each.get_text() for each in shown.soup.select(".admin-figures .figure")]
        assert figures == [*(str(by_role.get(role.value, 0)) for role in Role), "0"]
        assert {row[0] for row in shown.rows()} == {user.name for user in school.people.values()}

    async def test_filters_work_without_scripts(self, admin: Visitor, world: World) -> None:
        ada = await world.user(Role.INSTRUCTOR, email="ada@example.org")
        await world.disable(ada)

        for query in ("q=ada%40example.org", f"q={ada.id}", "state=disabled", "role=INSTRUCTOR&state=disabled&q="):
            assert [row[0] for row in (await admin.open(f"{USERS}?{query}")).rows()] == [f"{ada.name} disabled"], query
        assert "Nobody matches" in (await admin.open(f"{USERS}?q=nobody-of-this-name")).text
        assert (await admin.open(f"{USERS}?role=KING")).status == 400

    async def test_pages_have_everybody_once(self, admin: Visitor, world: World) -> None:
        for _ in range(60):
            await world.user()
        seen: list[str] = []
        shown = await admin.open(f"{USERS}?role=PARTICIPANT")
        while True:
            seen += [str(each["href"]) for each in shown.soup.select("tbody a")]
            following = shown.soup.find("a", string="Next page")
            if following is None:
                break
            shown = await admin.open(str(following["href"]))

        ids = await world.rows(select(users.c.id).where(users.c.role == "PARTICIPANT").order_by(users.c.id.desc()))
        assert seen == [f"{USERS}/{user_id}" for (user_id,) in ids]

    async def test_the_file_is_what_is_listed(self, admin: Visitor, world: World) -> None:
        made = await world.user(email="ada@example.org")
        await world.write(world.services.accounts.change, made.id, name="=1+1")

        header, *rows = cells((await admin.open(f"{USERS}.csv?q=ada%40example.org")).response.content)

        assert header[:5] == ["Id", "Name", "E-mail address", "External id", "Role"]
        assert rows == [[str(made.id), "'=1+1", "ada@example.org", "", "PARTICIPANT", "no", iso(world.clock.now), "", ""]]
        assert len(cells((await admin.open(f"{USERS}.csv")).response.content)) == 1 + await count(world, users)

    async def test_a_user_is_created_and_can_sign_in(self, admin: Visitor, visit: Visit, world: World) -> None:
        form = {"name": "Ada", "email": "ada@example.org", "role": "INSTRUCTOR", "password": PASSWORD}

        shown = await admin.submit(USERS, form)
        signed_in = await visit("nobody").submit("/app/sign-in", {"email": "ada@example.org", "password": PASSWORD})

        assert "The account is created." in shown.text
        assert shown.path.startswith(f"{USERS}/")
        assert signed_in.path == "/app/courses"

    async def test_a_refused_user_keeps_what_was_typed_but_the_password(self, admin: Visitor, world: World) -> None:
        before = await count(world, users)

        weak = await admin.submit(USERS, {"name": "Ada", "email": "ada@", "role": "ADMIN", "password": "weak"})
        taken = await admin.submit(USERS, {"name": "", "role": "ADMIN"})

        assert (weak.status, taken.status) == (422, 422)
        assert weak.values(USERS)["name"] == ["Ada"]
        assert weak.values(USERS)["role"] == ["ADMIN"]
        assert "weak" not in weak.html
        assert "must have 8 to 128 characters" in weak.text
        assert weak.soup.select("details.admin-new[open]")
        assert "is required" in taken.text
        assert await count(world, users) == before

    async def test_an_account_is_changed(self, admin: Visitor, school: School, world: World) -> None:
        learner = school.people["learner"]
        path = f"{USERS}/{learner.id}"
        page = await admin.open(path)

        shown = await admin.fill(page, path, name="Countess", role="INSTRUCTOR", email="countess@example.org")

        assert "The account is changed." in shown.text
        stored = await world.find_user(learner.id)
        assert (stored.name, stored.role, stored.email) == ("Countess", Role.INSTRUCTOR, "countess@example.org")
        actor = (await world.rows(select(audit_entries.c.actor_id).order_by(audit_entries.c.seq.desc()).limit(1)))[0][0]
        assert actor == str(school.people["admin"].id)

    async def test_disabling_ends_what_they_do(self, admin: Visitor, visit: Visit, school: School, clock: FakeClock) -> None:
        learner = visit("learner")
        path = f"{USERS}/{school.people['learner'].id}"
        assert (await learner.open("/app/account")).path == "/app/account"

        disabled = await admin.submit(f"{path}/disable")
        clock.advance(seconds=3)
        out = await learner.open("/app/account")
        enabled = await admin.submit(f"{path}/enable")

        assert "disabled" in disabled.soup.h1.get_text()  # type: ignore[union-attr]
        assert out.path == "/app/sign-in"
        assert "The account is enabled." in enabled.text

    async def test_a_password_is_set_and_sessions_are_ended(self, admin: Visitor, visit: Visit, world: World) -> None:
        made = await world.user(Role.INSTRUCTOR, email="ada@example.org")
        path, ada = f"{USERS}/{made.id}", visit("nobody")

        await admin.submit(f"{path}/password", {"password": PASSWORD})
        signed_in = await ada.submit("/app/sign-in", {"email": "ada@example.org", "password": PASSWORD})
        with_session = await admin.open(path)
        ended = await admin.submit(f"{path}/sign-out")

        assert signed_in.status == 200
        assert len(with_session.soup.select("ul.plain li")) == 1
        assert "Nobody is signed in to this account." in ended.text
        assert (await admin.submit(f"{path}/password", {"password": "weak"})).status == 422

    async def test_ones_own_role_and_access_stay(self, admin: Visitor, school: School, world: World) -> None:
        own = school.people["admin"]
        path = f"{USERS}/{own.id}"

        page = await admin.open(path)
        demoted = await admin.fill(page, path, role="PARTICIPANT")
        disabled = await admin.submit(f"{path}/disable")

        assert (demoted.status, disabled.status) == (409, 409)
        assert "Another administrator has to" in demoted.text
        assert not page.soup.find("form", action=f"{path}/disable")
        assert (await world.find_user(own.id)).role is Role.ADMIN

    @pytest.mark.parametrize("user_id", ["0", "999", "x", "1e3", "9" * 400, "%00"])
    async def test_who_is_not_there_is_not_found(self, admin: Visitor, user_id: str) -> None:
        assert (await admin.open(f"{USERS}/{user_id}")).status == 404

    @pytest.mark.parametrize("role", ["learner", "tutor", "system", "nobody"])
    async def test_nobody_else_changes_anything(self, visit: Visit, school: School, world: World, role: str) -> None:
        path, before = f"{USERS}/{school.people['learner'].id}", await count(world, audit_entries)
        for action, form in (
            (USERS, {"name": "Mallory", "role": "ADMIN"}),
            (path, {"name": "Mallory", "role": "ADMIN"}),
            (f"{path}/password", {"password": PASSWORD}),
            *((f"{path}/{deed}", {}) for deed in ("disable", "enable", "sign-out")),
            (f"{LOG}/verify", {}),
        ):
            shown = await visit(role).submit(action, form)
            assert shown.path == "/app/sign-in" if role == "nobody" else shown.status == 403, action

        assert await count(world, audit_entries) == before


class TestCourses:
    async def test_all_are_listed_also_those_that_are_not_published(self, admin: Visitor, world: World) -> None:
        shown = await admin.open("/app/admin/courses")

        titles = [title for (title,) in await world.rows(select(courses.c.title).order_by(courses.c.title))]
        assert sorted(row[0] for row in shown.rows()) == [
            f"{title} not published" if title == "Hidden" else title for title in titles
        ]
        assert [row[0] for row in (await admin.open("/app/admin/courses?q=hidden")).rows()] == ["Hidden not published"]
        assert "No course matches." in (await admin.open("/app/admin/courses?q=zzz")).text

    async def test_the_file_is_what_is_listed(self, admin: Visitor, world: World) -> None:
        content = (await admin.open("/app/admin/courses.csv")).response.content

        assert sorted(row[1] for row in cells(content)[1:]) == sorted(
            title for (title,) in await world.rows(select(courses.c.title))
        )


class TestLog:
    async def test_entries_are_listed_the_newest_first_and_filtered(self, admin: Visitor, school: School, world: World) -> None:
        learner = school.people["learner"]
        await admin.submit(f"{USERS}/{learner.id}/disable")
        rows = await world.rows(select(audit_entries.c.seq, audit_entries.c.action).order_by(audit_entries.c.seq.desc()))

        shown = await admin.open(LOG)

        assert [(row[0], row[3].split()[0]) for row in shown.rows()] == [(str(seq), action) for seq, action in rows]
        newest = str(rows[0][0])
        for query in (
            "action=DISABLE_USER",
            f"person={school.people['admin'].id}",
            f"target_type=USER&target_id={learner.id}",
        ):
            assert [row[0] for row in (await admin.open(f"{LOG}?{query}")).rows()] == [newest], query
        assert "No entry matches." in (await admin.open(f"{LOG}?person=nobody%40example.org")).text

    async def test_days_are_those_of_the_viewer(self, admin: Visitor, world: World, clock: FakeClock) -> None:
        admin.client.cookies.set("headway-zone", "Pacific/Kiritimati", domain="headway.test")  # 14 hours ahead of UTC
        today, tomorrow = (iso(clock.now + days * DAY)[:10] for days in (0, 1))
        entries = await count(world, audit_entries)
        assert iso(clock.now)[11:13] == "12"

        assert len((await admin.open(f"{LOG}?since={tomorrow}&until={tomorrow}")).rows()) == min(entries, 50)
        assert (await admin.open(f"{LOG}?until={today}")).rows() == []
        assert (await admin.open(f"{LOG}?since={tomorrow}&until={today}")).status == 400
        assert (await admin.open(f"{LOG}?since=yesterday")).status == 400

    async def test_the_file_has_what_is_listed(self, admin: Visitor, school: School, world: World) -> None:
        await admin.submit(f"{USERS}/{school.people['learner'].id}/disable")

        header, *rows = cells((await admin.open(f"{LOG}.csv")).response.content)

        assert len(rows) == await count(world, audit_entries)
        assert dict(zip(header, rows[0], strict=True))["Action"] == "DISABLE_USER"

    async def test_the_chain_is_verified_at_request(self, admin: Visitor, world: World) -> None:
        assert "The chain has not been verified yet." in (await admin.open(LOG)).text

        begun = await admin.submit(f"{LOG}/verify")
        for _ in range(100):
            shown = await admin.open(LOG)
            if "Chain verified at" in shown.text:
                break

        assert "The log is being verified." in begun.text
        assert f": {await count(world, audit_entries)} entries, none changed" in shown.text
        assert "As it was written" in (await admin.open("/app/admin/health")).text


class TestHealth:
    async def test_the_process_and_the_database_are_shown(self, admin: Visitor, database: Database) -> None:
        shown = await admin.open("/app/admin/health")

        assert "Transactions" in shown.text
        assert ("SQLite" in shown.text) == (database.dialect.name == "sqlite")
        assert "No errors since the process started." in shown.text
        assert len(shown.soup.select("figure.chart")) == 8

    @pytest.mark.parametrize(("column", "status", "kind"), [("interests", 500, "DecodeError"), ("email", 503, "InvalidToken")])
    async def test_an_error_is_shown_with_its_request_id_and_nothing_of_its_message(
        self, admin: Visitor, client: httpx.AsyncClient, world: World, column: str, status: int, kind: str
    ) -> None:
        user = await world.user()
        async with world.database.write() as tx:
            await tx.run(users.update().where(users.c.id == user.id).values({column: "neither of both: ada@example.org"}))

        failed = await client.get("/api/v1/learner/me", headers={**world.bearer(user), "X-Request-Id": "the-request-of-ada-1"})
        shown = await admin.open("/app/admin/health")

        assert failed.status_code == status
        ((_, route, error, place, request_id),) = shown.rows("#health > .table-wrap tbody tr")
        assert (route, request_id) == ("GET /api/v1/learner/me", "the-request-of-ada-1")
        assert error.startswith(kind)
        assert place.startswith("headway.")
        assert "ada@example.org" not in shown.html


class TestDoctor:
    async def test_what_is_wrong_is_shown_with_what_to_do(self, admin: Visitor, world: World, settings: Settings) -> None:
        async with world.database.write() as tx:
            await tx.run(insert(audit_verification).values(id=1, verified_at=1, faults=1, first_fault="entry 2 was <changed>"))

        shown = await admin.open("/app/admin/doctor")

        assert "The log is not as it was written: entry 2 was <changed> (1 faults" in shown.text
        assert "Run `headway audit verify`, and compare with a backup" in shown.text
        assert "The keys are those of the database" in shown.text
        assert str(settings.secret_key) not in shown.html
        assert "Owner" not in shown.text


class TestSettings:
    async def test_all_are_shown_but_secrets(self, admin: Visitor, world: World) -> None:
        shown = await admin.open("/app/admin/settings")

        rows = {row[0]: row[1] for row in shown.rows()}
        assert rows["HEADWAY_SECRET_KEY"] == "set, hidden"
        assert rows["HEADWAY_MAX_BATCH_EVENTS"] == "500"
        assert world.settings.secret_key is not None
        assert world.settings.secret_key not in shown.html


@pytest.mark.parametrize("path", [USERS, f"{USERS}/{{learner}}", "/app/admin/courses", LOG])
async def test_no_text_of_somebody_is_html(admin: Visitor, school: School, world: World, path: str) -> None:
    for person in ("learner", "tutor"):
        await world.write(world.services.accounts.change, school.people[person].id, name=HOSTILE)
    await world.services.audit_log.record(*hostile_entry(school))

    shown = await admin.open(school.filled(path))

    assert "<script>alert" not in shown.html
    assert "<img src=x" not in shown.html
    assert not shown.soup.find_all("script", src=False)


def hostile_entry(school: School) -> tuple[Caller, EntryDraft, Client]:
    """Return an entry of a client whose every text is hostile."""
    caller = Caller(school.people["admin"].id, Role.ADMIN)
    actor = Actor(None, HOSTILE, HOSTILE, HOSTILE)
    target = Target(TargetType.OTHER, HOSTILE, HOSTILE, HOSTILE)
    draft = EntryDraft(HOSTILE, actor, target, Context(source=HOSTILE), {HOSTILE: HOSTILE, "list": [HOSTILE]})
    return caller, draft, Client(HOSTILE)


async def test_the_disclosure_log_shows_who_was_shown_whose_record(school: School, visit: Visit) -> None:
    learner, tutor = school.people["learner"], school.people["tutor"]
    await visit("tutor").open(school.filled("/app/courses/{course}/learners/{learner_id}"))
    admin = visit("admin")

    shown = await admin.open(f"/app/admin/disclosures?learner={learner.id}&reader={tutor.id}")
    empty = await admin.open(f"/app/admin/disclosures?learner={learner.id}&since=2030-01-01")
    csv = await admin.client.get(f"/app/admin/disclosures.csv?reader={tutor.id}&learner={learner.id}")

    rows = [(row[1], row[2], row[3].partition(" · ")[0], row[4]) for row in shown.rows()]
    assert (tutor.name, learner.name, "the page of the learner", "page") in rows
    assert {row[:2] for row in rows} == {(tutor.name, learner.name)}
    assert "No entry matches." in empty.text
    assert f"{tutor.id},{tutor.name},INSTRUCTOR,PAGE,{learner.id},{learner.name},RECORD" in csv.text
