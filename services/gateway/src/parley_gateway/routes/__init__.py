"""HTTP, one module an owner: parse, call, answer."""
