"""The sections of an export, as rooms bring them, and of each other table the reason why it holds nothing to tell."""

from pathlib import Path

from headway.accounts import export_store as accounts
from headway.assessments import export_store as assessments
from headway.attention import export_store as attention
from headway.audit import export_store as audit
from headway.courses import export_store as courses
from headway.db.personal import Section
from headway.disclosures import export_store as disclosures
from headway.enrollments import export_store as enrollments
from headway.feed import export_store as feed
from headway.idempotency import export_store as idempotency
from headway.learning import export_store as learning
from headway.mail import export_store as mail
from headway.messaging import export_store as messaging
from headway.privacy.disclosures import DisclosuresOfCourses
from headway.rosters import export_store as rosters
from headway.tutorials import export_store as tutorials
from headway.webhooks import export_store as webhooks

_CATALOGUE = "what is taught, not who learns it"
_INSTALLATION = "about the installation"

NOT_TOLD = {
    **dict.fromkeys(
        ("courses", "course_terms", "course_gradings", "course_prerequisites", "modules", "units", "assessments", "tutorials"),
        _CATALOGUE,
    ),
    **dict.fromkeys(("index_keys", "revisions", "audit_head", "audit_verification", "webhooks", "receipt_keys"), _INSTALLATION),
    "personal_keys": "the key under which the person's texts are encrypted, which are told themselves",
    **dict.fromkeys(("erasures", "audit_redactions"), "about people who were erased"),
    "attention_rules": "rules of a course for all its learners",
    "course_statistics": "counts of all learners of a course",
    "account_changes": "that an account changed, for servers that remember it, until the next ones",
    "archived_ids": "hashes of the ids and contents of archived events, which are told themselves",
    "feed_topics": "how many entries were written to a feed",
    "registrations": "what somebody typed who has not proven the address: it is nobody's account, and deleted after a day",
    "rate_limits": "times under keyed hashes, from which nobody can be found",
    "event_residues": "what forgotten events add to progress, which is told itself",
    "forgotten_events": "how many events were forgotten",
    "retention_runs": _INSTALLATION,
    "list_orders": "the order of a list that the person pages through, for an hour",
}
"""The tables of which an export tells nothing, with the reasons."""


def sections(archives_folder: Path | None = None) -> list[Section]:
    """Return all sections, what matters most first. Archives are in one folder, or else where they were written."""
    return [
        *accounts.SECTIONS,
        *mail.SECTIONS,
        *enrollments.SECTIONS,
        *courses.SECTIONS,
        *rosters.SECTIONS,
        *learning.sections(archives_folder),
        *tutorials.SECTIONS,
        *assessments.SECTIONS,
        *messaging.SECTIONS,
        *feed.SECTIONS,
        *attention.SECTIONS,
        *webhooks.SECTIONS,
        *idempotency.SECTIONS,
        *audit.SECTIONS,
        *disclosures.SECTIONS,
        DisclosuresOfCourses(),
    ]
