"""A request to each route of a server, which runs each of its statements."""

from typing import Any

from headway.identity import Client
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.contract.samples import SAMPLES
from tests.contract.test_fuzz import PASSWORD, Fuzz
from tests.databases import SECRET_KEY
from tests.mailing import UNHEARD, make_sender
from tests.world import FakeClock


async def send_every_request(database_url: str) -> None:
    """Send a request to each route of a server, most with an Idempotency-Key, and read what it shows, also a second time."""
    given: dict[str, Any] = {**WITHOUT_RATE_LIMITS, **UNHEARD}
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, **given)
    async with open_server(settings, FakeClock()) as (client, world):
        fuzz = Fuzz(School(world, client))
        for name, sample in SAMPLES.items():
            if sample.is_final or "submissions" in name or not fuzz.school.ids:
                await fuzz.prepare()
            answer = await fuzz.send(name.partition(" ")[0], sample, (), None)
            assert answer.status_code < 300, f"{name} is {answer.status_code}: {answer.text}"
            await fuzz.read(sample, answer)
        # One of the samples has erased somebody.
        await fuzz.prepare()
        await send_what_has_no_body(fuzz.school)
        await study_outside_of_times(fuzz.school)
        await reset_progress(fuzz.school)
        await open_pages_of_a_course(fuzz.school)
        await open_reports(fuzz.school)
        await open_pages_of_administrators(fuzz.school)
        await act_on_webhooks(fuzz.school)
        await act_with_keys(fuzz.school)
        await act_on_mail(fuzz.school)
        await world.services.enrollments.expire(world.database)


async def send_what_has_no_body(school: School) -> None:
    capacity = {"title": "Seminar", "capacity": 1, "published": True, "modules": []}
    made = await school.ask("tutor", "POST", "/api/v1/courses", capacity)
    school.ids["seminar"] = made.json()["data"]["id"]
    key = {"Idempotency-Key": "one"}
    for role in ("learner", "peer", "stranger"):
        for _ in range(2):
            answer = await school.ask(role, "POST", "/api/v1/courses/{seminar}/enroll?waitlist=true", **key)
            assert answer.status_code in {201, 202}, answer.text
    for role in ("stranger", "learner"):
        assert (await school.ask(role, "DELETE", "/api/v1/courses/{seminar}/enroll")).status_code == 204
    read = await school.ask("learner", "GET", "/user-progress/{course}/{learner_id}")
    again = await school.ask(
        "learner", "GET", "/user-progress/{course}/{learner_id}", **{"If-None-Match": read.headers["ETag"]}
    )
    assert again.status_code == 304
    for role, path in (
        ("learner", "/api/v1/learner/feed?topic=user:{learner_id}"),
        ("tutor", "/user-progress/course/{course}/analytics"),
        ("tutor", "/api/v1/courses/{course}/export?format=ndjson"),
        ("tutor", "/api/v1/courses/{course}/enrollments?sort=name"),
        ("tutor", "/api/v1/courses/{course}/enrollments?sort=lastActivity&q=p"),
        ("tutor", "/api/v1/assessments/{assessment}/submissions?sort=name"),
        ("tutor", "/api/v1/assessments/{assessment}/submissions?sort=submittedAt&q=p"),
        ("admin", "/api/v1/users/{learner_id}/export"),
        ("learner", "/api/v1/learner/peers"),
        ("nobody", "/api/v1/courses"),
        ("nobody", "/readyz"),
    ):
        assert (await school.ask(role, "GET", path)).status_code == 200, path
    await open_pages(school)
    await invite(school)
    assert (await school.ask("stranger", "POST", "/api/v1/courses/{seminar}/enroll?waitlist=true")).status_code == 202
    assert (await school.ask("learner", "DELETE", "/v1/tutorials/progress/intro")).status_code < 300
    credentials = {"email": "{known_email}", "password": PASSWORD}
    signed_in = await school.ask("nobody", "POST", "/api/v1/learner/auth/login", credentials)
    bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
    assert (await school.client.post("/api/v1/learner/auth/logout", headers=bearer)).status_code == 204
    school.world.clock.advance(seconds=9 * 86_400)
    await act_on_learners(school)


