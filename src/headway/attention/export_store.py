"""What is told of notes about a person, of messages that staff sent to several, and of a person's saved filters."""

from headway.attention.tables import attention_dismissals, attention_messages, course_notes, saved_filters
from headway.db.personal import TableSection

SECTIONS = [
    TableSection("staff-messages", attention_messages, ["course_id", "digest"], without={"digest": "of the text"}),
    TableSection("saved-filters", saved_filters, ["course_id", "name"]),
    TableSection("staff-notes", course_notes, ["course_id", "id"], is_of_staff=True),
    TableSection("staff-dismissals", attention_dismissals, ["course_id", "rule"], is_of_staff=True),
]
