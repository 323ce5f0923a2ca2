"""What is told of a person's progress in tutorials."""

from headway.db.personal import TableSection
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress

SECTIONS = [
    TableSection("tutorials", tutorial_progress, ["tutorial_id"]),
    TableSection("tutorial-chapters", chapter_progress, ["tutorial_id", "chapter_id"]),
    TableSection("tutorial-quizzes", quiz_scores, ["tutorial_id", "quiz_id"]),
]
