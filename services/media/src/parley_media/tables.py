"""The tables of the schema `media`, for SQLAlchemy Core. The migrations make them; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "media"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    },
)

_instant = DateTime(timezone=True)

images = Table(
    "images",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worked_until", _instant),
    Column("due_at", _instant),
    Column("claimed_at", _instant),
    Column("released_at", _instant),
    Column("picture", JSONB),
    Index("ix_images_owner_id", "owner_id", "id"),
    Index("ix_images_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("ix_images_erasing", "id", postgresql_where=text("state = 'erasing'")),
)

objects = Table(
    "objects",
    metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("image_id", Uuid, ForeignKey(images.c.id), nullable=False),
    Column("part", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("wrapped_by", Text),
    Column("wrapped_key", LargeBinary),
    Index("ix_objects_image_id", "image_id"),
    Index("ix_objects_wrapped_by", "wrapped_by", "name", postgresql_where=text("wrapped_key IS NOT NULL")),
    Index("ix_objects_erasing", "image_id", postgresql_where=text("wrapped_key IS NULL")),
)

claims = Table(
    "claims",
    metadata,
    Column("image_id", Uuid, ForeignKey(images.c.id, ondelete="CASCADE"), primary_key=True),
    Column("room_id", Uuid, primary_key=True),
)

buckets = Table(
    "buckets",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("arrival", _instant, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("images", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", _instant, nullable=False),
)
