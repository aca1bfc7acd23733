"""The tables of the schema `messages`, for SQLAlchemy Core. The migrations make them; a test compares the two."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "messages"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)

_instant = DateTime(timezone=True)

meta = Table(
    "meta",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("system_identifier", Text, nullable=False),
    Column("timeline", Integer, nullable=False),
    Column("changed_at", _instant, nullable=False),
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("topic", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("encryption", Text, nullable=False),
    Column("history", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("slow_mode_s", Integer, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("deleted_at", _instant),
    Column("direct_key", Text),
    Column("head", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("member_count", Integer, nullable=False),
    Column("last_at", _instant, nullable=False),
)

user_streams = Table(
    "user_streams",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("last_at", _instant, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("from_seq", BigInteger, primary_key=True),
    Column("to_seq", BigInteger),
    Column("role", Text, nullable=False),
    Column("joined_at", _instant, nullable=False),
    Column("left_at", _instant),
)

positions = Table(
    "positions",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("delivered_seq", BigInteger, nullable=False),
    Column("read_seq", BigInteger, nullable=False),
    Column("read_n", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", _instant, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("actor", Uuid),
    Column("message_id", Uuid),
    Column("rev", Integer),
    Column("meta", JSONB),
)

messages = Table(
    "messages",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("n", BigInteger),
    Column("sender_id", Uuid, nullable=False),
    Column("client_msg_id", Text, nullable=False),
    Column("payload_hash", BigInteger, nullable=False),
    Column("format", Text, nullable=False),
    Column("thread_root_id", Uuid),
    Column("mentions", ARRAY(Uuid), nullable=False),
    Column("rev", Integer, nullable=False),
    Column("reply_count", Integer, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("edited_at", _instant),
    Column("deleted_at", _instant),
    Column("deleted_by", Uuid),
)

message_revisions = Table(
    "message_revisions",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("body", Text),
    Column("format", Text, nullable=False),
    Column("actor", Uuid, nullable=False),
    Column("reason", Text),
    Column("at", _instant, nullable=False),
)

sender_rates = Table(
    "sender_rates",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("accepted", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("from_seq", BigInteger, nullable=False),
    Column("to_seq", BigInteger, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("payload_hash", BigInteger, nullable=False),
    Column("room_id", Uuid, nullable=False),
    Column("created_at", _instant, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", _instant, nullable=False),
)