async def study_outside_of_times(school: School) -> None:
    """Study in a unit that has closed, and extend its times."""
    units = [{"title": "Over", "closesAt": "2020-01-01T00:00:00Z"}]
    made = await school.ask(
        "tutor", "POST", "/api/v1/courses", {"title": "Week", "modules": [{"title": "One", "units": units}]}
    )
    course = made.json()["data"]
    assert (await school.ask("learner", "POST", f"/api/v1/courses/{course['id']}/enroll")).status_code == 201
    unit_id = int(course["modules"][0]["units"][0]["id"])
    event = {"activity_type": "unit_view", "course_id": int(course["id"]), "unit_id": unit_id, "duration_seconds": 9}
    assert (await school.ask("learner", "POST", "/api/courses/activity/track", event)).status_code == 201
    course["modules"][0]["units"][0]["closesAt"] = None
    changed = {"modules": course["modules"]}
    assert (await school.ask("tutor", "PATCH", f"/api/v1/courses/{course['id']}", changed)).status_code == 200


async def invite(school: School) -> None:
    """Invite two addresses to a course with a waiting list: one gets an account, the other invitation is withdrawn."""
    items = [{"user": f"email:{name}@school.test"} for name in ("invited-first", "invited-second")]
    items.append({"user": "id:{peer_id}", "expiresAt": "2030-01-01T00:00:00Z"})
    enrolled = await school.ask("tutor", "POST", "/api/v1/courses/{seminar}/enrollments", {"items": items})
    assert enrolled.json()["metadata"]["rejected"] == 0, enrolled.text
    school.ids["second"] = enrolled.json()["data"][1]["invitationId"]
    new = {"name": "New", "email": "invited-first@school.test", "password": PASSWORD}
    assert (await school.ask("nobody", "POST", "/api/v1/learner/auth/register", new)).status_code == 201
    for list_name in ("invitations?limit=1", "waitlist?limit=1"):
        assert (await school.ask("tutor", "GET", f"/api/v1/courses/{{seminar}}/{list_name}")).status_code == 200
    assert (await school.ask("tutor", "DELETE", "/api/v1/courses/{seminar}/invitations/{second}")).status_code == 204
    assert (await school.ask("tutor", "DELETE", "/api/v1/courses/{seminar}/enrollments/{peer_id}")).status_code == 204


async def reset_progress(school: School) -> None:
    """Reset what somebody has studied, tell more of it afterwards, undo the reset, and reset it again."""
    path = "/api/v1/courses/{course}/enrollments/{peer_id}"
    study = {"activity_type": "link_click", "course_id": int(school.ids["course"]), "unit_id": int(school.ids["unit"])}
    study |= {"start_time": "2026-01-01T09:00:00Z", "end_time": "2026-01-01T09:10:00Z"}
    assert (await school.ask("peer", "POST", "/api/courses/activity/track", study)).status_code == 201
    made = await school.ask("tutor", "POST", f"{path}/resets", {"keepStudyTime": False})
    assert made.status_code == 201, made.text
    late = study | {"start_time": "2026-01-01T08:00:00Z", "end_time": "2026-01-01T08:10:00Z"}
    assert (await school.ask("peer", "POST", "/api/courses/activity/track", late)).status_code == 201
    undo = f"{path}/resets/{made.json()['data']['id']}/undo"
    assert (await school.ask("tutor", "POST", undo)).status_code == 200
    assert (await school.ask("tutor", "POST", f"{path}/attempts")).status_code == 201
    for what in ("resets?limit=1", "attempts?limit=1"):
        assert (await school.ask("tutor", "GET", f"{path}/{what}")).status_code == 200
    tutor = {"Cookie": f"headway-access={school.world.tokens.issue(school.people['tutor'])}"}
    page = school.filled("/app/courses/{course}/learners/{peer_id}/reset")
    assert (await school.client.get(page, headers=tutor)).status_code == 200


async def open_pages(school: School) -> None:
    """Open the pages of a learner."""
    cookie = {"Cookie": f"headway-access={school.world.tokens.issue(school.people['learner'])}"}
    for path in (
        "/app/learning",
        "/app/learning/{course}",
        "/app/learning/{course}/units/{unit}",
        "/app/learning/{course}/assessments/{assessment}",
        "/app/messages",
        "/app/messages?q=participant",
        "/app/messages/{peer_id}",
        "/app/certificates",
        "/app/catalogue?q=course&kind=course",
    ):
        assert (await school.client.get(school.filled(path), headers=cookie)).status_code == 200, path


