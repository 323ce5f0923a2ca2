"""A copy of everything that is known of a person: files of JSON in a zip archive, with a page that shows the most important.

It is made while it is sent. Each part is read in a snapshot of its own, so nothing is held for a client that is slow, and what
changes meanwhile is told as it was when its part was read.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

import msgspec

from headway.accounts import export_store as names_store
from headway.accounts.administration import require_admin
from headway.accounts.model import Account
from headway.accounts.service import Accounts
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.courses import export_store as titles_store
from headway.db.database import Database, ReadTransaction
from headway.db.personal import Part, Person, Place, Record, Section
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.errors import Forbidden, Overloaded, RateLimited
from headway.identity import Caller, Client, UserIds
from headway.instants import HOUR, SECOND, Clock, Instant, iso, to_datetime
from headway.limits.limiter import RateLimiter
from headway.limits.model import RateLimit
from headway.privacy.export_page import SHOWN, ExportedPerson, ExportedSection, RenderPage
from headway.privacy.zip_stream import WrittenFile, ZipStream
from headway.reports.exports import Read

FORMAT, VERSION = "headway-personal-data", 1
MEDIA_TYPE = "application/zip"
_MOST_AT_ONCE = 4
"""So many exports are made by a process at the same time; each keeps a compressor and a part in memory."""
_LONGEST_FILE = 64_000_000
"""A file that has become longer ends, and the next one begins, in bytes: programs that show JSON read it whole."""
_MOST_REMEMBERED = 10_000
_TITLED = {"courseId": "course", "unitId": "unit", "assessmentId": "assessment"}

_encode = msgspec.json.Encoder(order=None).encode


Renderer = Callable[[str | None], RenderPage]


class _EncodedPart(NamedTuple):
    """A part of a section, encoded."""

    records: list[bytes]
    first: list[Record]
    missing: Sequence[Record]
    next: Place | None


class PersonalExports:
    """Makes exports: of one's own data, of anybody's for administrators, and for operators at the command line.

    It opens the transaction in which it records an export itself, because the parts follow it in others.
    """

    def __init__(  # noqa: PLR0913 - what exports need of other rooms, and how they are limited
        self,
        database: Database,
        clock: Clock,
        accounts: Accounts,
        audit: AuditRecorder,
        limiter: RateLimiter,
        sections: Sequence[Section],
        *,
        most_per_hour: int,
        gives_staff_notes: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._audit = audit
        self._limiter = limiter
        self._limit = RateLimit("export", most_per_hour, HOUR // SECOND)
        self._gives_staff_notes = gives_staff_notes
        self.sections = sections
        self.renderer: Renderer = _no_page
        """Returns what renders the page for the Accept-Language of a request; the pages, which know the languages, set it."""
        self.running = 0
        """How many exports are being made."""

    async def file(
        self,
        read: Read,
        caller: Caller | None,
        user_id: int,
        render: RenderPage,
        *,
        client: Client | None = None,
        sections: Sequence[Section] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Yield the archive, part by part; None as a caller is the operator.

        `sections` are told in place of those of all exports. Raises Forbidden, also in the middle, NotFound USER_NOT_FOUND,
        RateLimited, Overloaded.
        """
        await self._check(caller, user_id)
        self.running += 1
        try:
            account = await self._record(caller, user_id, client)
            making = _Making(self, read, caller, account, render, self.sections if sections is None else sections)
            async with aclosing(making.parts()) as parts:
                async for part in parts:
                    yield part
        finally:
            self.running -= 1

    async def require(self, tx: ReadTransaction, caller: Caller | None, user_id: int) -> None:
        """Check that a caller may have the data of an account. Raises Forbidden."""
        disclose(tx, caller, RecordKind.EXPORT, learner_id=user_id)
        if caller is None:
            return
        if caller.user_id != user_id:
            await require_admin(tx, caller)
        elif (await self._accounts.find(tx, user_id)).is_disabled:
            raise Forbidden("The account is disabled.")

    def now(self) -> Instant:
        """Return the time."""
        return self._clock()

    def is_withheld(self, section: Section, *, is_own: bool) -> bool:
        """Return whether a section is given on request alone."""
        return section.is_of_staff and is_own and not self._gives_staff_notes

    async def _check(self, caller: Caller | None, user_id: int) -> None:
        """Check rights and limits. Raises Forbidden, RateLimited, Overloaded."""
        if caller is not None:
            async with self._database.read() as snapshot:
                await self.require(snapshot, caller, user_id)
            decision = await self._limiter.take(f"export {caller.user_id}", self._limit)
            if not decision.is_allowed:
                seconds = decision.reset_in_seconds
                raise RateLimited(f"Too many exports; try again in {seconds} seconds.", retry_after_seconds=seconds)
        if self.running >= _MOST_AT_ONCE:
            raise Overloaded("Too many exports are being made.", retry_after_seconds=10)

    async def _record(self, caller: Caller | None, user_id: int, client: Client | None) -> Account:
        """Record the export, and return the account."""
        async with self._database.write() as tx:
            account = await self._accounts.find_account(tx, user_id)
            await self._audit.record_for(tx, Action.EXPORT_DATA, caller, account.user.target, client=client)
        return account


def file_name(user_id: int, now: Instant) -> str:
    """Return the name of the archive of a person's data."""
    return f"headway-data-{user_id}-{to_datetime(now).date().isoformat()}.zip"


def _no_page(_accept_language: str | None) -> RenderPage:
    """Stand in where there are no pages. Raises RuntimeError."""
    raise RuntimeError("Nothing renders the page of an export.")


