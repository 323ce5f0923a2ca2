"""Of every table it is said what an erasure does with it, so that no new one keeps what tells of people unnoticed."""

from importlib import import_module

from headway.schema import metadata

ERASED = {
    "account_links": "accounts",
    "api_keys": "accounts",
    "registrations": "accounts",
    "sessions": "accounts",
    "users": "accounts",
    "submissions": "assessments",
    "attention_dismissals": "attention",
    "attention_messages": "attention",
    "course_notes": "attention",
    "saved_filters": "attention",
    "audit_entries": "audit",
    "enrollments": "enrollments",
    "invitations": "enrollments",
    "feed": "feed",
    "feed_topics": "feed",
    "idempotency_keys": "idempotency",
    "client_clocks": "learning",
    "earlier_progress": "learning",
    "resets": "learning",
    "learner_activity_logs": "learning",
    "unit_progress": "learning",
    "mails": "mail",
    "conversations": "messaging",
    "messages": "messaging",
    "list_orders": "paging",
    "roster_places": "rosters",
    "webhook_deliveries": "webhooks",
}
"""By table, the room whose `erasing_store` erases what is personal in it."""

LEFT = {
    "course_staff": "the erasure leaves the staff of each course, as `CourseStaff` does",
    "waiting_list": "the erasure leaves each list, as `Enrollments` does",
    "personal_keys": "`personal_keys.destroy` empties the key",
}
"""What the services of rooms, or `db`, do at an erasure."""

STAYS = {
    "account_changes": "ids",
    "archived_ids": "hashes",
    "event_residues": "what forgotten events add to progress, in numbers",
    "forgotten_events": "numbers",
    "retention_runs": "about the installation",
    "archives": "files, ids and times",
    "assessments": "the catalogue",
    "attention_rules": "thresholds",
    "audit_head": "hashes",
    "audit_redactions": "hashes",
    "audit_verification": "counts, and the number of an entry",
    "chapter_progress": "progress under the id",
    "course_gradings": "the catalogue",
    "course_prerequisites": "the catalogue",
    "course_statistics": "counts",
    "course_terms": "the catalogue",
    "courses": "the catalogue",
    "disclosures": "ids and times",
    "erasures": "receipts, which hold nothing personal",
    "index_keys": "a key of the installation",
    "modules": "the catalogue",
    "quiz_scores": "scores under the id",
    "rate_limits": "keyed hashes and times, until they expire",
    "receipt_keys": "a key of the installation",
    "revisions": "numbers",
    "set_aside_days": "times under the id",
    "study_days": "times under the id",
    "tutorial_progress": "progress under the id",
    "tutorials": "content",
    "uncounted_events": "evidence in numbers, under the id",
    "units": "the catalogue",
    "webhooks": "addresses of other systems",
}
"""Why what a table holds tells nobody who an erased person was."""


def test_every_table_says_what_an_erasure_does_with_it() -> None:
    assert sorted([*ERASED, *LEFT, *STAYS]) == sorted(metadata.tables)


def test_each_room_erases_what_is_said_of_it() -> None:
    for name, room in ERASED.items():
        erasing = import_module(f"headway.{room}.erasing_store")
        assert any(each is metadata.tables[name] for each in vars(erasing).values()), name
