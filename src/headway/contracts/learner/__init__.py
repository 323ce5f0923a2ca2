"""The learner contract: accounts, courses, enrollments, assessments and messages of learners."""
