"""Of every column that can hold text it is said whether that can tell who somebody is, and what an erasure does with it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, LargeBinary, Text

from headway.db.types import ENCRYPTED_ROWS, PEOPLE
from headway.schema import metadata
from tests.integration.erased_lives import ERASED, PERSONAL

PUBLIC = {
    "assessments": "title description",
    "attention_rules": "rule",
    "course_gradings": "units",
    "course_statistics": "name",
    "course_terms": "term",
    "courses": "slug external_id source title description subject level kind",
    "modules": "slug title external_id source",
    "tutorials": "tutorial_id retired_chapters",
    "units": "slug title kind external_id source rule",
}
"""What is taught. Who writes a person's name into the title of a course has to take it out there."""

INSTALLATION = {
    "archives": "id file sha256 rows_sha256",
    "audit_head": "hash signature",
    "audit_verification": "first_fault",
    "index_keys": "name key",
    "receipt_keys": "name private_key public_key",
    "retention_runs": "claimed_by removed",
    "revisions": "name",
    "webhooks": "url events description secret previous_secret disabled_reason",
}
"""About the installation, or receivers that are other systems."""

PSEUDONYMOUS = {
    "account_links": "purpose",
    "api_keys": "scopes secret_hash",
    "archived_ids": "entries",
    "attention_dismissals": "rule",
    "attention_messages": "digest",
    "audit_entries": "id recorded_role target_type status content_hash previous_hash hash",
    "audit_redactions": "hash",
    "chapter_progress": "tutorial_id chapter_id",
    "conversations": "last_message_id",
    "course_notes": "id",
    "course_staff": "role",
    "disclosures": "kind channel role id",
    "earlier_progress": "status metadata met_rule",
    "enrollments": "status metadata active_weeks unit_states counts_from",
    "erasures": "receipt signature",
    "event_residues": "metadata",
    "feed": "type topic",
    "feed_topics": "topic",
    "forgotten_events": "entries",
    "learner_activity_logs": "activity_type video_segments",
    "mails": "message_id kind status",
    "messages": "id",
    "quiz_scores": "tutorial_id quiz_id",
    "rate_limits": "key times",
    "resets": "unit_ids",
    "set_aside_days": "spans",
    "study_days": "spans",
    "submissions": "id",
    "tutorial_progress": "tutorial_id",
    "uncounted_events": "metadata",
    "unit_progress": "status metadata met_rule",
    "users": "role",
    "webhook_deliveries": "message_id type status",
}
"""Ids, hashes, states and evidence in numbers, under the id of an account."""


def columns() -> Iterator[tuple[str, Column[str]]]:
    for table in metadata.sorted_tables:
        for column in table.c:
            if isinstance(column.type, (Text, LargeBinary)):
                yield f"{table.name}.{column.name}", column


def named(classes: dict[str, str]) -> set[str]:
    return {f"{table}.{column}" for table, found in classes.items() for column in found.split()}


def test_every_column_of_text_is_in_one_class() -> None:
    classes = [named(each) for each in (PUBLIC, INSTALLATION, PSEUDONYMOUS)] + [set(PERSONAL), set(ERASED)]

    listed = sorted(name for each in classes for name in each)

    assert listed == sorted(name for name, _ in columns())


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_what_people_write_is_under_their_keys(name: str) -> None:
    column = dict(columns())[name]

    assert column.info.get(PEOPLE) is not None or name == "personal_keys.key"


def test_only_what_an_erasure_removes_is_under_the_keys_of_the_installation_alone() -> None:
    alone = {name for name, each in columns() if ENCRYPTED_ROWS in each.info and each.info[PEOPLE] is None}

    assert alone - named(INSTALLATION) <= {*ERASED, "personal_keys.key"}
