"""The course-room contract: enrollments, progress and statistics of a course."""
