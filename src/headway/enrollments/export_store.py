"""What is told of a person's enrollments, places on waiting lists, and invitations by address."""

from typing import Any

from sqlalchemy import Text, bindparam

from headway.accounts.model import email_spellings
from headway.db import index_keys
from headway.db.database import ReadTransaction
from headway.db.personal import Person, TableSection, hundredths_of, json_of
from headway.enrollments.tables import enrollments, invitations, waiting_list

_MOST_SPELLINGS = 3
"""As many as `email_spellings` returns at most."""


class _Invitations(TableSection):
    """The invitations of the person's address."""

    async def parameters(self, tx: ReadTransaction, person: Person) -> dict[str, Any] | None:
        """Return the hashes of the address in all its spellings; None for somebody without one."""
        if person.email is None:
            return None
        hashes = await index_keys.email_hashes(tx, email_spellings(person.email))
        return {f"hash{i}": hashes[min(i, len(hashes) - 1)] for i in range(_MOST_SPELLINGS)}


SECTIONS = [
    TableSection(
        "enrollments",
        enrollments,
        ["course_id"],
        without={
            "percent_band": "the percent once more, rounded",
            "required_percents": "a sum over unit progress",
            "required_completed": "a sum over unit progress",
            "active_weeks": "the weeks of study days, as they are counted",
            "unit_states": "the states of unit progress, as they are counted",
        },
        written={"metadata": json_of, "percent": hundredths_of, "counts_from": json_of},
    ),
    TableSection("waiting-list", waiting_list, ["course_id"]),
    _Invitations(
        "invitations",
        invitations,
        ["id"],
        of=invitations.c.email_hash.in_([bindparam(f"hash{i}", type_=Text()) for i in range(_MOST_SPELLINGS)]),
        without={"email_hash": "the address once more, as it is looked up", "link_hash": "a secret"},
    ),
]
