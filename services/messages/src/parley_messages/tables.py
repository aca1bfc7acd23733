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
    Column("flood_at", _instant),
    Column("retention_days", Integer),
    Column("key_version", Integer, nullable=False),
    Column("unreadable_before", BigInteger),
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
    Column("muted_until", _instant),
    Column("notify", Text, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("delivered_seq", BigInteger, nullable=False),
    Column("read_seq", BigInteger, nullable=False),
    Column("read_n", BigInteger, nullable=False),
    Column("last_sent_at", _instant),
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
    Column("replica", Text),
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
    Column("mention_all", Boolean, nullable=False),
    Column("pinned_at", _instant),
    Column("pinned_by", Uuid),
    Column("last_reply_at", _instant),
    Column("media", JSONB),
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
    Column("sealed", LargeBinary),
    Column("key_version", Integer),
)

message_images = Table(
    "message_images",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("image_id", Uuid, primary_key=True),
    Column("live", Boolean, nullable=False),
)

room_keys = Table(
    "room_keys",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("wrapping_key", Text),
    Column("wrapped", LargeBinary),
    Column("from_seq", BigInteger, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("destroyed_at", _instant),
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
    Column("trace", Text),
    Column("at", _instant, nullable=False),
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

reactions = Table(
    "reactions",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("reaction", Text, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", _instant, nullable=False),
)

thread_followers = Table(
    "thread_followers",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("root_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("following", Boolean, nullable=False),
    Column("since_seq", BigInteger, nullable=False),
)

fanout = Table(
    "fanout",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("room_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("after_user", Uuid),
)

notifications = Table(
    "notifications",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("room_id", Uuid, nullable=False),
    Column("message_id", Uuid),
    Column("message_seq", BigInteger, nullable=False),
    Column("thread_root_id", Uuid),
    Column("actor_id", Uuid),
    Column("at", _instant, nullable=False),
)

notification_reads = Table(
    "notification_reads",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("up_to_seq", BigInteger, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("blocked_id", Uuid, primary_key=True),
    Column("at", _instant, nullable=False),
)

sanctions = Table(
    "sanctions",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("until", _instant),
    Column("reason", Text),
    Column("actor", Uuid, nullable=False),
    Column("at", _instant, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("room_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("reporter_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", _instant, nullable=False),
    Column("resolved_at", _instant),
    Column("resolved_by", Uuid),
    Column("resolution", Text),
    Column("sealed", LargeBinary),
    Column("key_version", Integer),
)

access_grants = Table(
    "access_grants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("room_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", _instant, nullable=False),
    Column("until", _instant, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("room_id", Uuid, primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("at", _instant, nullable=False),
    Column("actor_id", Uuid),
    Column("action", Text, nullable=False),
    Column("target_id", Uuid),
    Column("body", LargeBinary),
    Column("entry_key", LargeBinary),
    Column("mac", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("saga_id", Uuid, nullable=False),
    Column("started_at", _instant, nullable=False),
    Column("finished_at", _instant),
    Column("counts", JSONB, nullable=False),
)

erasure_rooms = Table(
    "erasure_rooms",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("room_id", Uuid, primary_key=True),
)

buckets = Table(
    "buckets",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("arrival", _instant, nullable=False),
)
