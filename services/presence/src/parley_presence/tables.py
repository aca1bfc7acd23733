"""The tables of the schema `presence`, for SQLAlchemy Core. The migrations make them; a test compares the two."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, Uuid, text

SCHEMA = "presence"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)

_instant = DateTime(timezone=True)

leases = Table(
    "leases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("renewed_at", _instant, nullable=False),
    Column("until", _instant, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("ended_at", _instant),
    Index("ix_leases_until", "until", postgresql_where=text("ended_at IS NULL")),
)

people = Table(
    "people",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("rev", BigInteger, nullable=False),
    Column("chosen", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("offline_at", _instant),
    Column("last_seen", _instant),
    Index("ix_people_offline_at", "offline_at", postgresql_where=text("offline_at IS NOT NULL")),
)

connections = Table(
    "connections",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("lease_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("ip_prefix", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("opened_at", _instant, nullable=False),
    Column("closed_at", _instant),
    Column("code", Integer),
    Column("side", Text),
    Column("reason", Text),
    Column("resume", Text, nullable=False),
    Column("last_close_code", Integer),
    Column("last_close_reason", Text),
    Column("bytes_in", BigInteger),
    Column("bytes_out", BigInteger),
    Column("queue_peak", BigInteger),
    Index("ix_connections_lease_id", "lease_id", postgresql_where=text("closed_at IS NULL")),
    Index("ix_connections_open", "user_id", postgresql_where=text("closed_at IS NULL")),
    Index("ix_connections_user_id", "user_id", "opened_at", "id"),
    Index("ix_connections_opened_at", "opened_at", "id"),
    Index("ix_connections_closed_at", "closed_at"),
)
