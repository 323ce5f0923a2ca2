"""What staff read about a course and its learners: figures, distributions, and the record of one learner."""
