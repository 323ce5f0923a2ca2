"""What an export of a person's data tells of each table."""

import headway.schema  # noqa: F401 - the tables of all rooms
from headway.db.personal import TableSection
from headway.db.types import metadata
from headway.privacy.export_sections import NOT_TOLD, sections
from headway.web.export_page import SHEETS


def test_an_export_says_of_each_table_what_it_does_with_it() -> None:
    """Who adds a table adds a section to its room's `export_store`, or a reason to `NOT_TOLD`."""
    told = [table for section in sections() for table in section.tables if table != "archives"]

    assert len(told) == len(set(told)), "a table is told twice"
    assert set(told) & set(NOT_TOLD) == set()
    assert set(told) | set(NOT_TOLD) | {"archives"} == set(metadata.tables)
    assert all(NOT_TOLD.values())


def test_the_page_of_an_export_says_something_of_each_section() -> None:
    named = [section.name for section in sections()]

    assert sorted(SHEETS) == sorted(named)


def test_columns_that_an_export_leaves_out_exist_and_have_a_reason() -> None:
    for section in sections():
        if isinstance(section, TableSection):
            (table,) = section.tables
            assert all(section.without.values())
            assert set(section.without) <= set(metadata.tables[table].c.keys()), section.name
