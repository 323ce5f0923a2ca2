"""A class of learners in one course, made through the services, of whom some need help."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.attention.model import RuleName
from headway.attention.service import CourseFindings
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment
from headway.errors import Conflict
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.paging.model import Place
from tests.world import World

COMPLETIONS = (Completion(Rule.VIEWED), Completion(Rule.TIME, 50_000), Completion(Rule.QUIZ, 60), Completion(Rule.QUIZ, 80))
UNITS = ("viewed", "time", "quiz", "hard quiz", "extra")


class AttentionClass:
    """The course, its tutor, and what its learners do."""

    def __init__(self, world: World, course: CourseTree) -> None:
        self.world = world
        self.course = course
        self.tutor = Caller(course.owner_id, Role.INSTRUCTOR, name="INSTRUCTOR 1")
        self.units = dict(zip(UNITS, (unit.id for unit in course.units), strict=True))
        self.assessments = [each.id for each in course.assessments]
        self._events = 0

    @property
    def attention(self) -> Any:
        return self.world.services.attention

    async def learner(self, name: str | None = None) -> User:
        given = {} if name is None else {"name": name}
        made = await self.world.write(
            self.world.services.accounts.create, role=Role.PARTICIPANT, **({"name": "Somebody"} | given)
        )
        await self.world.write(self.world.services.enrollments.enroll, made.id, self.course.id)
        return made

    async def study(
        self, user_id: int, unit: str | None = "viewed", *, minutes: int = 10, score: float | None = None, ago: int = 0
    ) -> None:
        """Study now, or some milliseconds ago, in a unit or in the course alone; with a score, submit its quiz."""
        self._events += 1
        now = self.world.clock.now
        event = Event(
            f"event {self._events}",
            ActivityType.UNIT_VIEW if score is None else ActivityType.QUIZ_SUBMIT,
            self.course.id,
            unit_id=None if unit is None else self.units[unit],
            start_time=now - ago - minutes * MINUTE,
            end_time=now - ago,
            duration_seconds=minutes * 60,
            metadata=None if score is None else f'{{"max_score":100,"score":{score}}}',
            quiz_score_percent=score,
        )
        report = Report(user_id, now, (event,))
        ((verdict,),) = await self.world.write(self.world.services.tracking.record, [report], now)
        assert verdict.outcome is Outcome.ACCEPTED, verdict

    async def grade(self, user_id: int, assessment: int, grade: float) -> None:
        assessments, caller = self.world.services.assessments, Caller(user_id, Role.PARTICIPANT)
        url = "https://github.com/a/b"
        handed_in, _ = await self.world.write(assessments.submit, caller, self.assessments[assessment], url)
        await self.world.write(assessments.grade, self.tutor, handed_in.id, NewGrade(grade))

    async def find(self, user_ids: Sequence[int] | None = None) -> CourseFindings:
        found: CourseFindings = await self.world.read(self.attention.find, self.tutor, self.course.id, user_ids)
        return found

    def pass_days(self, days: float) -> None:
        self.world.clock.advance(seconds=days * DAY / 1000)

    async def live(self, learners: int, days: int, seed: int) -> list[int]:
        """Have learners come, study, hand in and leave at random over some days; return their ids."""
        chance = random.Random(seed)
        everybody: list[int] = []
        for day in range(days):
            self.pass_days(1)
            while len(everybody) < learners * (day + 1) / days:
                everybody.append((await self.learner()).id)
            for user_id in everybody:
                if chance.random() < 0.12 + 0.2 * (user_id % 3):
                    unit = chance.choice([None, *UNITS])
                    score = float(chance.randint(0, 100)) if unit in {"quiz", "hard quiz"} else None
                    ago = chance.choice([0, HOUR, 2 * HOUR])
                    if user_id % 5 or day % 9 < 2:
                        await self.study(user_id, unit, minutes=chance.choice([0, 10, 90]), score=score, ago=ago)
                if chance.random() < 0.04:
                    number = chance.randrange(len(self.assessments))
                    with suppress(Conflict):
                        # Unless the work has been graded already.
                        await self.grade(user_id, number, float(chance.randint(0, 80)))
        for user_id in everybody[:: max(learners // 3, 2)]:
            await self.world.write(self.world.services.enrollments.leave, user_id, self.course.id)
        return everybody


def note_in(places: list[Place]) -> Callable[[Place], str]:
    """Return what writes cursors for a walk: it notes the places, of which the last one is the next page."""

    def note(place: Place) -> str:
        places.append(place)
        return "cursor"

    return note


async def make_class(world: World, **given: Any) -> AttentionClass:
    assessments = tuple(NewAssessment(f"Task {number}", max_grade=80) for number in range(3))
    return AttentionClass(world, await world.course(COMPLETIONS, assessments=assessments, **given))


def named(values: tuple[int, ...]) -> dict[str, int]:
    """Return the findings among the values of all rules, by the names of the rules."""
    return {name.value: value for name, value in zip(RuleName, values, strict=True) if value >= 0}
