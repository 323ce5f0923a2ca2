"""What is told of a person's account, sign-ins and API keys, and the names of others."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, select

from headway.accounts.tables import account_links, api_keys, sessions, users
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows
from headway.db.personal import TableSection, json_of
from headway.db.types import Id

SECTIONS = [
    TableSection(
        "account",
        users,
        ["id"],
        of=users.c.id == bindparam("person", type_=Id),
        without={
            "folded_name": "the name once more, as it is searched",
            "email_hash": "the address once more, as it is looked up",
            "password_hash": "a secret",
            "token_version": "a counter by which tokens end",
        },
        written={"interests": json_of},
    ),
    TableSection(
        "sessions",
        sessions,
        ["id"],
        without={
            "id": "part of a secret",
            "token_version": "a counter by which tokens end",
            "generation": "part of a secret",
            "replaced": "part of a secret",
        },
    ),
    TableSection("api-keys", api_keys, ["id"], without={"secret_hash": "a secret"}),
    TableSection("links", account_links, ["purpose"], without={"secret_hash": "a secret"}),
]

_ids = rows("ids", {"id": Id})
_names = select(users.c.id, users.c.name).select_from(lookup(_ids, users, users.c.id == _ids.c.id))


async def read_names(tx: ReadTransaction, user_ids: Collection[int]) -> dict[Any, str]:
    """Return the names of accounts by their ids."""
    return {row["id"]: row["name"] for row in await tx.all(_names, ids=[(each,) for each in sorted(user_ids)])}
