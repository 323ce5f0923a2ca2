"""What is said to be encrypted is encrypted anew when keys are rotated."""

import re

from headway.db.types import metadata
from headway.encrypted import TEXTS


def test_every_encrypted_column_is_rotated() -> None:
    said = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if re.search(r"(^|[,;] )encrypted\b", column.comment or "")
    }

    # The key of addresses is replaced, not encrypted anew.
    assert {texts.place for texts in TEXTS} == said - {("index_keys", "key")}
