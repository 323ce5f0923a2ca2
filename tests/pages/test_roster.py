"""The page of rosters: upload, look at the changes, apply; without scripts."""

import csv
from io import StringIO

import pytest
from sqlalchemy import select

from headway.accounts.tables import users
from headway.enrollments.tables import enrollments
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.pages.visitor import ORIGIN, Shown, Visitor
from tests.roster_inputs import OneRosterFiles
from tests.world import World

PATH = "/app/admin/roster"


@pytest.fixture
def admin(visit: Visit) -> Visitor:
    return visit("admin")


async def upload(visitor: Visitor, name: str, content: bytes, **fields: str) -> Shown:
    return Shown(await visitor.client.post(PATH, files={"file": (name, content)}, data=fields, headers={"Origin": ORIGIN}))


async def enrolled(world: World) -> int:
    return len(await world.rows(select(enrollments.c.user_id)))


async def test_a_roster_is_looked_at_and_then_applied(admin: Visitor, school: School, world: World) -> None:
    before = await enrolled(world)
    content = OneRosterFiles(3).zip()

    compared = await upload(admin, "autumn.zip", content)
    unchanged = await enrolled(world)
    applied = await admin.fill(compared, f"{PATH}/apply")
    again = await upload(admin, "autumn.zip", content)

    assert compared.status == 200
    assert "What autumn.zip would change" in compared.text
    numbers = {row[0]: row[1:] for row in compared.rows()[:4]}
    assert numbers == {
        "Users": ["4", "0", "0", "0"],
        "Courses": ["1", "0", "0", "0"],
        "Enrollments": ["3", "0", "0", "0"],
        "Staff": ["0", "0", "0", "1"],
    }
    assert unchanged == before
    assert "What autumn.zip has changed" in applied.text
    assert await enrolled(world) == before + 3
    assert "there is nothing to apply" in again.text
    assert again.soup.find("form", action=f"{PATH}/apply") is None


async def test_rows_that_are_not_taken_are_shown_and_names_are_texts(admin: Visitor, school: School) -> None:
    file = StringIO()
    course = school.ids["course"]
    csv.writer(file).writerows(
        [("email", "name", "course"), ("ada@example.org", HOSTILE, course), ("nobody", "Nobody", course)]
    )

    shown = await upload(admin, "people.csv", file.getvalue().encode())

    assert HOSTILE not in shown.html
    assert ["people.csv", "3", "email is nobody, which is no e-mail address"] in shown.rows()


async def test_a_file_that_cannot_be_read_is_named_and_the_form_is_shown_again(admin: Visitor) -> None:
    broken = await upload(admin, "broken.zip", b"PK\x03\x04", source="office")
    missing = await admin.submit(PATH, {"source": "office"})
    empty = Shown(await admin.client.post(PATH, files={"file": ("", b"")}, headers={"Origin": ORIGIN}))

    assert broken.status == 422
    assert "broken.zip is no zip that can be read" in broken.text
    assert broken.values(PATH)["source"] == ["office"]
    assert missing.status == 422
    assert empty.status == 422
    assert "file is required" in empty.text


async def test_what_is_no_form_is_refused(admin: Visitor) -> None:
    for kind, content in (
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"no boundary"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nnever ends'),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense\r\n\r\n\r\n--x--\r\n"),
    ):
        answer = await admin.client.post(PATH, content=content, headers={"Origin": ORIGIN, "Content-Type": kind})
        assert answer.status_code == 400, content


async def test_a_file_is_kept_for_who_uploaded_it_and_for_a_while(
    admin: Visitor, visit: Visit, school: School, world: World
) -> None:
    before = await enrolled(world)
    compared = await upload(admin, "autumn.zip", OneRosterFiles(1).zip())
    fields = {name: values[0] for name, values in compared.values(f"{PATH}/apply").items()}

    other = await visit("learner").submit(f"{PATH}/apply", fields)
    world.clock.advance(seconds=16 * 60)
    late = await admin.submit(f"{PATH}/apply", fields)

    assert other.status == 403
    assert late.status == 422
    assert "choose it again" in late.text
    assert await enrolled(world) == before


async def test_options_are_sent_on_when_a_roster_is_applied(admin: Visitor, school: School, world: World) -> None:
    content = b"email,name\nada@example.org,Ada\n"

    compared = await upload(admin, "people.csv", content, course=school.ids["course"], source="office")
    await admin.fill(compared, f"{PATH}/apply")

    ((user_id,),) = await world.rows(select(users.c.id).where(users.c.name == "Ada"))
    assert (user_id,) in await world.rows(select(enrollments.c.user_id))
