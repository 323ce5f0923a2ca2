"""The course-room contract."""
