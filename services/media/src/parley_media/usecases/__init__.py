"""One module a noun; each method is a verb and owns its transactions."""
