"""What `headway demo` loads: a real course run that ends today, a small course about Headway, and the people who sign in."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from headway.accounts.model import NewUser, User
from headway.assessments.model import NewGrade
from headway.courses.model import CourseTree
from headway.db.database import WriteTransaction
from headway.enrollments import store as enrollments
from headway.identity import Caller, Role
from headway.importers import course_file, oulad
from headway.importers.oulad_files import OuladFolder
from headway.instants import DAY
from headway.services import Services
from headway.web import reader

FOLDER = Path(oulad.__file__).parent / "data" / "oulad-aaa-2013j"
_READERS = 12
"""How many learners of the run are also in the small course."""
_HANDED_IN = 16
_UNGRADED = 5
"""How many learners have handed in the first assessment early, and how many of them wait for a grade."""
_FEEDBACK = (
    "Clear and well argued. The second example carries the point; the first one could go.",
    "Good start. Say in the introduction what you are going to show, and it will read twice as fast.",
    "You know the texts. Try to disagree with one of them.",
)
_TO_LEARNER = (
    "I saw that you went through the first week in two evenings. That is quick. Is the pace right for you?",
    "It is, thank you! I had some days off. Is the first assignment marked before the second one opens?",
    "Yes, within a week. Hand it in when you are ready; you need not wait for the date.",
)
_FROM_LEARNER = "The link on “Resources 7” asks me for a password. Is that meant to be so?"


class DemoPeople(NamedTuple):
    """Those who may sign in, and the run that they find."""

    learner: User
    instructor: User
    admin: User
    course: CourseTree
    run: oulad.Summary


class DemoImport:
    """Loads the demo into an empty database."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._run = oulad.OuladImport(FOLDER, services, ends=services.clock() // DAY)
        self.rows = self._run.rows

    async def run(self, advance: Callable[[int], None]) -> DemoPeople:
        """Load everything; `advance` is called with the number of further rows that are done."""
        services, summary = self._services, await self._run.run(advance)
        password_hash = await services.sign_in.hash_new(reader.PASSWORD)
        async with services.database.write() as tx:
            instructor = await services.accounts.find_by_email(tx, oulad.OWNER_EMAIL)
            course = await self._find_run(tx)
            active = await enrollments.most_active(tx, course.id, limit=_HANDED_IN)
            learner = await services.accounts.change(tx, active[0], email=reader.LEARNER_EMAIL)
            new = NewUser(Role.ADMIN, "Demo operator", reader.ADMIN_EMAIL, password_hash=password_hash)
            admin = await services.accounts.add_as_operator(tx, new)
            for user in (learner, instructor):
                await services.sign_in.set_password(tx, user.id, password_hash)
            await self._hand_in(tx, course, active, instructor)
            await self._create_small_course(tx, active[:_READERS])
            await self._write_messages(tx, learner, instructor, active[1])
            learner, instructor = [await services.accounts.find(tx, user.id) for user in (learner, instructor)]
        return DemoPeople(learner, instructor, admin, course, summary)

    async def _find_run(self, tx: WriteTransaction) -> CourseTree:
        found = await self._services.courses.find_by_slug(tx, FOLDER.name)
        assert found is not None  # noqa: S101 - it was just imported
        return found

    async def _hand_in(self, tx: WriteTransaction, course: CourseTree, learner_ids: list[int], instructor: User) -> None:
        """Hand in the first assessment before it is due, and grade most of it as it was graded at the Open University."""
        services, assessment = self._services, course.assessments[0]
        scores = await self._scores(tx, assessment.title)
        for number, learner_id in enumerate(learner_ids):
            url = f"https://docs.google.com/document/d/headway-demo-{number + 1}"
            learner = Caller(learner_id, Role.PARTICIPANT)
            submission, _ = await services.assessments.submit(tx, learner, assessment.id, url)
            if number < len(learner_ids) - _UNGRADED and learner_id in scores:
                grade, feedback = scores[learner_id], _FEEDBACK[number % len(_FEEDBACK)]
                await services.assessments.grade(tx, _caller(instructor), submission.id, NewGrade(grade, feedback))

    async def _scores(self, tx: WriteTransaction, title: str) -> dict[int, float]:
        """Return the scores of an assessment in the dataset, by learner."""
        results = OuladFolder(FOLDER).results({int(title.rpartition(" ")[2])})
        scores = {f"oulad-{each.student}": each.score for each in results if each.score is not None}
        found: dict[int, float] = {}
        for external_id, score in scores.items():
            user = await self._services.accounts.ensure(tx, role=Role.PARTICIPANT, name=external_id, external_id=external_id)
            found[user.id] = score
        return found

    async def _create_small_course(self, tx: WriteTransaction, learner_ids: list[int]) -> None:
        new_course, owner = course_file.read(reader.COURSE_FILE, self._services.course_limits)
        owner_id = (await self._services.accounts.find_by_email(tx, owner)).id
        course = await self._services.course_editing.create(tx, new_course, owner_id=owner_id)
        for learner_id in learner_ids:
            await self._services.enrollments.enroll(tx, learner_id, course.id)

    async def _write_messages(self, tx: WriteTransaction, learner: User, instructor: User, other_id: int) -> None:
        send = self._services.messaging.send
        for number, text in enumerate(_TO_LEARNER):
            sender, receiver = (instructor, learner) if number % 2 == 0 else (learner, instructor)
            await send(tx, sender.id, receiver.id, text)
        await send(tx, other_id, instructor.id, _FROM_LEARNER)


def _caller(user: User) -> Caller:
    return Caller(user.id, user.role, user.external_id, name=user.name, email=user.email)
