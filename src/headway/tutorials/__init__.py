"""Progress in tutorials, whose content is not in the catalogue."""
