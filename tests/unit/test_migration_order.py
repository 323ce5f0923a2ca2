"""Migrations come one after the other, in the order of their files."""

import re
from pathlib import Path

from headway import migrations

FILES = sorted((Path(migrations.__path__[0]) / "versions").glob("[0-9]*.py"))


def test_each_migration_follows_the_one_before() -> None:
    assert len(FILES) > 20
    chain = []
    for path in FILES:
        text = path.read_text()
        found = (
            re.search(r'^revision = "(\d+)"$', text, re.MULTILINE),
            re.search(r"^down_revision.* = (.+)$", text, re.MULTILINE),
        )
        assert all(found), path
        chain.append(tuple(each[1].strip('"') for each in found if each))

    assert [path.name[:4] for path in FILES] == [revision for revision, _ in chain]
    assert [before for _, before in chain[1:]] == [revision for revision, _ in chain[:-1]]
