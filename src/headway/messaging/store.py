"""Messages and conversations as rows, of which each of the two users has a copy; and who may write to whom."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from headway.accounts.store import has_name, name_words
from headway.accounts.tables import users
from headway.courses.staff_store import can_teach
from headway.courses.tables import course_staff, courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, insert, lookup, rows
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.db.types import Id
from headway.enrollments.status import OPEN
from headway.enrollments.tables import enrollments
from headway.messaging.model import Conversation, Correspondent, Message, Peer
from headway.messaging.tables import conversations, messages
from headway.paging.service import Slice, in_order

_insert = WriteRows(messages, messages.c.keys())
_sides = rows("sides", {column.name: column.type for column in conversations.c})
_new_conversations = insert(conversations).from_select(
    [column.name for column in _sides.c],
    # The condition keeps SQLite from reading ON CONFLICT as the beginning of a join.
    select(*_sides.c).where(true()).order_by(_sides.c.user_id),
)
_touch_conversations = _new_conversations.on_conflict_do_update(
    index_elements=["user_id", "peer_id"],
    set_={
        "last_message_id": _new_conversations.excluded.last_message_id,
        "last_message_at": _new_conversations.excluded.last_message_at,
        "unread": conversations.c.unread + _new_conversations.excluded.unread,
    },
)
_of_user = messages.c.user_id == bindparam("of_user")
_with_peer = messages.c.peer_id == bindparam("with_peer")
_by_id = select(messages).where(_of_user, messages.c.id == bindparam("message_id"))
_page = select(messages).where(_of_user).order_by(messages.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
_after = messages.c.id < bindparam("after")
_pages = {
    (is_with_peer, is_after): _page.where(*([_with_peer] if is_with_peer else []), *([_after] if is_after else []))
    for is_with_peer in (False, True)
    for is_after in (False, True)
}
_count = select(func.count().label("total")).select_from(messages).where(_of_user)
_count_with = _count.where(_with_peer)
_own = conversations.c.user_id == bindparam("of_user")
_newest = (
    # The page is cut before anything is joined to it.
    select(conversations)
    .where(_own)
    .order_by(conversations.c.last_message_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
    .subquery("newest")
)


def _with_last_message(found: FromClause) -> Select[Any]:
    is_last = and_(
        messages.c.user_id == found.c.user_id,
        messages.c.peer_id == found.c.peer_id,
        messages.c.id == found.c.last_message_id,
    )
    return (
        select(found.c.unread.label("unread"), users.c.name.label("peer_name"), *messages.c)
        .select_from(lookup(lookup(found, users, users.c.id == found.c.peer_id), messages, is_last))
        .order_by(found.c.last_message_id.desc())
    )


_conversations = _with_last_message(_newest)
_peer_ids = rows("peers", {"user_id": Id})
_some_conversations = _with_last_message(
    select(conversations)
    .select_from(lookup(_peer_ids, conversations, and_(_own, conversations.c.peer_id == _peer_ids.c.user_id)))
    .subquery("some")
)
_conversation_order = select(conversations.c.peer_id).where(_own).order_by(conversations.c.last_message_id.desc())
_totals = select(func.count().label("total"), func.coalesce(func.sum(conversations.c.unread), 0).label("unread")).where(_own)
_conversation = and_(_own, conversations.c.peer_id == bindparam("with_peer"))
_lock_conversation = select(conversations.c.unread).where(_conversation).with_for_update()
_count_down = (
    update(conversations).where(_conversation).values(unread=conversations.c.unread - bindparam("count", type_=Integer()))
)


def _mark_read(owner: str, peer: str) -> Update:
    """Build the statement that marks the messages from `with_peer` as read in the copies of one of the two users."""
    copies = and_(messages.c.user_id == bindparam(owner), messages.c.peer_id == bindparam(peer))
    is_unread = and_(messages.c.sender_id == bindparam("with_peer"), messages.c.is_read.is_(False))
    return update(messages).where(copies, is_unread).values(is_read=True)


_mark, _mark_for_peer = _mark_read("of_user", "with_peer"), _mark_read("with_peer", "of_user")
_has_id = messages.c.id == bindparam("message_id")
_mark_one, _mark_one_for_peer = _mark.where(_has_id), _mark_for_peer.where(_has_id)


async def insert_messages(tx: WriteTransaction, new: Sequence[Message]) -> None:
    """Store new messages with both of their users, and count them as unread with the receivers.

    No two may have the same users.
    """
    both = [(*side, m) for m in new for side in ((m.sender_id, m.receiver_id), (m.receiver_id, m.sender_id))]
    sides = sorted(both, key=lambda side: side[:2])
    await tx.all(
        _touch_conversations,
        sides=[(user, peer, m.id, m.created_at, int(user == m.receiver_id)) for user, peer, m in sides],
    )
    personal = await texts_for(tx, {user for user, _, _ in sides})
    texts = {m.id: personal.encrypt(m.message, (m.sender_id, m.receiver_id)) for m in new}
    await tx.write_rows(
        (_insert, [(user, peer, m.id, m.sender_id, texts[m.id], m.is_read, m.created_at) for user, peer, m in sides])
    )


async def find(tx: ReadTransaction, user_id: int, message_id: str) -> Message | None:
    """Look up a message that a user sent or received."""
    row = await tx.first(_by_id, of_user=user_id, message_id=message_id)
    return None if row is None else (await _messages_of(tx, [row]))[0]


async def list_messages(tx: ReadTransaction, user_id: int, *, peer_id: int | None, part: Slice) -> tuple[list[Message], int]:
    """Read some of a user's messages, of one conversation or all, the newest first, and how many there are.

    The key of a part is a message's id.
    """
    params = {"of_user": user_id} if peer_id is None else {"of_user": user_id, "with_peer": peer_id}
    page = _pages[peer_id is not None, part.after is not None]
    found = await _messages_of(tx, await tx.all(page, **params, **part.params))
    return found, (await tx.one(_count if peer_id is None else _count_with, **params))["total"]


async def list_conversations(tx: ReadTransaction, user_id: int, part: Slice) -> list[Conversation]:
    """Read some of a user's conversations, the newest first."""
    return await _conversations_of(tx, await tx.all(_conversations, of_user=user_id, **part.params))


