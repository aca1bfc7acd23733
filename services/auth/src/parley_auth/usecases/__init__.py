"""One method a verb; each owns its transaction."""
