"""Profiles: an account with what follows from the learner's work."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from headway.accounts import store as users
from headway.accounts.model import Account
from headway.db.database import ReadTransaction
from headway.errors import NotFound
from headway.instants import Milliseconds
from headway.learning.points import points
from headway.learning.store import read_figures

QuizCounter: TypeAlias = Callable[[ReadTransaction, int], Awaitable[int]]
"""Counts the quizzes outside courses that a user passed."""


class Profile(NamedTuple):
    """An account with the learner's figures."""

    account: Account
    course_ids: list[int]
    """Courses to which the learner has access."""
    study_ms: Milliseconds
    points: int


class Profiles:
    """Reads profiles. `count_other_quizzes` counts passed quizzes of the rooms above this one."""

    def __init__(self, count_other_quizzes: QuizCounter) -> None:
        self._count_other_quizzes = count_other_quizzes

    async def read(self, tx: ReadTransaction, user_id: int) -> Profile:
        """Read a user's own profile. Raises NotFound USER_NOT_FOUND."""
        account = await users.find_account(tx, user_id)
        if account is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        figures = await read_figures(tx, user_id)
        other_quizzes = await self._count_other_quizzes(tx, user_id)
        earned = points(
            completed_units=figures.completed_units,
            passed_quizzes=figures.passed_quizzes + other_quizzes,
            completed_courses=figures.completed_courses,
        )
        return Profile(account, figures.open_course_ids, figures.study_ms, earned)