async def act_on_learners(school: School) -> None:
    """Open the pages about who needs attention, whom some time has passed for, and all learners; do what they offer."""
    tutor = {
        "Cookie": f"headway-access={school.world.tokens.issue(school.people['tutor'])}",
        "Origin": str(school.client.base_url),
    }
    for path in (
        "attention",
        "attention?rule=stuck",
        "attention/count",
        "learners",
        "learners?q=participant&unit={unit}&sort=last_seen",
        "learners?attention=any&sort=study_time&status=all",
        "learners.csv?sort=enrolled&percent_to=50",
    ):
        assert (await school.client.get(school.filled(f"/app/courses/{{course}}/{path}"), headers=tutor)).status_code == 200, (
            path
        )
    for path, form in (
        ("attention/rules/not_seen", {"threshold": "9", "is_on": "true"}),
        ("attention/message", {"message": "Hello {name}", "to": "{learner_id}"}),
        ("attention/dismiss", {"to": "{learner_id}", "note": "On leave"}),
        ("attention/dismiss", {"to": "{peer_id}"}),
        ("attention/restore", {"to": "{learner_id}"}),
        ("learners/filters", {"name": "All", "query": "status=all"}),
        ("learners/filters", {"name": "Left", "query": "status=DROPPED"}),
        ("learners/filters/delete", {"name": "All"}),
    ):
        url, fields = school.filled(f"/app/courses/{{course}}/{path}"), school.filled(form)
        assert (await school.client.post(url, data=fields, headers=tutor)).status_code == 303, path


async def open_pages_of_a_course(school: School) -> None:
    """Open the pages on which staff grades, sees who is here, and changes a course, and send what has statements of its own."""
    token = school.world.services.tokens.issue(school.people["tutor"])
    headers = {"Cookie": f"headway-access={token}", "Origin": str(school.client.base_url).rstrip("/")}
    task = "/app/courses/{course}/assessments/{assessment}"
    for path in (
        "/app/courses/{course}/assessments",
        *(f"{task}?show={work}&q={name}" for work in ("all", "late") for name in ("", "participant")),
        "/app/courses/{course}/live",
        "/app/courses/{seminar}/settings",
        "/app/courses/{course}/settings/enrollments.csv",
    ):
        assert (await school.client.get(school.filled(path), headers=headers)).status_code == 200, path
    form = {"addresses": f"{school.ids['known_email']} nobody@school.test", "wait": "true"}
    for course in ("{course}", "{seminar}"):
        path = school.filled(f"/app/courses/{course}/settings/enroll")
        assert (await school.client.post(path, data=form, headers=headers)).status_code == 200


async def open_reports(school: School) -> None:
    """Open what staff reads about a course and a learner, and note something about the learner."""
    token = school.world.services.tokens.issue(school.people["tutor"])
    headers = {"Cookie": f"headway-access={token}", "Origin": str(school.client.base_url).rstrip("/")}
    learner = "/app/courses/{course}/learners/{learner_id}"
    for path in (
        "/app/courses/{course}",
        "/app/courses/{course}/funnel/0",
        "/app/courses/{course}/units",
        "/app/courses/{course}/units/{unit}",
        "/app/courses/{course}/grid",
        learner,
        f"{learner}?before=1767268800000.message-1",
    ):
        assert (await school.client.get(school.filled(path), headers=headers)).status_code == 200, path
    form = {"text": "Called her"}
    assert (await school.client.post(school.filled(f"{learner}/note"), data=form, headers=headers)).status_code == 303


