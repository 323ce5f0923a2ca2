"""What an erasure takes from the audit log, and what shows afterwards that nothing else was taken.

The contents of entries that name the account by its id become unreadable with its personal key. Entries that name the person by
other words, an external id, an address or the name, get the id of the account in their place, and lose their contents: the
hashes of what they are since are stored, and the entry that tells of the erasure holds a hash of those. So the chain can be
verified on.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BindParameter, Text, and_, bindparam, func, or_, select, update

from headway.audit.chain import ChainLink, decode_content, sha256
from headway.audit.model import Action, TargetType
from headway.audit.store import ENTRY_COLUMNS, StoredEntry, stored_entry
from headway.audit.tables import audit_entries, audit_redactions
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, is_one_of, rows
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import PERSONAL, PersonalTexts, reader
from headway.words import Mentions

_AT_ONCE = 1_000
_entries = audit_entries.c
_DIGEST = "digest"
_ESCAPED = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
"""What JSON writes in place of a character that is part of no word."""
ERASED_ACTION = "ERASED"
"""What is left of an action that told who the person was."""

_names = rows("names", {"name": Text()})
_names_again = rows("names_again", {"name": Text()})
_is_erasure = and_(_entries.action == Action.ERASE_USER.value, _entries.recorded_by.is_(None))
_name: BindParameter[str] = bindparam("own_name", type_=Text())
_is_own = or_(
    _entries.actor_id == _name,
    _entries.recorded_by == bindparam("of_user"),
    and_(_entries.target_type == TargetType.USER.value, _entries.target_id == _name),
    and_(
        _entries.target_type == TargetType.ENROLLMENT.value,
        is_one_of(_entries.target_id, select(_names.c.name)),
    ),
)
_count_own = select(func.count().label("count")).where(_is_own, ~_is_erasure)
_blank_own = (
    update(audit_entries)
    .where(_is_own, ~_is_erasure, _entries.content.not_like(PERSONAL), _entries.content != "")
    .values(content="")
)
_own_page = (
    select(*ENTRY_COLUMNS)
    .where(
        or_(_entries.actor_id == _name, and_(_entries.target_type == TargetType.USER.value, _entries.target_id == _name)),
        _entries.recorded_by.is_(None),
        _entries.seq > bindparam("after"),
    )
    .order_by(_entries.seq)
    .limit(bindparam("limit"))
)
_last = select(func.coalesce(func.max(_entries.seq), 0).label("seq"))
_nobodys_page = (
    select(*ENTRY_COLUMNS)
    .where(_entries.actor_id.is_(None), _entries.seq > bindparam("after"))
    .order_by(_entries.seq)
    .limit(bindparam("limit"))
)
_worded_page = (
    select(_entries.seq, _entries.recorded_by, _entries.action, _entries.target_id)
    .where(
        or_(_entries.recorded_by == bindparam("of_user"), _entries.target_type == TargetType.OTHER.value),
        _entries.seq > bindparam("after"),
    )
    .order_by(_entries.seq)
    .limit(bindparam("limit"))
)
_named_otherwise = select(*ENTRY_COLUMNS).where(
    or_(
        is_one_of(_entries.actor_id, select(_names.c.name)),
        and_(
            _entries.target_type == TargetType.USER.value,
            is_one_of(_entries.target_id, select(_names_again.c.name)),
        ),
    )
)
_seqs = rows("seqs", {"seq": audit_entries.c.seq.type})
_by_seqs = select(*ENTRY_COLUMNS).where(is_one_of(_entries.seq, select(_seqs.c.seq)))
_redact = UpdateRows(audit_entries, ["action", "actor_id", "target_id", "content"])
_note = WriteRows(audit_redactions, ["user_id", "seq", "hash"])
_all_redactions = select(audit_redactions).order_by(audit_redactions.c.user_id, audit_redactions.c.seq)
_erasures = select(*ENTRY_COLUMNS).where(_is_erasure).order_by(_entries.seq)


class Identifiers(NamedTuple):
    """The words by which the log may name a person: external ids and addresses, former ones too."""

    external_ids: frozenset[str]
    addresses: frozenset[str]


class Wordings(NamedTuple):
    """Words of a person in what clients name as they like: in the person's own entries, and in those of others."""

    own: Mentions
    of_others: Mentions


class Redacted(NamedTuple):
    """What an erasure did to the log: how many contents nobody can read any more, and which entries were changed."""

    contents: int
    changed: int
    digest: str

    def metadata(self) -> dict[str, object]:
        """Return what the entry that tells of the erasure has to hold, for `Erasures` to verify."""
        return {"changedEntries": self.changed, _DIGEST: self.digest}


class Erasures(NamedTuple):
    """The erasures that the log tells of: the ids of the accounts, and the hashes of changed entries by their numbers.

    An entry that named two people has two: one of when it named the second still, and one of since.
    """

    user_ids: frozenset[int]
    redacted: dict[int, set[str]]
    wrong: list[StoredEntry]
    """Those whose changed entries are not the stored ones."""

    def changed(self, link: ChainLink) -> bool:
        """Return whether an entry is as an erasure left it."""
        return link.hash() in self.redacted.get(link.seq, ())

    def explain(self, link: ChainLink) -> bool:
        """Return whether an erasure took the content of an entry."""
        return link.seq in self.redacted or any(each in self.user_ids for each in link.named.people())


async def read_erasures(tx: ReadTransaction) -> Erasures:
    """Read what the log tells of erasures, and what is stored of them."""
    changed = defaultdict[int, dict[int, str]](dict)
    for row in await tx.all(_all_redactions):
        changed[row["user_id"]][row["seq"]] = row["hash"]
    told: set[int] = set()
    redacted = defaultdict[int, set[str]](set)
    wrong = []
    for row in await tx.all(_erasures):
        stored = stored_entry(row)
        user_id = int(stored.link.target_id or 0)
        told.add(user_id)
        if _digest_in(tx, stored) == _digest(changed[user_id]):
            for seq, changed_hash in changed[user_id].items():
                redacted[seq].add(changed_hash)
        else:
            wrong.append(stored)
    return Erasures(frozenset(told), redacted, wrong)


