"""The catalogue: courses, modules, units and assessments."""
