"""What is told of the newest entries that a person's live clients can replay."""

from headway.db.database import ReadTransaction
from headway.db.personal import AT_ONCE, Part, Person, Place, json_of
from headway.feed import store
from headway.feed.model import user_topic
from headway.feed.tables import feed
from headway.instants import iso


class _Feed:
    """The entries of the person's own topic."""

    name = "feed"
    tables = (feed.name,)
    is_of_staff = False
    people = ()

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the first entries, or those after a number."""
        entries = await store.entries_after(tx, user_topic(person.id), place or 0, limit=AT_ONCE)
        records = [
            {"seq": each.seq, "type": each.type, "at": iso(each.at), "data": json_of(bytes(each.data).decode())}
            for each in entries
        ]
        return Part(records, entries[-1].seq if len(entries) == AT_ONCE else None)


SECTIONS = [_Feed()]
