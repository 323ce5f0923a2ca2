"""The rules of learning: pure functions and values, without input, output or framework."""
