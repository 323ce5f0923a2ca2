"""A school: two tutors with a course each, learners, what they handed in and wrote, and accounts that see all."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from headway.accounts.model import User
from headway.courses.model import NewAssessment, NewCourse, NewModule, NewUnit
from headway.db.database import WriteTransaction
from headway.enrollments.enrolling_model import Invitation, Wanted
from headway.identity import Caller, Role, Scope
from headway.webhooks import deliveries_store
from headway.webhooks.model import Attempt, Delivery, NewWebhook, Webhook
from tests.world import World

ROLES = ("nobody", "stranger", "learner", "peer", "tutor", "other tutor", "admin", "system")


class School:
    """The people by their role, and the ids of things; the `learner` wrote and handed in what is there."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client
        self.people: dict[str, User] = {}
        self.ids: dict[str, str] = {}

    async def build(self) -> None:
        roles = [Role.PARTICIPANT] * 3 + [Role.INSTRUCTOR] * 2 + [Role.ADMIN, Role.SYSTEM]
        for name, role in zip(ROLES[1:], roles, strict=True):
            self.people[name] = await self.world.user(role)
        world, services, people = self.world, self.world.services, self.people
        units = NewUnit("One", external_id="https://example.org/units/1"), NewUnit("Two")
        modules = (NewModule("First", units=units, external_id="chapter@1"), NewModule("Second", units=(NewUnit("Three"),)))
        # A database may have several schools.
        external_id = f"school-{people['admin'].id}"
        task = NewAssessment("Task", max_grade=10)
        course = NewCourse("Course", modules=modules, assessments=(task,), external_id=external_id)
        tree = await world.write(services.course_editing.create, course, owner_id=people["tutor"].id)
        hidden = await world.write(
            services.course_editing.create, NewCourse("Hidden", is_published=False), owner_id=people["other tutor"].id
        )
        for name in ("learner", "peer"):
            await world.write(services.enrollments.enroll, people[name].id, tree.id)
        learner = Caller(people["learner"].id, Role.PARTICIPANT)
        submission, _ = await self.world.write(
            services.assessments.submit, learner, tree.assessments[0].id, "https://github.com/ada/engine"
        )
        key, _ = await self.world.write(services.api_keys.create, "Relay", [Scope.EVENTS_WRITE], user_id=people["system"].id)
        full = await world.write(services.course_editing.create, NewCourse("Full", capacity=0), owner_id=people["tutor"].id)
        for name in ("peer", "stranger"):
            await world.write(services.enrollments.enroll_or_wait, people[name].id, full.id)
        tutor = Caller(people["tutor"].id, Role.INSTRUCTOR)
        invited = [Wanted("email:invited@school.test")]
        (verdict,) = await world.write(services.enrolling.enroll, tutor, tree.id, invited)
        assert isinstance(verdict.place, Invitation)
        message = await self.world.write(services.messaging.send, people["learner"].id, people["peer"].id, "Hello")
        webhook, delivery = await world.write(self._make_webhook)
        self.ids = {
            "webhook": str(webhook.id),
            "delivery": str(delivery.id),
            "course": str(tree.id),
            "course_external_id": external_id,
            "hidden": str(hidden.id),
            "full": str(full.id),
            "invitation": str(verdict.place.id),
            "module": str(tree.modules[0].id),
            "second_module": str(tree.modules[1].id),
            "unit": str(tree.units[0].id),
            "assessment": str(tree.assessments[0].id),
            "submission": submission.id,
            "message": message.id,
            "key": str(key.id),
            **{f"{name.replace(' ', '_')}_id": str(user.id) for name, user in people.items()},
        }

    async def _make_webhook(self, tx: WriteTransaction) -> tuple[Webhook, Delivery]:
        """Make a webhook with a delivery that has arrived; it is disabled, so that nothing is sent from tests."""
        webhooks = self.world.services.webhooks
        made = await webhooks.create(tx, None, NewWebhook("https://hooks.example.org/in"))
        delivery = await webhooks.test(tx, None, made.id)
        delivery.settle(Attempt(self.world.clock(), 20, 204), jitter=0)
        await deliveries_store.settle(tx, [delivery], self.world.clock())
        return await webhooks.change(tx, None, made.id, lambda stored: stored, enable=False), delivery

    async def ask(self, role: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request of somebody; `{name}` in path and body stands for an id."""
        bearer = {} if role == "nobody" else self.world.bearer(self.people[role])
        return await self.client.request(method, self.filled(path), json=self.filled(body), headers=bearer | headers)

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, identity in self.ids.items():
                value = value.replace(f"{{{name}}}", identity)
            return value
        if isinstance(value, dict):
            return {name: self.filled(each) for name, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value


Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient) -> School:
    built = School(world, client)
    await built.build()
    return built
