"""The learner contract on the wire."""