async def last_number(tx: ReadTransaction) -> int:
    """Return the number of the last entry."""
    return int((await tx.one(_last))["seq"])


async def find_identifiers(tx: ReadTransaction, user_id: int) -> Identifiers:
    """Find the external ids and addresses that an account had, as Headway itself recorded them."""
    external_ids: set[str] = set()
    addresses: set[str] = set()
    after = 0
    while found := await tx.all(_own_page, own_name=str(user_id), after=after, limit=_AT_ONCE):
        page = [stored_entry(row) for row in found]
        personal = await reader(tx, [each.content for each in page])
        for stored in page:
            content = _content(personal, stored)
            if content is None:
                continue
            if stored.link.actor_id == str(user_id) and content.actor_email is not None:
                addresses.add(content.actor_email)
            if stored.link.action == Action.CHANGE_EXTERNAL_ID:
                external_ids |= {each for each in (content.metadata.get("from"), content.metadata.get("to")) if each}
        after = page[-1].link.seq
    return Identifiers(frozenset(external_ids), frozenset(addresses))


async def find_mentions(tx: ReadTransaction, addresses: Collection[str], *, after: int) -> list[int]:
    """Find the entries after a number that mention one of these addresses, and have no actor's account, as failed sign-ins."""
    mentions: list[int] = []
    sought = Mentions(addresses)
    while addresses and (found := await tx.all(_nobodys_page, after=after, limit=_AT_ONCE)):
        page = [stored_entry(row) for row in found]
        personal = await reader(tx, [each.content for each in page])
        for stored in page:
            text = None if stored.link.named.is_erasure else _text(personal, stored)
            if text is not None and sought.are_in(_ESCAPED.sub(" ", text)):
                mentions.append(stored.link.seq)
        after = page[-1].link.seq
    return mentions


async def find_wordings(tx: ReadTransaction, user_id: int, wordings: Wordings, *, after: int) -> list[int]:
    """Find the entries whose action or target, which clients word as they like, holds words of a person."""
    found: list[int] = []
    while page := await tx.all(_worded_page, of_user=user_id, after=after, limit=_AT_ONCE):
        for row in page:
            sought = wordings.own if row["recorded_by"] == user_id else wordings.of_others
            if any(map(sought.are_in, (row["action"], row["target_id"] or ""))):
                found.append(row["seq"])
        after = page[-1]["seq"]
    return found


async def erase(
    tx: WriteTransaction,
    user_id: int,
    names: Collection[str],
    enrollments: Iterable[str],
    mentions: Collection[int],
    wordings: Wordings,
) -> Redacted:
    """Take a person from the log, whose personal key is destroyed in the same transaction.

    `names` are the texts other than the id of the account by which entries name the person, `enrollments` the ids of
    enrollments as targets, `mentions` the numbers of entries that hold an address, or one of the `wordings`.
    """
    own = {"own_name": str(user_id), "of_user": user_id, "names": [(each,) for each in sorted(enrollments)]}
    contents = int((await tx.one(_count_own, **own))["count"])
    await tx.run(_blank_own, **own)
    texts = [(each,) for each in sorted(names)]
    found = [*await tx.all(_named_otherwise, names=texts, names_again=texts)] if texts else []
    found += await tx.all(_by_seqs, seqs=[(each,) for each in sorted(mentions)]) if mentions else []
    changed: dict[int, str] = {}
    earlier = await read_erasures(tx) if found else None
    rows_to_write = []
    for stored in {each.link.seq: each for each in map(stored_entry, found)}.values():
        sought = wordings.own if stored.link.recorded_by == user_id else wordings.of_others
        link = _without(stored.link, names, sought, str(user_id))
        if stored.link.hash() == stored.hash or (earlier is not None and earlier.changed(stored.link)):
            changed[stored.link.seq] = link.hash()
        rows_to_write.append((link.action, link.actor_id, link.target_id, "", link.seq))
    # An entry that was tampered with gets no note: it stays a fault.
    await tx.write_rows((_redact, rows_to_write), (_note, [(user_id, seq, each) for seq, each in sorted(changed.items())]))
    return Redacted(contents + len(rows_to_write), len(changed), _digest(changed))


def _without(link: ChainLink, names: Collection[str], sought: Mentions, replacement: str) -> ChainLink:
    is_named = link.target_type == TargetType.USER and link.target_id in names
    is_named = is_named or sought.are_in(link.target_id or "")
    return msgspec.structs.replace(
        link,
        action=ERASED_ACTION if sought.are_in(link.action) else link.action,
        actor_id=replacement if link.actor_id in names else link.actor_id,
        target_id=replacement if is_named else link.target_id,
    )


def _digest(changed: dict[int, str]) -> str:
    return sha256(msgspec.json.encode(sorted(changed.items())))


def _digest_in(tx: ReadTransaction, stored: StoredEntry) -> Any:
    content = _content(PersonalTexts(tx.keyring, {}), stored)
    return None if content is None else content.metadata.get(_DIGEST)


def _content(personal: PersonalTexts, stored: StoredEntry) -> Any:
    text = _text(personal, stored)
    return None if text is None else decode_content(text)


def _text(personal: PersonalTexts, stored: StoredEntry) -> str | None:
    """Decrypt a content; None if it was erased, or is not as it was written."""
    try:
        return personal.read(stored.content)
    except (ValueError, WrongKeyError):
        return None
