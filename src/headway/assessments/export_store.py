"""What is told of a person's work, with its grades."""

from headway.assessments.tables import submissions
from headway.db.personal import TableSection

SECTIONS = [TableSection("submissions", submissions, ["id"])]