class _Making:
    """One export while it is made."""

    def __init__(
        self,
        exports: PersonalExports,
        read: Read,
        caller: Caller | None,
        account: Account,
        render: RenderPage,
        sections: Sequence[Section],
    ) -> None:
        self._exports = exports
        self._read = read
        self._caller = caller
        self._render = render
        user = account.user
        self._person = Person(UserIds(user.id, user.external_id), user.email)
        self._name = user.name
        self._is_own = caller is not None and caller.user_id == user.id
        self._now = exports.now()
        self._zip = ZipStream(self._now)
        self._told = [each for each in sections if not exports.is_withheld(each, is_own=self._is_own)]
        self._withheld = [each.name for each in sections if exports.is_withheld(each, is_own=self._is_own)]
        self._missing: list[Record] = []
        self._words: dict[tuple[str, int], str] = {}
        """Titles and names that were looked up."""

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the archive: the sections, the page, and last what the archive holds."""
        made = []
        for section in self._told:
            exported = ExportedSection(section.name)
            made.append(exported)
            async with aclosing(self._section(section, exported)) as parts:
                async for part in parts:
                    yield part
        page = ExportedPerson(self._person, self._name, self._now, self._is_own, made, self._missing, self._withheld)
        html = await asyncio.to_thread(lambda: self._render(page).encode())
        index, part = await asyncio.to_thread(self._whole_file, "index.html", html)
        yield part
        manifest = msgspec.json.format(_encode(self._manifest(made, index)), indent=1)
        _, part = await asyncio.to_thread(self._whole_file, "manifest.json", manifest)
        yield part
        self._zip.close()
        yield self._zip.take()

    async def _section(self, section: Section, exported: ExportedSection) -> AsyncGenerator[bytes]:
        """Yield a section as one file or more, each with a list of records, one a line."""
        place: Place | None = None
        is_open = False
        while True:
            found: _EncodedPart = await self._read(partial(self._part, section, place))
            self._missing += found.missing
            exported.first += found.first[: SHOWN - len(exported.first)]
            if found.records or (found.next is None and not exported.files):
                part, is_open = await asyncio.to_thread(self._write, exported, found.records, is_open=is_open)
                if part:
                    yield part
            place = found.next
            if place is None:
                break
        if is_open:
            part = await asyncio.to_thread(self._end_file, exported)
            if part:
                yield part

    async def _part(self, section: Section, place: Place | None, tx: ReadTransaction) -> _EncodedPart:
        """Read a part and encode it, where it is read."""
        await self._exports.require(tx, self._caller, self._person.id)
        part: Part = await section.read(tx, self._person, place)
        await self._add_words(tx, part.records, section.people)
        # Other reads take turns, and a cancelled one ends.
        await asyncio.sleep(0)
        return _EncodedPart([_encode(each) for each in part.records], part.records[:SHOWN], part.missing, part.next)

    async def _add_words(self, tx: ReadTransaction, records: Sequence[Record], people: Sequence[str]) -> None:
        """Add titles beside the ids of courses, units and assessments, and the names of people whom the person knows."""
        sought: dict[str, set[int]] = {kind: set() for kind in (*_TITLED.values(), "person")}
        fields = {**_TITLED, **{f"{each}Id": "person" for each in people}}
        for record in records:
            for field, kind in fields.items():
                if (number := record.get(field)) and (kind, number) not in self._words:
                    sought[kind].add(number)
        if any(sought.values()):
            if len(self._words) > _MOST_REMEMBERED:
                self._words.clear()
            self._words |= await titles_store.read_titles(tx, sought)
            for number, name in (await names_store.read_names(tx, sought["person"])).items():
                self._words["person", number] = name
        for record in records:
            for field, kind in fields.items():
                if (word := self._words.get((kind, record.get(field) or 0))) is not None:
                    record[field.removesuffix("Id") + ("Name" if kind == "person" else "Title")] = word

    def _write(self, exported: ExportedSection, records: Sequence[bytes], *, is_open: bool) -> tuple[bytes, bool]:
        """Write records, in a new file unless one is open; return what was made, and whether a file is open."""
        if not is_open:
            number = len(exported.files) + 1
            self._zip.begin(f"{exported.name}.json" if number == 1 else f"{exported.name}-{number}.json")
            exported.counts.append(0)
            self._zip.write(b"[\n")
        lines = b",\n".join(records)
        if records:
            self._zip.write(b",\n" + lines if exported.counts[-1] else lines)
        exported.counts[-1] += len(records)
        exported.count += len(records)
        if self._zip.size < _LONGEST_FILE:
            return self._zip.take(), True
        return self._end_file(exported), False

    def _end_file(self, exported: ExportedSection) -> bytes:
        self._zip.write(b"\n]\n" if exported.counts[-1] else b"]\n")
        exported.files.append(self._zip.end())
        return self._zip.take()

    def _whole_file(self, name: str, content: bytes) -> tuple[WrittenFile, bytes]:
        self._zip.begin(name)
        self._zip.write(content)
        return self._zip.end(), self._zip.take()

    def _manifest(self, made: Sequence[ExportedSection], index: WrittenFile) -> dict[str, Any]:
        files = [
            {"name": file.name, "section": section.name, "records": count, "bytes": file.size, "sha256": file.sha256}
            for section in made
            for file, count in zip(section.files, section.counts, strict=True)
        ]
        files.append({"name": index.name, "bytes": index.size, "sha256": index.sha256})
        return {
            "format": FORMAT,
            "version": VERSION,
            "userId": self._person.id,
            "exportedAt": iso(self._now),
            "completedAt": iso(self._exports.now()),
            "isOwn": self._is_own,
            "files": files,
            "missing": list(self._missing),
            "onRequest": self._withheld,
        }
