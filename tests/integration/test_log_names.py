"""The log knows people by account and by outside subject: entries and filters mean the same person by the same text."""

from typing import Any

import pytest

from headway.accounts.model import User
from headway.accounts.naming import find_user
from headway.audit import store as audit_store
from headway.audit.model import Actor, EntryFilter, NewAuditEntry, Target, TargetType
from headway.errors import Conflict
from headway.identity import Caller, Role, UserIds
from headway.paging.service import Walk
from tests.integration.audit_log import HERE, draft, faults, log_of
from tests.world import World


def caller_of(user: User) -> Caller:
    return Caller(user.id, user.role, user.external_id, None, user.name, user.email)


async def listed(world: World, caller: Caller, **wanted: Any) -> list[str]:
    page = await world.read(log_of(world).read, caller, EntryFilter(**wanted), Walk(10, 1))
    return sorted(each.action for each in page)


class Homonyms:
    """An account, and another one whose outside subject is the number of the first."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def make(self) -> "Homonyms":
        self.account = await self.world.user()
        self.subject = await self.world.user(external_id=str(self.account.id))
        self.admin = caller_of(await self.world.user(Role.ADMIN))
        self.text = str(self.account.id)
        return self

    async def record(
        self, action: str, caller: Caller, actor_id: str | None = None, target_id: str | None = None
    ) -> str | None:
        named = draft(action)
        if actor_id is not None:
            named = named._replace(actor=Actor(actor_id, "A", "a@school.test", None))
        if target_id is not None:
            named = named._replace(target=Target(TargetType.USER, target_id, "User"))
        made = await log_of(self.world).record(caller, named, HERE)
        return made.actor.user_id if target_id is None else made.target.id


@pytest.fixture
async def homonyms(world: World) -> Homonyms:
    return await Homonyms(world).make()


async def test_each_of_two_homonyms_has_own_entries_and_filters(homonyms: Homonyms) -> None:
    world, text, admin = homonyms.world, homonyms.text, homonyms.admin
    account, subject = caller_of(homonyms.account), caller_of(homonyms.subject)

    assert await homonyms.record("OF_ACCOUNT", account, text) == text
    assert await homonyms.record("OF_SUBJECT", subject, text) == f"ext:{text}"
    assert await homonyms.record("ABOUT_ACCOUNT", admin, f"id:{text}") == text
    assert await homonyms.record("ABOUT_SUBJECT", admin, f"ext:{text}") == f"ext:{text}"
    assert await homonyms.record("SUBJECT_BY_ID", admin, str(subject.user_id)) == str(subject.user_id)

    of_account, of_subject = ["ABOUT_ACCOUNT", "OF_ACCOUNT"], ["ABOUT_SUBJECT", "OF_SUBJECT", "SUBJECT_BY_ID"]
    assert await listed(world, account) == of_account
    assert await listed(world, subject) == of_subject
    assert await listed(world, admin, actor_ids=[f"id:{text}"]) == of_account
    for name in (f"ext:{text}", str(subject.user_id), f"id:{subject.user_id}"):
        assert await listed(world, admin, actor_ids=[name]) == of_subject
    assert await listed(world, account, actor_ids=[text]) == of_account
    assert await listed(world, subject, actor_ids=[text]) == of_subject
    assert await faults(world) == []


async def test_a_text_that_could_be_either_is_refused_and_nothing_is_written(homonyms: Homonyms) -> None:
    text, admin = homonyms.text, homonyms.admin
    wanted: list[dict[str, Any]] = [{"actor_ids": [text]}, {"target_type": TargetType.USER, "target_ids": [text]}]

    for arguments in ({"actor_id": text}, {"target_id": text}):
        with pytest.raises(Conflict) as raised:
            await homonyms.record("ACT", admin, **arguments)
        assert raised.value.kind == "AMBIGUOUS_USER"
    for each in wanted:
        with pytest.raises(Conflict, match=f"send id:{text} or ext:{text}"):
            await listed(homonyms.world, admin, **each)
    assert await listed(homonyms.world, admin) == []


async def test_a_target_that_is_a_user_is_named_as_an_actor_is(homonyms: Homonyms) -> None:
    world, text, admin = homonyms.world, homonyms.text, homonyms.admin
    await homonyms.record("ABOUT_ACCOUNT", admin, target_id=f"id:{text}")
    await homonyms.record("ABOUT_SUBJECT", admin, target_id=f"ext:{text}")
    course = draft("ABOUT_COURSE")._replace(target=Target(TargetType.COURSE, text, "Course"))
    await log_of(world).record(admin, course, HERE)

    for name, found in ((f"id:{text}", ["ABOUT_ACCOUNT"]), (f"ext:{text}", ["ABOUT_SUBJECT"])):
        assert await listed(world, admin, target_type=TargetType.USER, target_ids=[name]) == found
    assert await listed(world, admin, target_type=TargetType.USER, target_ids=[str(homonyms.subject.id)]) == ["ABOUT_SUBJECT"]
    # Of another type, or of any, it is no person's name.
    assert await listed(world, admin, target_type=TargetType.COURSE, target_ids=[text]) == ["ABOUT_COURSE"]
    assert await listed(world, admin, target_ids=[text]) == ["ABOUT_ACCOUNT", "ABOUT_COURSE"]


async def test_somebody_unknown_can_be_named_and_found(homonyms: Homonyms) -> None:
    world, admin = homonyms.world, homonyms.admin
    for action, name in (("A", "nobody"), ("B", "id:999999"), ("C", "ext:999999")):
        await homonyms.record(action, admin, name)

    for found, names in (("A", ("nobody", "ext:nobody")), ("B", ("999999", "id:999999")), ("C", ("ext:999999",))):
        for name in names:
            assert await listed(world, admin, actor_ids=[name]) == [found]


async def test_entries_of_before_the_marks_mean_whom_they_meant(homonyms: Homonyms) -> None:
    world, text = homonyms.world, homonyms.text
    marked = await world.user(external_id="id:5")
    old = [
        NewAuditEntry(
            action=action,
            actor=Actor(name, "A", None, None),
            is_actor_verified=False,
            recorded_by=homonyms.admin.user_id,
            recorded_role=Role.ADMIN,
            target=Target(TargetType.OTHER),
        )
        for action, name in (("DIGITS", text), ("MARKED", "id:5"))
    ]
    await world.write(audit_store.append, old, world.services.new_id, world.clock)

    assert await listed(world, caller_of(homonyms.account)) == ["DIGITS"]
    assert await listed(world, caller_of(homonyms.subject)) == []
    assert await listed(world, caller_of(marked)) == ["MARKED"]


async def test_the_callers_own_ids_are_always_the_caller(homonyms: Homonyms) -> None:
    account, subject, text = homonyms.account, homonyms.subject, homonyms.text
    for user in (account, subject):
        found = await homonyms.world.read(find_user, caller_of(user), text)
        assert found == UserIds(user.id, user.external_id)
    assert await homonyms.world.read(find_user, caller_of(subject), f"id:{text}") == UserIds(account.id, None)
    assert await homonyms.world.read(find_user, caller_of(account), f"ext:{text}") == UserIds(subject.id, text)
    assert await homonyms.world.read(find_user, homonyms.admin, "nobody") is None
