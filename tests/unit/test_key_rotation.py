"""Columns that are described as encrypted are encrypted anew when keys are rotated."""

import re

from headway.key_rotation import encrypted_columns
from headway.schema import metadata


def test_every_encrypted_column_is_rotated() -> None:
    described = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if re.search(r"(^|[,;] )encrypted\b", column.comment or "")
    }

    # The key of addresses is replaced, not encrypted anew.
    assert {column.place for column in encrypted_columns()} == described - {("index_keys", "key")}
