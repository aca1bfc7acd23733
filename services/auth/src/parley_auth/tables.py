"""The tables of the schema `auth`, for SQLAlchemy Core. The migrations make them; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "auth"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)

_instant = DateTime(timezone=True)
# Names are compared byte by byte, whatever the database's locale: a prefix search can use the index then.
_key = Text(collation="C")

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", _key, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_key", _key, nullable=False),
    Column("role", Text, nullable=False),
    Column("ver", Integer, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("read_receipts", Boolean, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("last_login_at", _instant),
    Column("disabled_at", _instant),
    Column("erased_at", _instant),
    Index("uq_users_username_key", "username_key", unique=True),
    Index("ix_users_display_key", "display_key"),
    Index("ix_users_admins", "id", postgresql_where=text("role = 'admin'")),
)

credentials = Table(
    "credentials",
    metadata,
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("changed_at", _instant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("last_used_at", _instant, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid, ForeignKey(sessions.c.id, ondelete="CASCADE"), nullable=False),
    Column("parent", LargeBinary),
    Column("created_at", _instant, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Column("used_at", _instant),
    Index("ix_refresh_tokens_session_id", "session_id"),
    Index("ix_refresh_tokens_parent", "parent"),
    Index("ix_refresh_tokens_expires_at", "expires_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("use_from", _instant, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("created_at", _instant, nullable=False),
)

invites = Table(
    "invites",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Column("used_at", _instant),
)

operator_codes = Table(
    "operator_codes",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("used_at", _instant, nullable=False),
    Column("expires_at", _instant, nullable=False),
)

reset_codes = Table(
    "reset_codes",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Index("ix_reset_codes_user_id", "user_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("at", _instant, nullable=False),
    Column("pending", Boolean, nullable=False),
    PrimaryKeyConstraint("id", "kind"),
    Index("ix_attempts_kind", "kind", "key", "at"),
    Index("ix_attempts_at", "at"),
)

revocation_head = Table(
    "revocation_head",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("cursor", BigInteger, nullable=False),
)

revocations = Table(
    "revocations",
    metadata,
    Column("cursor", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _instant, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("session_id", Uuid),
    Column("min_ver", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Index("ix_revocations_at", "at"),
    Index("ix_revocations_session_id", "session_id"),
)

logins = Table(
    "logins",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", _instant, nullable=False),
    Column("user_id", Uuid),
    Column("outcome", Text, nullable=False),
    Column("ip_prefix", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Index("ix_logins_at", "at"),
    Index("ix_logins_user_id", "user_id", "at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("requested_at", _instant, nullable=False),
    Column("finished_at", _instant),
    Column("stores", JSONB, nullable=False),
    Column("until", _instant, nullable=False),
    Index("uq_erasures_user_id", "user_id", unique=True),
    Index("ix_erasures_until", "until", postgresql_where=text("finished_at IS NULL")),
)

audit = Table(
    "audit",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _instant, nullable=False),
    Column("actor_id", Uuid),
    Column("action", Text, nullable=False),
    Column("target_id", Uuid),
    Column("body", LargeBinary),
    Column("entry_key", LargeBinary),
    Column("mac", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_at", "at"),
    Index("ix_audit_target_id", "target_id", "at"),
    Index("ix_audit_actor_id", "actor_id", "at"),
)
