"""Everything that changes what live clients know, through every contract."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx

from headway.accounts.model import User
from headway.courses.model import CourseKind, CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.errors import Conflict, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY, system_clock
from headway.services import Services
from tests.integration.live_state import Servers
from tests.world import EVERY_RULE, World

MANY_UNITS = 150
"""So many units of one module do not fit into a message of 8,000 bytes."""


class Room(NamedTuple):
    """Courses of one tutor: one with all rules, one with a single seat, one with a very long module, one for a day."""

    main: CourseTree
    session: CourseTree
    long: CourseTree
    brief: CourseTree
    learners: list[User]
    tutor: User
    colleague: User
    service: User
    tokens: dict[int, str]

    @property
    def courses(self) -> tuple[CourseTree, ...]:
        return self.main, self.session, self.long, self.brief


async def make_room(world: World) -> Room:
    tutor, colleague = [await world.user(Role.INSTRUCTOR) for _ in range(2)]
    service, learners = await world.user(Role.SYSTEM), [await world.user() for _ in range(3)]
    first = NewModule("First", units=tuple(NewUnit(f"Unit {rule.rule}", completion=rule) for rule in EVERY_RULE))
    extra = NewModule("Extra", units=(NewUnit("Extra", is_required=False),))
    many = NewModule("Long", units=tuple(NewUnit(f"Unit {number}") for number in range(MANY_UNITS)))
    new = (
        NewCourse("Main", modules=(first, extra), assessments=(NewAssessment("Essay"),)),
        NewCourse("Session", kind=CourseKind.SESSION, capacity=1),
        NewCourse("Long", modules=(many,)),
        NewCourse("Brief", access_days=1, modules=(NewModule("Only", units=(NewUnit("Only"),)),)),
    )
    main, session, long_, brief = [
        await world.write(world.services.course_editing.create, course, owner_id=tutor.id) for course in new
    ]
    for learner in learners:
        for tree in (main, long_):
            await world.write(world.services.enrollments.enroll, learner.id, tree.id)
    everybody = [tutor, colleague, service, *learners]
    tokens = {user.id: world.tokens.issue(user) for user in everybody}
    return Room(main, session, long_, brief, learners, tutor, colleague, service, tokens)


Change = Callable[[], Awaitable[bool]]


class Changes:
    """Makes changes of all kinds at random."""

    def __init__(self, room: Room, servers: Servers, world: World, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        """How many of each kind took effect."""
        self._room, self._servers, self._world, self._chance = room, servers, world, chance
        self._frequent: list[Change] = [self.track, self.batch, self.heartbeat, self.update, self.update_by_service]
        self._others: list[Change] = [
            *(
                self.complete_module,
                self.complete_long_module,
                self.come_or_go,
                self.take_or_free_the_seat,
                self.set_status,
                self.expire,
                self.edit_course,
                self.reset_progress,
                self.undo_reset,
            ),
            *(self.submit, self.grade, self.write, self.read_message, self.read_conversation),
            *(self.report_chapter, self.submit_quiz, self.complete_tutorial, self.reset_tutorial, self.settle_tutorial),
            *(self.change_staff, self.come_and_go_beside_the_servers),
        ]
        self.kinds = [kind.__name__ for kind in self._frequent + self._others]

    async def make(self, rounds: int) -> None:
        """Make changes of each kind, in any order, again and again."""
        each = self._frequent * 5 + self._others
        for _ in range(rounds):
            await self.reopen(self._learner())
            for kind in self._chance.sample(each, len(each)):
                self.done[kind.__name__] += await kind()

    async def reopen(self, learner: User, course: CourseTree | None = None) -> None:
        """Let a learner be enrolled in a course, by default the main one, whatever has happened."""
        path = f"/api/v1/courses/{(course or self._room.main).id}"
        await self._send(self._room.tutor, "PATCH", f"{path}/enrollments/{learner.id}", {"status": "DROPPED"})
        await self._send(learner, "POST", f"{path}/enroll")

    async def complete_extra(self, learner: User) -> None:
        """Complete the unit that nothing else completes, in this process, beside the servers."""
        module_id = self._room.main.modules[1].id
        caller = Caller(learner.id, learner.role)
        await self._world.write(self._world.services.learning.complete_module, caller, self._room.main.id, module_id)

    async def track(self) -> bool:
        return await self._ok(self._learner(), "POST", "/api/courses/activity/track", self._event())

    async def batch(self) -> bool:
        events = [self._event() for _ in range(self._chance.randint(2, 6))] + [{"activity_type": "heartbeat", **self._beat()}]
        return await self._ok(self._learner(), "POST", "/api/courses/activity/batch", {"events": events})

    async def heartbeat(self) -> bool:
        return await self._ok(self._learner(), "POST", "/api/courses/activity/heartbeat", self._beat())

    async def update(self) -> bool:
        return await self._ok(self._learner(), "POST", "/user-progress/update", self._update())

    async def update_by_service(self) -> bool:
        body = self._update() | {"userId": self._learner().id}
        return await self._ok(self._room.service, "POST", "/user-progress/update", body)

    async def reset_progress(self) -> bool:
        main = self._room.main
        path = f"/api/v1/courses/{main.id}/enrollments/{self._learner().id}"
        one = {"unitId": str(self._chance.choice(main.units).id), "keepStudyTime": self._chance.random() < 0.5}
        what, body = self._chance.choice([("resets", one), ("resets", {}), ("attempts", {})])
        return await self._ok(self._room.tutor, "POST", f"{path}/{what}", body)

    async def undo_reset(self) -> bool:
        learner, course_id = self._learner(), self._room.main.id
        tutor = Caller(self._room.tutor.id, self._room.tutor.role)
        shown = await self._world.read(self._world.services.resets.read_resets, tutor, course_id, learner.id)
        ids = [each.reset.id for each in shown if each.is_last]
        path = f"/api/v1/courses/{course_id}/enrollments/{learner.id}/resets/{ids[0] if ids else 1}/undo"
        return await self._ok(self._room.tutor, "POST", path)

    async def complete_module(self) -> bool:
        main = self._room.main
        return await self._ok(
            self._learner(), "PATCH", f"/api/v1/learner/me/progress/{main.id}", {"moduleId": str(main.modules[0].id)}
        )

    async def complete_long_module(self) -> bool:
        long = self._room.long
        body = {"moduleId": str(long.modules[0].id)}
        return await self._ok(self._learner(), "PATCH", f"/api/v1/learner/me/progress/{long.id}", body)

    async def come_or_go(self) -> bool:
        learner, path = self._learner(), f"/api/v1/courses/{self._room.main.id}/enroll"
        return await self._ok(learner, "DELETE", path) | await self._ok(learner, "POST", path)

    async def take_or_free_the_seat(self) -> bool:
        method = self._chance.choice(["POST", "DELETE"])
        return await self._ok(self._learner(), method, f"/api/v1/courses/{self._room.session.id}/enroll?waitlist=true")

    async def set_status(self) -> bool:
        learner, course = self._learner(), self._chance.choice(self._room.courses)
        path = f"/api/v1/courses/{course.id}/enrollments/{learner.id}"
        done = await self._ok(
            self._room.tutor, "PATCH", path, {"status": self._chance.choice(["EXPIRED", "DROPPED", "CERTIFIED"])}
        )
        await self.reopen(learner)
        return done

    async def expire(self) -> bool:
        """Let days of access run out, as the servers do by themselves."""
        await self.reopen(self._learner(), self._room.brief)
        later = Services(self._world.settings, self._world.database, lambda: system_clock() + 2 * DAY)
        return await later.enrollments.expire(self._world.database) > 0

    async def edit_course(self) -> bool:
        """Change a rule and what is required in the first module, add a unit, and retire one that was added."""
        path = f"/api/v1/courses/{self._room.main.id}"
        token = self._room.tokens[self._room.tutor.id]
        modules = (await self._servers.get(token, path))["data"]["modules"]
        units = modules[0]["units"]
        unit = self._chance.choice(units)
        unit["completion"] = self._chance.choice([{"rule": "viewed"}, {"rule": "scroll", "threshold": 50}, {"rule": "manual"}])
        unit["required"] = len(units) < 3 or self._chance.random() < 0.5
        if len(units) > len(EVERY_RULE):
            units.pop()
        elif self._chance.random() < 0.5:
            units.append({"title": "Added"})
        return await self._ok(self._room.tutor, "PATCH", path, {"modules": modules})

    async def submit(self) -> bool:
        url = f"https://github.com/a/{self._chance.randrange(1_000)}"
        path = f"/api/v1/assessments/{self._assessment}/submit"
        return await self._ok(self._learner(), "POST", path, {"submissionUrl": url})

    async def grade(self) -> bool:
        path = f"/api/v1/assessments/{self._assessment}/submissions?limit=500"
        submitted = (await self._servers.get(self._room.tokens[self._room.tutor.id], path))["data"]
        if not submitted:
            return False
        body = {"grade": self._chance.randint(0, 100), "feedback": "Good"}
        path = f"/api/v1/submissions/{self._chance.choice(submitted)['id']}"
        return await self._ok(self._room.tutor, "PATCH", path, body)

    async def write(self) -> bool:
        sender, receiver = self._chance.sample(self._room.learners, 2)
        body = {"receiverId": str(receiver.id), "message": f"Hello {self._chance.randrange(1_000)}"}
        return await self._ok(sender, "POST", "/api/v1/learner/messages", body)

    async def read_message(self) -> bool:
        reader = self._learner()
        found = (await self._servers.get(self._room.tokens[reader.id], "/api/v1/learner/messages?limit=500"))["data"]
        unread = [each["id"] for each in found if each["receiverId"] == str(reader.id) and not each["isRead"]]
        return bool(unread) and await self._ok(reader, "PATCH", f"/api/v1/learner/messages/{unread[-1]}", {"isRead": True})

    async def read_conversation(self) -> bool:
        reader, peer = self._chance.sample(self._room.learners, 2)
        return await self._ok(reader, "PATCH", f"/api/v1/learner/conversations/{peer.id}", {"isRead": True})

    async def report_chapter(self) -> bool:
        body = {"chapterId": f"chapter-{self._chance.randrange(3)}", "watchTime": 9, "completed": True, "totalChapters": 3}
        return await self._ok(self._learner(), "POST", "/v1/tutorials/progress/intro/chapter", body)

    async def submit_quiz(self) -> bool:
        body = {"quizId": "quiz", "score": self._chance.randint(5, 10), "maxScore": 10, "passed": True}
        return await self._ok(self._learner(), "POST", "/v1/tutorials/progress/intro/quiz", body)

    async def complete_tutorial(self) -> bool:
        learner = self._learner()
        for number in range(3):
            body = {"chapterId": f"chapter-{number}", "watchTime": 9, "completed": True, "totalChapters": 3}
            await self._send(learner, "POST", "/v1/tutorials/progress/intro/chapter", body)
        return await self._ok(learner, "POST", "/v1/tutorials/progress/intro/complete", {})

    async def reset_tutorial(self) -> bool:
        return await self._ok(self._learner(), "DELETE", "/v1/tutorials/progress/intro")

    async def settle_tutorial(self) -> bool:
        body = {"totalChapters": self._chance.randint(2, 5)}
        return await self._ok(self._room.service, "PATCH", "/v1/tutorials/progress/intro/chapters", body)

    async def change_staff(self) -> bool:
        path = f"/api/v1/courses/{self._room.main.id}/staff/{self._room.colleague.id}"
        method = self._chance.choice(["PUT", "PUT", "DELETE"])
        return await self._ok(self._room.tutor, method, path, {"role": "instructor"} if method == "PUT" else None)

    async def come_and_go_beside_the_servers(self) -> bool:
        """Leave and enroll in this process, as a command does."""
        learner, enrollments = self._learner(), self._world.services.enrollments
        try:
            await self._world.write(enrollments.leave, learner.id, self._room.main.id)
            await self._world.write(enrollments.enroll, learner.id, self._room.main.id)
        except (Conflict, NotFound):
            return False
        return True

    @property
    def _assessment(self) -> int:
        return self._room.main.assessments[0].id

    def _learner(self) -> User:
        return self._chance.choice(self._room.learners)

    def _place(self) -> dict[str, int]:
        return {"course_id": self._room.main.id, "unit_id": self._chance.choice(self._room.main.units[:-1]).id}

    def _event(self) -> dict[str, Any]:
        share = self._chance.randint(1, 100)
        kinds: list[dict[str, Any]] = [
            {"activity_type": "unit_view"},
            {"activity_type": "unit_complete"},
            {"activity_type": "video_progress", "engagement_metrics": {"video_watch_percentage": share}},
            {"activity_type": "unit_view", "engagement_metrics": {"scroll_depth": share}, "duration_seconds": share},
            {"activity_type": "quiz_submit", "metadata": {"score": share, "max_score": 100}},
        ]
        return self._chance.choice(kinds) | self._place()

    def _beat(self) -> dict[str, Any]:
        return self._place() | {"is_active": True, "active_seconds": self._chance.randint(1, 30)}

    def _update(self) -> dict[str, Any]:
        place = self._place()
        return {
            "courseId": place["course_id"],
            "courseContentId": place["unit_id"],
            "progressPercent": self._chance.randint(1, 99),
        }

    async def _ok(self, user: User, method: str, path: str, body: Any = None) -> bool:
        """Send a request that may come at a bad time; return whether it took effect."""
        answer = await self._send(user, method, path, body)
        assert answer.is_success or answer.status_code in {400, 403, 404, 409}, (path, answer.text)
        return answer.is_success

    async def _send(self, user: User, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._servers.send(self._room.tokens[user.id], method, path, body)