async def act_on_webhooks(school: School) -> None:
    """Have what happened sent, which fails, and do what is done about that."""
    webhook, answered = "/api/v1/webhooks/{webhook}", []
    answered.append(await school.ask("admin", "PATCH", webhook, {"enabled": True}))
    answered += [await school.ask("admin", "POST", f"{webhook}/{act}") for act in ("test", "secret", "test")]
    answered.append(await school.ask("admin", "POST", f"{webhook}/deliveries/{{delivery}}/redeliver"))
    first = await school.ask("admin", "GET", f"{webhook}/deliveries?limit=1")
    cursor = first.json()["metadata"]["nextCursor"]
    answered.append(await school.ask("admin", "GET", f"{webhook}/deliveries?limit=1&cursor={cursor}"))
    # Deleting it too, at the end; what happens until then is written for it.
    answered.append(await school.ask("stranger", "POST", "/api/v1/courses/{course}/enroll"))
    services = school.world.services
    await services.webhook_sender.look()
    await services.webhooks.purge(services.database)
    answered.append(await school.ask("admin", "DELETE", webhook))
    assert [each for each in answered if not each.is_success] == []


async def act_on_mail(school: School) -> None:
    """Ask for links and have them sent, which fails; read and forget what is known of it."""
    world, learner_id = school.world, school.people["known"].id
    services = world.services
    for path in ("invite", "password-link"):
        assert (await school.ask("admin", "POST", f"/api/v1/users/{learner_id}/{path}")).is_success
    forgotten = {"email": "{known_email}"}
    assert (await school.ask("nobody", "POST", "/api/v1/learner/auth/password/forgot", forgotten)).is_success
    invited = {"items": [{"user": "email:invited@school.test"}]}
    verdicts = await school.ask("tutor", "POST", "/api/v1/courses/{course}/enrollments", invited)
    invitation = verdicts.json()["data"][0]["invitationId"]
    late = await school.ask("tutor", "POST", f"/api/v1/courses/{{course}}/invitations/{invitation}/resend")
    assert late.status_code in {202, 409}, late.text
    await world.read(services.course_mail.proves, f"{invitation}-{'a' * 43}", "invited@school.test")
    await world.read(services.registering.find_unproven, "new@school.test")
    await services.registering.ask_again("new@school.test", Client("192.0.2.1"))
    await make_sender(world).drain()
    await world.read(services.mail.list_of_user, learner_id)
    await services.mail.purge(world.database)
    await world.write(services.mail.forget_user, learner_id)


async def act_with_keys(school: School) -> None:
    """Call with an API key for the learners, read the list of keys to its end, and revoke the key."""
    key = {"name": "Relay", "scopes": ["events:write"], "userId": "{system_id}"}
    made = (await school.ask("admin", "POST", "/api/v1/keys", key)).json()["data"]
    course_id = int(school.ids["course"])
    users = ("id:{learner_id}", "ext:nobody", "email:{known_email}")
    events = [{"user": school.filled(user), "activity_type": "x.y", "course_id": course_id} for user in users]
    bearer = {"Authorization": f"Bearer {made['key']}"}
    answered = [await school.client.post("/api/v1/events", json={"events": events}, headers=bearer)]
    await school.world.services.api_keys.write_uses()
    first = await school.ask("admin", "GET", "/api/v1/keys?limit=1")
    cursor = first.json()["metadata"]["nextCursor"]
    answered.append(await school.ask("admin", "GET", f"/api/v1/keys?limit=1&cursor={cursor}"))
    answered.append(await school.ask("admin", "DELETE", f"/api/v1/keys/{made['id']}"))
    assert [each for each in answered if not each.is_success] == []


async def open_pages_of_administrators(school: School) -> None:
    """Open the lists of accounts and courses with each kind of search, an account, the log, and the state of the server."""
    cookie = {"Cookie": f"headway-access={school.world.services.tokens.issue(school.people['admin'])}"}
    for path in (
        *(
            f"users?{search}"
            for search in (
                "",
                "q=participant",
                "q={known_email}",
                "q={learner_id}",
                "role=ADMIN&state=active",
                "sort=name",
                "sort=active&q=p",
            )
        ),
        "users/{learner_id}",
        *("courses", "courses?q=course", "courses?tutor=instructor"),
        *("log", "log?person={learner_id}", "log?target_type=COURSE"),
        *("health", "settings"),
        *("webhooks", "webhooks/{webhook}", "webhooks/{webhook}?status=delivered"),
        "keys",
    ):
        assert (await school.client.get(school.filled(f"/app/admin/{path}"), headers=cookie)).status_code == 200, path
