"""The tables of the schema `search`, for SQLAlchemy Core. The migrations make them; a test compares the two."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TSVECTOR

SCHEMA = "search"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)

_instant = DateTime(timezone=True)

meta = Table(
    "meta",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("analysis", Integer, nullable=False),
    Column("rebuilding", _instant),
    Column("swept_at", _instant, nullable=False),
)

rooms = Table(
    "rooms",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("language", Text),
    Column("cursor", BigInteger),
    Column("head", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("paged", BigInteger),
    Column("lease_until", _instant),
    Column("gone", Boolean, nullable=False),
    Index("ix_rooms_work", "room_id", postgresql_where=text("paged IS NOT NULL OR gone")),
)

messages = Table(
    "messages",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("created_at", _instant, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("vector", TSVECTOR),
    Index("ix_messages_vector", "vector", postgresql_using="gin", postgresql_where=text("vector IS NOT NULL")),
)