async def find_conversations(tx: ReadTransaction, user_id: int, peer_ids: Sequence[int]) -> list[Conversation]:
    """Read a user's conversations with these peers, those that exist, in the order of the peers."""
    found = await tx.all(_some_conversations, of_user=user_id, peers=[(peer_id,) for peer_id in peer_ids])
    return in_order(peer_ids, {each.peer_id: each for each in await _conversations_of(tx, found)})


async def conversation_order(tx: ReadTransaction, user_id: int) -> list[int]:
    """Return the peers of all of a user's conversations, the newest first."""
    return [row["peer_id"] for row in await tx.all(_conversation_order, of_user=user_id)]


async def conversation_totals(tx: ReadTransaction, user_id: int) -> tuple[int, int]:
    """Return how many conversations a user has, and how many messages are unread in all of them."""
    totals = await tx.one(_totals, of_user=user_id)
    return totals["total"], int(totals["unread"])


async def mark_read(tx: WriteTransaction, user_id: int, peer_id: int, message_id: str | None = None) -> int:
    """Mark one message from a peer, or all, as read in the copies of both users; return how many were unread."""
    params: dict[str, int | str] = {"of_user": user_id, "with_peer": peer_id}
    await tx.all(_lock_conversation, **params)
    if message_id is None:
        count = await tx.run(_mark, **params)
        await tx.run(_mark_for_peer, **params)
    else:
        count = await tx.run(_mark_one, **params, message_id=message_id)
        await tx.run(_mark_one_for_peer, **params, message_id=message_id)
    await tx.run(_count_down, **params, count=count)
    return count


async def _conversations_of(tx: ReadTransaction, found: Sequence[Row]) -> list[Conversation]:
    messages_of = await _messages_of(tx, found)
    return [
        Conversation(row["peer_id"], row["peer_name"], message, row["unread"])
        for row, message in zip(found, messages_of, strict=True)
    ]


async def _messages_of(tx: ReadTransaction, found: Sequence[Row]) -> list[Message]:
    personal = await reader(tx, [row["message"] for row in found])
    return [_message(personal, row) for row in found]


def _message(personal: PersonalTexts, row: Row) -> Message:
    user_id, peer_id, sender_id = row["user_id"], row["peer_id"], row["sender_id"]
    receiver_id = peer_id if sender_id == user_id else user_id
    return Message(row["id"], sender_id, receiver_id, personal.text(row["message"]), bool(row["is_read"]), row["created_at"])


