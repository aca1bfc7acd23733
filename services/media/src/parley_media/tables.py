"""The schema `media`; it has no tables so far."""

from sqlalchemy import MetaData

SCHEMA = "media"

metadata = MetaData(schema=SCHEMA)
