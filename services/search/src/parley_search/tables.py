"""The schema `search`; it has no tables so far."""

from sqlalchemy import MetaData

SCHEMA = "search"

metadata = MetaData(schema=SCHEMA)