_is_unread = and_(
    messages.c.user_id == conversations.c.user_id,
    messages.c.peer_id == conversations.c.peer_id,
    messages.c.sender_id == conversations.c.peer_id,
    messages.c.is_read.is_(False),
)
_unread = (
    select(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread, func.count(messages.c.id).label("count"))
    .outerjoin(messages, _is_unread)
    .group_by(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread)
    .having(conversations.c.unread != func.count(messages.c.id))
    .order_by(conversations.c.user_id, conversations.c.peer_id)
)


async def find_wrong_unread(tx: ReadTransaction) -> Sequence[Row]:
    """Find the conversations whose stored number of unread messages is not their count: user_id, peer_id, unread, count."""
    return await tx.all(_unread)


_mine, _theirs = enrollments.alias("mine"), enrollments.alias("theirs")


def _open(table: FromClause) -> ColumnElement[bool]:
    return or_(*(table.c.status == status.value for status in sorted(OPEN)))


_shared = (_mine.c.user_id == bindparam("user_id"), _open(_mine), _open(_theirs), _theirs.c.user_id != bindparam("user_id"))
_together = _mine.join(_theirs, _theirs.c.course_id == _mine.c.course_id)


def _peers_page(*conditions: ColumnElement[bool]) -> Select[Any]:
    # The page is cut before names are looked up.
    some = (
        select(_theirs.c.user_id)
        .select_from(_together)
        .where(*_shared, *conditions)
        .distinct()
        .order_by(_theirs.c.user_id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
        .subquery("some")
    )
    named = lookup(some, users, users.c.id == some.c.user_id)
    return select(some.c.user_id, users.c.name).select_from(named).order_by(some.c.user_id)


_is_named = exists(select(users.c.id).where(users.c.id == _theirs.c.user_id, has_name))
_peers_pages = {False: _peers_page(), True: _peers_page(_theirs.c.user_id > bindparam("after"))}
_named_peers = _peers_page(_is_named)
_everybody = select(_theirs.c.user_id).select_from(_together).where(*_shared).distinct().subquery("everybody")
_count_peers = select(func.count().label("total")).select_from(_everybody)
_shared_courses = (
    select(_theirs.c.user_id, courses.c.id, courses.c.title)
    .select_from(_together.join(courses, courses.c.id == _mine.c.course_id))
    # IN, not a join: SQLite then looks peers up, instead of going through all of them for each pair.
    .where(*_shared, _theirs.c.user_id.in_(select(_peer_ids.c.user_id)))
    .order_by(_theirs.c.user_id, courses.c.id)
)
_taught = course_staff.alias("taught")
_tutors = (
    select(_taught.c.user_id, users.c.name, courses.c.id, courses.c.title)
    .select_from(
        lookup(
            lookup(lookup(_mine, _taught, _taught.c.course_id == _mine.c.course_id), users, users.c.id == _taught.c.user_id),
            courses,
            courses.c.id == _mine.c.course_id,
        )
    )
    .where(_mine.c.user_id == bindparam("user_id"), _open(_mine), can_teach(users), users.c.id != bindparam("user_id"))
    .order_by(users.c.folded_name, users.c.id, courses.c.id)
)
_correspondent = (
    select(users.c.name, conversations.c.unread)
    .select_from(
        lookup(
            users,
            conversations,
            and_(conversations.c.user_id == bindparam("of_user"), conversations.c.peer_id == users.c.id),
            is_outer=True,
        )
    )
    .where(users.c.id == bindparam("with_peer"))
)
_sender: BindParameter[int] = bindparam("sender_id", type_=Id)
_receiver: BindParameter[int] = bindparam("receiver_id", type_=Id)


def _learns_with(learner: BindParameter[int], other: BindParameter[int]) -> ColumnElement[bool]:
    one = select(learner.label("user_id")).subquery("one")
    # Looked up before their status is asked: indexes by status are those of courses.
    own = lookup(one, _mine, _mine.c.user_id == one.c.user_id)
    both = lookup(own, _theirs, and_(_theirs.c.user_id == other, _theirs.c.course_id == _mine.c.course_id))
    return exists(select(_mine.c.course_id).select_from(both).where(_open(_mine), _open(_theirs)))


def _teaches(tutor: BindParameter[int], learner: BindParameter[int]) -> ColumnElement[bool]:
    is_learner = and_(_mine.c.user_id == learner, _mine.c.course_id == _taught.c.course_id)
    return exists(
        select(_taught.c.course_id)
        .select_from(lookup(lookup(_taught, users, users.c.id == _taught.c.user_id), _mine, is_learner))
        .where(_taught.c.user_id == tutor, can_teach(users), _open(_mine))
    )


_erased = users.alias("maybe_erased")


def _is_erased(user_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that somebody was erased, who may still be certified in a course."""
    return exists(select(_erased.c.id).where(_erased.c.id == user_id, _erased.c.erased_at.is_not(None)))


_are_together = or_(_learns_with(_sender, _receiver), _teaches(_sender, _receiver), _teaches(_receiver, _sender))
_may_write = select(and_(_are_together, ~_is_erased(_receiver)).label("may"))

_learner_ids = rows("learners", {"user_id": Id})
_teaching = lookup(lookup(_learner_ids, _taught, _taught.c.user_id == _sender), users, users.c.id == _taught.c.user_id)
_learns_there = and_(_mine.c.user_id == _learner_ids.c.user_id, _mine.c.course_id == _taught.c.course_id)
_taught_among = (
    select(_learner_ids.c.user_id)
    .select_from(lookup(lookup(_teaching, _mine, _learns_there), _erased, _erased.c.id == _learner_ids.c.user_id))
    # Who was erased may still be certified.
    .where(can_teach(users), _open(_mine), _erased.c.erased_at.is_(None))
    .distinct()
)


async def list_peers(tx: ReadTransaction, user_id: int, part: Slice) -> tuple[list[Peer], int]:
    """Read some of a learner's peers, in the order of their ids, which are the keys of a part, and how many there are."""
    found = await tx.all(_peers_pages[part.after is not None], user_id=user_id, **part.params)
    return await _with_courses(tx, user_id, found), (await tx.one(_count_peers, user_id=user_id))["total"]


async def find_peers(tx: ReadTransaction, user_id: int, name: str | None, *, limit: int) -> list[Peer]:
    """Read the first of a learner's peers, or of those with a name, in the order of their ids."""
    part = Slice(limit)
    if name is None:
        found = await tx.all(_peers_pages[False], user_id=user_id, **part.params)
    else:
        found = await tx.all(_named_peers, user_id=user_id, name_words=name_words(name), **part.params)
    return await _with_courses(tx, user_id, found)


async def _with_courses(tx: ReadTransaction, user_id: int, found: Sequence[Row]) -> list[Peer]:
    peers = {row["user_id"]: Peer(row["user_id"], row["name"], []) for row in found}
    for row in await tx.all(_shared_courses, user_id=user_id, peers=[(peer_id,) for peer_id in peers]):
        peers[row["user_id"]].shared_courses.append((row["id"], row["title"]))
    return list(peers.values())


async def list_tutors(tx: ReadTransaction, user_id: int) -> list[Peer]:
    """Read the staff of a learner's open courses, by name, each with the courses in which they teach the learner."""
    tutors: dict[int, Peer] = {}
    for row in await tx.all(_tutors, user_id=user_id):
        tutor = tutors.setdefault(row["user_id"], Peer(row["user_id"], row["name"], []))
        tutor.shared_courses.append((row["id"], row["title"]))
    return list(tutors.values())


async def find_correspondent(tx: ReadTransaction, user_id: int, other_id: int) -> Correspondent | None:
    """Look somebody up with whom a user has a conversation or may begin one; None for others."""
    row = await tx.first(_correspondent, of_user=user_id, with_peer=other_id)
    may = user_id != other_id and await may_write(tx, user_id, other_id)
    if row is None or (row["unread"] is None and not may):
        return None
    return Correspondent(other_id, row["name"], may, row["unread"] or 0)


async def learners_among(tx: ReadTransaction, tutor_id: int, user_ids: Sequence[int]) -> set[int]:
    """Return those of these users who learn in a course that a user teaches."""
    found = await tx.all(_taught_among, sender_id=tutor_id, learners=[(user_id,) for user_id in user_ids])
    return {row["user_id"] for row in found}


async def may_write(tx: ReadTransaction, sender_id: int, receiver_id: int) -> bool:
    """Return whether two users learn in the same course, or one teaches the other."""
    return bool((await tx.one(_may_write, sender_id=sender_id, receiver_id=receiver_id))["may"])
