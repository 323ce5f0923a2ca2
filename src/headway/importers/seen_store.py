"""Which ids were seen before, in a temporary file: a dry run stores nothing, and may read more lines than fit into memory."""

import sqlite3
from collections.abc import Sequence


class SeenIds:
    """Remembers ids of users' events until it is closed."""

    def __init__(self) -> None:
        # Without a name SQLite takes a temporary file, which it deletes.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE seen (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, names: Sequence[str]) -> list[bool]:
        """Return of each name whether it is new, and remember all of them."""
        self._connection.execute("BEGIN")
        insert = "INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING"
        found = [self._connection.execute(insert, (name,)).rowcount > 0 for name in names]
        self._connection.execute("COMMIT")
        return found

    def close(self) -> None:
        """Delete the file."""
        self._connection.close()
