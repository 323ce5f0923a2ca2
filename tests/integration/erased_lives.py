"""A learner with a name that nothing else has, who does everything that a learner can, and of whom others write."""

from typing import Any

import httpx
from sqlalchemy import Table, insert

from headway.accounts import links_store
from headway.accounts.link_model import LinkPurpose, StoredLink
from headway.accounts.tables import api_keys
from headway.attention import store as attention_store
from headway.attention.learners import SavedFilter
from headway.attention.model import Dismissal, RuleName
from headway.attention.tables import saved_filters
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.learning.tables import client_clocks
from headway.mail import store as mail_store
from headway.mail.model import Letter, MailKind
from headway.paging.tables import list_orders
from headway.rosters.tables import roster_places
from headway.webhooks.model import NewWebhook
from tests.contract.rights.conftest import School
from tests.world import World

NAME, ADDRESS, EXTERNAL_ID = "Zaphodine Quillfeather", "zaphodine.q@heartofgold.example", "subject-zq-4711"
OTHER_ADDRESS = "zaphodine.new@magrathea.example"
FORMER_ADDRESS, FORMER_ID = "zaphodine.old@earth.example", "former-zq-0815"
PASSWORD = "Pan-Galactic-1"
CLIENT, AGENT = "203.0.113.177", "SubEthaBrowser/4242"
TEXTS = {
    "name": NAME,
    "part of the name": "quillfeather",
    "address": ADDRESS,
    "external id": EXTERNAL_ID,
    "former address": FORMER_ADDRESS,
    "asked address": OTHER_ADDRESS,
    "former external id": FORMER_ID,
    "message sent": "Meet me where the improbable happens",
    "message received": "The tea is almost entirely unlike tea",
    "message to many": "Your towel was found in the lecture hall",
    "feedback": "Mostly harmless but well argued",
    "reset": "Answered the sofa in the staircase",
    "note": "Lost a second head in the lift",
    "dismissal": "Travels until the next eclipse",
    "work": "github.com/zq-engine/essay",
    "certificate": "certificates.example.org/zq-certificate",
    "event": "vogon-poetry-in-metadata",
    "session": "session-of-zq",
    "event id": "first-event-of-zq",
    "unit": "bookmark-of-zq",
    "interest": "Bistromathics",
    "goal": "Understand the number after 41",
    "activity": "Parked beside the restaurant",
    "client": CLIENT,
    "user agent": AGENT,
}
"""Everything personal, by what it is."""

PERSONAL = (
    *("attention_dismissals.note", "audit_entries.content", "course_notes.text", "feed.data", "idempotency_keys.answer"),
    *("mails.answer", "mails.letter", "mails.recipient", "messages.message", "personal_keys.key", "resets.reason"),
    "submissions.feedback",
)
"""The columns that are under personal keys, and the keys."""

ERASED = (
    *("account_links.email", "account_links.secret_hash"),
    "api_keys.name",
    *("audit_entries.action", "audit_entries.actor_id", "audit_entries.target_id", "client_clocks.session_id"),
    *("earlier_progress.client_metadata", "enrollments.certificate_url"),
    *("idempotency_keys.key", "idempotency_keys.request"),
    *("invitations.email", "invitations.email_hash", "invitations.link_hash"),
    *("learner_activity_logs.event_id", "learner_activity_logs.metadata", "learner_activity_logs.session_id"),
    *("list_orders.id", "list_orders.keys"),
    *("registrations.content", "registrations.email_hash", "registrations.link_hash", "registrations.password_hash"),
    *("resets.before", "roster_places.part", "roster_places.source", "saved_filters.name", "saved_filters.query"),
    *("sessions.id", "sessions.replaced", "submissions.submission_url"),
    *("uncounted_events.event_id", "unit_progress.client_metadata"),
    *("users.email", "users.email_hash", "users.external_id", "users.folded_name", "users.interests"),
    *("users.learning_goals", "users.name", "users.password_hash", "webhook_deliveries.attempts", "webhook_deliveries.data"),
)
"""The columns whose values an erasure removes, or replaces where they tell who it was."""


def found_in(content: bytes | str) -> list[str]:
    """Name what of the person is in a text, in whatever case."""
    lower = (content if isinstance(content, bytes) else content.encode()).lower()
    return [name for name, value in TEXTS.items() if value.lower().encode() in lower]


