"""The schema `presence`; it has no tables so far."""

from sqlalchemy import MetaData

SCHEMA = "presence"

metadata = MetaData(schema=SCHEMA)
