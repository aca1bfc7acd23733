"""One method per verb; each owns its transaction."""
