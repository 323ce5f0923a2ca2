"""What is told of the rosters in which a person is."""

from headway.db.personal import TableSection
from headway.rosters.tables import roster_places

SECTIONS = [TableSection("rosters", roster_places, ["course_id", "source", "part"])]
