"""The form of archives: every column of the table, with its type, and one clear line where pyarrow is missing."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Double, Text

from headway.db.types import Timestamp
from headway.instants import END_OF_TIME, START_OF_TIME
from headway.learning.archive_files import ArchiveReader, DamagedArchiveError, MissingExtraError, new_draft
from headway.learning.tables import learner_activity_logs

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
instants = st.integers(START_OF_TIME, END_OF_TIME - 1)


def values(column: Any) -> st.SearchStrategy[Any]:
    if column.type is Timestamp:
        drawn: st.SearchStrategy[Any] = instants
    elif isinstance(column.type, Text):
        drawn = texts
    elif isinstance(column.type, Double):
        drawn = st.floats(allow_nan=False, allow_infinity=False)
    elif isinstance(column.type, Boolean):
        drawn = st.booleans()
    else:
        drawn = st.integers(-(2**63), 2**63 - 1)
    return st.none() | drawn if column.nullable else drawn


rows = st.lists(st.tuples(*map(values, learner_activity_logs.c)), min_size=1, max_size=20)


@settings(deadline=None, max_examples=50)
@given(groups=st.lists(rows, min_size=1, max_size=3))
def test_rows_are_read_back_as_they_were_written(groups: list[list[tuple[Any, ...]]], tmp_path_factory: Any) -> None:
    file = tmp_path_factory.mktemp("archive") / "events.parquet"
    with new_draft(file) as draft:
        for group in groups:
            draft.write(group)

    with closing(ArchiveReader(file.with_name("events.parquet.partial"))) as reader:
        found = [reader.rows(number) for number in range(len(reader.learners))]
        assert found == groups
        assert reader.learners == [(min(row[0] for row in group), max(row[0] for row in group)) for group in groups]


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.parquet").write_bytes(b"PAR1 but nothing else")

    with pytest.raises(DamagedArchiveError, match="cannot be read as an archive"):
        ArchiveReader(tmp_path / "events.parquet")


def test_without_pyarrow_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    message = r"^Parquet files need pyarrow: pip install 'headway\[analytics\]'$"
    with pytest.raises(MissingExtraError, match=message), new_draft(tmp_path / "events.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []
