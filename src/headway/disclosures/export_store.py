"""What is told of who was shown a person's record."""

from sqlalchemy import bindparam

from headway.db.personal import TableSection, day_of
from headway.db.types import Id
from headway.disclosures.tables import disclosures

SECTIONS = [
    TableSection(
        "disclosures",
        disclosures,
        ("day", "reader_id", "course_id", "kind", "channel", "key_id", "role"),
        of=disclosures.c.learner_id == bindparam("person", type_=Id),
        without={"learner_id": "the person", "id": "orders the log"},
        written={"day": day_of},
        people=("reader",),
    )
]
"""Those of the person alone; `privacy.disclosures` tells those of everybody's records."""
