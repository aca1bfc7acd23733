"""The wire and the plumbing that all services share; it has no opinion about chat."""
