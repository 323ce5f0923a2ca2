"""Quick ways to make what a test needs, through the same services that the contracts use."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.db import personal_keys
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.dialects import Statement
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import from_datetime
from headway.services import Services
from headway.settings import Settings

Params = ParamSpec("Params")
Result = TypeVar("Result")

NOON = 1_767_268_800_000
"""2026-01-01T12:00:00Z"""

EVERY_RULE = (
    Completion(Rule.MANUAL),
    Completion(Rule.VIEWED),
    Completion(Rule.TIME, 60),
    Completion(Rule.SCROLL, 80),
    Completion(Rule.VIDEO, 95),
    Completion(Rule.QUIZ, 50),
)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now

    def advance(self, *, seconds: float) -> None:
        self.now += int(seconds * 1000)

    def pass_until(self, request: dict[str, Any]) -> None:
        """Let time pass until the time `at` which a request of a case file is sent, if it says so."""
        if "at" in request:
            self.now = from_datetime(datetime.fromisoformat(request["at"]))


class World:
    """The services of one database."""

    def __init__(self, database: Database, settings: Settings, clock: FakeClock) -> None:
        assert settings.secret_key is not None
        self.database = database
        self.clock = clock
        self.services = Services(settings, database, clock)
        self.settings = settings
        self.tokens = Tokens(settings.secret_key, clock, lifetime_seconds=3600)
        self._made = 0

    async def user(self, role: Role = Role.PARTICIPANT, **given: Any) -> User:
        self._made += 1
        return await self.write(self.services.accounts.create, role=role, name=f"{role.value} {self._made}", **given)

    async def find_user(self, user_id: int) -> User:
        """Read an account as it is now."""
        return await self.read(self.services.accounts.find, user_id)

    async def disable(self, user: User) -> None:
        await self.write(self.services.accounts.set_disabled, user.id, is_disabled=True)

    async def set_password(self, user_id: int, password: str) -> None:
        """Set a password as an operator does."""
        password_hash = await self.services.sign_in.hash_new(password)
        await self.write(self.services.sign_in.set_password, user_id, password_hash)

    async def course(self, completions: tuple[Completion, ...] = EVERY_RULE, **given: Any) -> CourseTree:
        """Make a course with two modules: the first has a unit for each rule, the second one more optional unit."""
        owner = await self.user(Role.INSTRUCTOR)
        units = tuple(NewUnit(f"Unit {rule.rule}", completion=rule) for rule in completions)
        modules = (NewModule("First", units=units), NewModule("Second", units=(NewUnit("Extra", is_required=False),)))
        new = NewCourse("Course", modules=modules, **given)
        return await self.write(self.services.course_editing.create, new, owner_id=owner.id)

    async def learner(self, course: CourseTree) -> User:
        """Make a learner who is enrolled in a course."""
        made = await self.user()
        await self.write(self.services.enrollments.enroll, made.id, course.id)
        return made

    def bearer(self, user: User) -> dict[str, str]:
        """Give the header with which a user calls."""
        return {"Authorization": f"Bearer {self.tokens.issue(user)}"}

    def tokens_of(self, people: dict[str, User]) -> dict[str, str]:
        """Name the tokens of people as case files do."""
        return {f"token_of_{name}": self.tokens.issue(user) for name, user in people.items()}

    async def read(
        self,
        act: Callable[Concatenate[ReadTransaction, Params], Awaitable[Result]],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        """Return the result of `act(tx, ...)` in a read transaction."""
        async with self.database.read() as tx:
            return await act(tx, *args, **kwargs)

    async def write(
        self,
        act: Callable[Concatenate[WriteTransaction, Params], Awaitable[Result]],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        """Return the result of `act(tx, ...)` in a write transaction, once that is committed."""
        async with self.database.write() as tx:
            return await act(tx, *args, **kwargs)

    async def decrypt(self, *tokens: str) -> list[str]:
        """Return texts that were encrypted under the keys of people."""
        async with self.database.read() as tx:
            personal = await personal_keys.reader(tx, tokens)
            return [personal.text(each) for each in tokens]

    async def rows(self, statement: Statement, **given: Any) -> list[tuple[Any, ...]]:
        """Read rows as they are stored."""
        async with self.database.read() as tx:
            return [tuple(row) for row in await tx.all(statement, **given)]
