"""Finding things: returns ids, never text."""