class Life:
    """The person in a school; `client` comes from an address of its own, `others` do not."""

    def __init__(self, school: School, client: httpx.AsyncClient) -> None:
        self.school = school
        self.client = client
        self.user_id = 0
        self.key = {"Idempotency-Key": "once"}
        self.update: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        """What a service has recorded of the person."""

    @property
    def world(self) -> World:
        return self.school.world

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request as the person."""
        bearer = self.world.bearer(await self.world.find_user(self.user_id)) if self.user_id else {}
        return await self.client.request(
            method, self.school.filled(path), json=self.school.filled(body), headers=bearer | headers
        )

    async def others(self, role: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request as somebody else."""
        answer = await self.school.ask(role, method, path, body, **headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer

    async def live(self) -> None:
        """Do everything."""
        await self._come()
        await self._study()
        await self._meet_staff()
        await self._talk()
        await self._leave_traces()

    async def _come(self) -> None:
        services = self.world.services
        credentials = {"email": ADDRESS, "password": PASSWORD}
        assert (await self.ask("POST", "/api/v1/learner/auth/login", credentials)).status_code == 401
        invited = {"items": [{"user": f"email:{ADDRESS}"}]}
        await self.others("tutor", "POST", "/api/v1/courses/{course}/enrollments", invited, **self.key)
        naming = {
            "action": "TOLD",
            "target": {"type": "USER", "id": f"ext:{EXTERNAL_ID}"},
            "actor": {"userId": f"email:{ADDRESS}", "name": NAME, "email": ADDRESS},
        }
        await self.others("system", "POST", "/api/v1/activities", naming)
        new = {"name": NAME, "email": FORMER_ADDRESS, "password": PASSWORD, "interests": [TEXTS["interest"]]}
        made = await self.ask("POST", "/api/v1/learner/auth/register", new, **self.key)
        assert made.status_code == 201, made.text
        self.user_id = int(made.json()["data"]["id"])
        self.school.ids["zq"] = str(self.user_id)
        await self.world.write(services.accounts.set_external_id, self.user_id, FORMER_ID)
        await self.world.write(services.accounts.set_external_id, self.user_id, EXTERNAL_ID)
        former = {"email": FORMER_ADDRESS, "password": PASSWORD}
        assert (await self.ask("POST", "/api/v1/learner/auth/login", former)).status_code == 201
        await self.world.write(services.accounts.change, self.user_id, email=ADDRESS)
        assert (await self.ask("POST", "/api/v1/learner/auth/login", credentials)).status_code == 201
        assert (await self.ask("POST", "/api/v1/learner/auth/login", {**credentials, "password": "no"})).status_code == 401
        assert (await self.ask("POST", "/api/v1/learner/auth/login", former)).status_code == 401
        about = {"interests": [TEXTS["interest"]], "learningGoals": [TEXTS["goal"]]}
        assert (await self.ask("PATCH", "/api/v1/learner/me", about)).status_code == 200
        self.told = naming
        naming["actor"] = {"userId": f"ext:{EXTERNAL_ID}", "name": NAME, "email": ADDRESS}
        await self.others("system", "POST", "/api/v1/activities", naming, **self.key)

    async def _study(self) -> None:
        course, unit = int(self.school.ids["course"]), int(self.school.ids["unit"])
        for activity, metadata in (
            ("unit_view", {"note": TEXTS["event"]}),
            ("quiz_submit", {"score": 9, "max_score": 10, "note": TEXTS["event"]}),
        ):
            event = {"activity_type": activity, "course_id": course, "unit_id": unit, "duration_seconds": 30}
            event |= {"metadata": metadata, "session_id": TEXTS["session"], "event_id": f"{TEXTS['event id']} {activity}"}
            answer = await self.ask("POST", "/api/courses/activity/track", event)
            assert answer.status_code == 201, answer.text
        bookmark = {"at": TEXTS["unit"]}
        self.update = {"courseId": course, "courseContentId": unit, "status": "COMPLETED", "metadata": bookmark}
        assert (await self.ask("POST", "/user-progress/update", self.update)).is_success
        chapter = {"chapterId": "one", "watchTime": 1, "completed": True, "totalChapters": 1}
        assert (await self.ask("POST", "/v1/tutorials/progress/done/chapter", chapter)).is_success
        assert (await self.ask("POST", "/api/v1/courses/{full}/enroll?waitlist=true")).status_code == 202

    async def _meet_staff(self) -> None:
        handed_in = await self.ask(
            "POST", "/api/v1/assessments/{assessment}/submit", {"submissionUrl": f"https://{TEXTS['work']}"}, **self.key
        )
        self.school.ids["zq_work"] = handed_in.json()["data"]["id"]
        grade = {"grade": 7, "feedback": TEXTS["feedback"]}
        await self.others("tutor", "PATCH", "/api/v1/submissions/{zq_work}", grade)
        certified = {"status": "CERTIFIED", "certificateUrl": f"https://{TEXTS['certificate']}"}
        for module in ("{module}", "{second_module}"):
            assert (await self.ask("PATCH", "/api/v1/learner/me/progress/{course}", {"moduleId": module})).is_success
        await self.others("tutor", "PATCH", "/api/v1/courses/{course}/enrollments/{zq}", certified)
        await self._be_reset()
        services, tutor = self.world.services, Caller(self.school.people["tutor"].id, Role.INSTRUCTOR)
        course = int(self.school.ids["course"])
        await self.world.write(services.attention.add_note, tutor, course, self.user_id, TEXTS["note"])
        now = self.world.clock()
        aside = Dismissal(self.user_id, RuleName.STUCK, 0, now + 7 * DAY, tutor.user_id, now, TEXTS["dismissal"])
        await self.world.write(attention_store.write_dismissals, course, [aside], now)
        await self.world.write(services.attention.send, tutor, course, [self.user_id], f"{TEXTS['message to many']} {{name}}")
        for name, query in (
            ("Mine", "q=Zaphodine+Quillfeather"),
            ("Also", "q=quillf"),
            ("Quillfeather", ""),
            ("Others", "q=other"),
        ):
            await self.world.write(services.learner_lists.save, tutor, course, SavedFilter(name, query))

    async def _be_reset(self) -> None:
        """Lose the progress in a unit, and get it back."""
        reset = {"unitId": "{unit}", "reason": TEXTS["reset"]}
        await self.others("tutor", "POST", "/api/v1/courses/{course}/enrollments/{zq}/resets", reset)

    async def _talk(self) -> None:
        sent = {"receiverId": "{tutor_id}", "message": TEXTS["message sent"]}
        assert (await self.ask("POST", "/api/v1/learner/messages", sent, **{"Idempotency-Key": "sent"})).status_code == 201
        answer = {"receiverId": "{zq}", "message": TEXTS["message received"]}
        await self.others("tutor", "POST", "/api/v1/learner/messages", answer, **{"Idempotency-Key": "answer"})
        await self.others("peer", "POST", "/api/v1/learner/messages", answer)

    async def _leave_traces(self) -> None:
        services = self.world.services
        target = {"type": "OTHER", "id": f"the ship of {NAME}"}
        activity = {"action": f"PARK {NAME}", "target": target, "context": {"description": TEXTS["activity"]}}
        assert (await self.ask("POST", "/api/v1/activities", activity)).is_success
        await self.others("system", "POST", "/api/v1/activities", {"action": "TOW", "target": target})
        await self._wait_for_mail()
        await self._have_rows()
        assert (await self.ask("POST", "/user-progress/update", self.update)).is_success
        await self.world.write(services.webhooks.create, None, NewWebhook("https://hooks.invalid/zq"))
        await self.world.write(services.enrollments.enroll, self.user_id, await self._other_course())
        await self.ask("GET", "/api/v1/courses?limit=1")

    async def _have_rows(self) -> None:
        """Have what only staff, rosters or late events leave."""
        now, course = self.world.clock(), int(self.school.ids["course"])
        rows: list[tuple[Table, dict[str, Any]]] = [
            (api_keys, {"name": f"Key of {NAME}", "secret_hash": "0", "created_at": now, "scopes": "events:write"}),
            (roster_places, {"course_id": course, "source": f"sis of {NAME}", "part": "learner", "since": now}),
            (saved_filters, {"course_id": course, "name": "Those who are as lost", "query": "q=lost", "saved_at": now}),
            (client_clocks, {"session_id": TEXTS["session"], "offset_ms": 0, "learned_at": now}),
            (list_orders, {"id": "an order", "number": 0, "keys": "[1]", "size": 1, "created_at": now}),
        ]
        async with self.world.database.write() as tx:
            for table, values in rows:
                await tx.run(insert(table).values(user_id=self.user_id, **values))

    async def _wait_for_mail(self) -> None:
        """Be sent a letter, and ask for a link to another address."""
        values = {"name": NAME, "token": f"{self.user_id}-secret"}
        sent = Letter(MailKind.PASSWORD_CHANGED, ADDRESS, None, values, self.user_id)
        asked = Letter(MailKind.ADDRESS_CHANGE_ASKED, OTHER_ADDRESS, None, values)
        now = self.world.clock()
        await self.world.write(mail_store.insert_letters, [("one", sent), ("two", asked)], now)
        (mail, *_) = await self.world.write(mail_store.claim, now, limit=1, until=now)
        mail.answer = f"450 {ADDRESS} is away"
        await self.world.write(mail_store.settle, [mail])
        link = StoredLink("secret", OTHER_ADDRESS, now + DAY)
        await self.world.write(links_store.write, self.user_id, LinkPurpose.ADDRESS, link, now)

    async def _other_course(self) -> int:
        made = await self.others(
            "tutor", "POST", "/api/v1/courses", {"title": "Seats", "modules": [], "capacity": 1, "published": True}
        )
        self.school.ids["seats"] = made.json()["data"]["id"]
        return int(self.school.ids["seats"])
