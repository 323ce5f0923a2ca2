"""The course-room contract: who is where in a course."""
