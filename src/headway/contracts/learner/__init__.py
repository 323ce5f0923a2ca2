"""The learner contract."""
