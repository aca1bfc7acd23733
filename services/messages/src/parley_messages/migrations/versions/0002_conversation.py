"""What people do in a conversation: reactions, pins, threads, notifications, blocks, moderation, audit."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTITIONS = 16

STATEMENTS = (
    # Columns with a constant default cost no rewrite, and the previous release goes on without them.
    """
    ALTER TABLE messages.messages
        ADD COLUMN mention_all boolean NOT NULL DEFAULT false,
        ADD COLUMN pinned_at timestamptz,
        ADD COLUMN pinned_by uuid,
        ADD COLUMN last_reply_at timestamptz
    """,
    "CREATE INDEX ix_messages_pinned ON messages.messages (room_id, pinned_at) WHERE pinned_at IS NOT NULL",
    # flood_at: theoretical arrival time of the room's flood limit (GCRA). It changes with every batch: no index may hold it.
    "ALTER TABLE messages.rooms ADD COLUMN flood_at timestamptz, ADD COLUMN retention_days integer",
    # muted_until and banned people outlive a membership, so they are `sanctions`; the open interval repeats the mute for the send.
    """
    ALTER TABLE messages.members
        ADD COLUMN muted_until timestamptz,
        ADD COLUMN notify text NOT NULL DEFAULT 'all' CONSTRAINT ck_members_notify CHECK (notify IN ('all', 'mentions', 'none'))
    """,
    "DROP INDEX messages.uq_members_current",
    """
    CREATE UNIQUE INDEX uq_members_current ON messages.members (room_id, user_id) INCLUDE (from_seq, role, muted_until)
        WHERE to_seq IS NULL
    """,
    # Everywhere that somebody ever was: for taking along, and for erasing.
    "CREATE INDEX ix_members_everywhere ON messages.members (user_id, room_id)",
    "ALTER TABLE messages.positions ADD COLUMN last_sent_at timestamptz",
    # seq: of the event that added it; it orders the people of a reaction.
    """
    CREATE TABLE messages.reactions (
        room_id uuid NOT NULL,
        message_id uuid NOT NULL,
        reaction text NOT NULL,
        user_id uuid NOT NULL,
        seq bigint NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT pk_reactions PRIMARY KEY (room_id, message_id, reaction, user_id)
    ) PARTITION BY HASH (room_id)
    """,
    # following false: chose not to, which a mention or being the root's author does not undo; an own reply does.
    """
    CREATE TABLE messages.thread_followers (
        room_id uuid NOT NULL,
        root_id uuid NOT NULL,
        user_id uuid NOT NULL,
        following boolean NOT NULL,
        since_seq bigint NOT NULL,
        CONSTRAINT pk_thread_followers PRIMARY KEY (room_id, root_id, user_id)
    )
    """,
    "CREATE INDEX ix_thread_followers_user_id ON messages.thread_followers (user_id, room_id) WHERE following",
    # Work that a send leaves for after its commit; after_user: how far the worker has come.
    """
    CREATE TABLE messages.fanout (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_fanout PRIMARY KEY,
        room_id uuid NOT NULL,
        message_id uuid NOT NULL,
        after_user uuid
    )
    """,
    # seq: of `notification.created` in the user's stream. message_seq: reading the room up to it reads the notification, too.
    """
    CREATE TABLE messages.notifications (
        user_id uuid NOT NULL,
        seq bigint NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT ck_notifications_kind
            CHECK (kind IN ('mention', 'direct', 'reply', 'invitation', 'access')),
        room_id uuid NOT NULL,
        message_id uuid,
        message_seq bigint NOT NULL,
        thread_root_id uuid,
        actor_id uuid,
        at timestamptz NOT NULL,
        CONSTRAINT pk_notifications PRIMARY KEY (user_id, seq),
        CONSTRAINT uq_notifications_id UNIQUE (user_id, id)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_notifications_message_id ON messages.notifications (user_id, message_id, kind)
        WHERE message_id IS NOT NULL
    """,
    "CREATE INDEX ix_notifications_room_id ON messages.notifications (user_id, room_id, message_seq)",
    "CREATE INDEX ix_notifications_message_id ON messages.notifications (room_id, message_id)",
    """
    CREATE TABLE messages.notification_reads (
        user_id uuid CONSTRAINT pk_notification_reads PRIMARY KEY,
        up_to_seq bigint NOT NULL
    )
    """,
    """
    CREATE TABLE messages.blocks (
        user_id uuid NOT NULL,
        blocked_id uuid NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT pk_blocks PRIMARY KEY (user_id, blocked_id)
    )
    """,
    "CREATE INDEX ix_blocks_blocked_id ON messages.blocks (blocked_id)",
    # until null: without end.
    """
    CREATE TABLE messages.sanctions (
        room_id uuid NOT NULL,
        user_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT ck_sanctions_kind CHECK (kind IN ('mute', 'ban')),
        until timestamptz,
        reason text,
        actor uuid NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT pk_sanctions PRIMARY KEY (room_id, user_id, kind)
    )
    """,
    "CREATE INDEX ix_sanctions_until ON messages.sanctions (until) WHERE until IS NOT NULL",
    """
    CREATE TABLE messages.reports (
        id uuid CONSTRAINT pk_reports PRIMARY KEY,
        room_id uuid NOT NULL,
        message_id uuid NOT NULL,
        reporter_id uuid NOT NULL,
        reason text NOT NULL,
        at timestamptz NOT NULL,
        resolved_at timestamptz,
        resolved_by uuid,
        resolution text
    )
    """,
    "CREATE UNIQUE INDEX uq_reports_open ON messages.reports (message_id, reporter_id) WHERE resolved_at IS NULL",
    "CREATE INDEX ix_reports_open ON messages.reports (id) WHERE resolved_at IS NULL",
    "CREATE INDEX ix_reports_room_id ON messages.reports (room_id)",
    # An admin's way into a room's content: for minutes, with a reason.
    """
    CREATE TABLE messages.access_grants (
        id uuid CONSTRAINT pk_access_grants PRIMARY KEY,
        room_id uuid NOT NULL,
        user_id uuid NOT NULL,
        reason text NOT NULL,
        at timestamptz NOT NULL,
        until timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_access_grants_room_id ON messages.access_grants (room_id, user_id, until)",
    # A hash chain per room, taken under the room's lock. n is dense from 1. mac: HMAC-SHA-256 of the body under entry_key; erasing
    # an entry removes body and entry_key, and the chain, which holds macs, still verifies.
    """
    CREATE TABLE messages.audit (
        room_id uuid NOT NULL,
        n bigint NOT NULL,
        at timestamptz NOT NULL,
        actor_id uuid,
        action text NOT NULL,
        target_id uuid,
        body bytea,
        entry_key bytea,
        mac bytea NOT NULL,
        prev_hash bytea NOT NULL,
        hash bytea NOT NULL,
        CONSTRAINT pk_audit PRIMARY KEY (room_id, n)
    )
    """,
    "CREATE INDEX ix_audit_at ON messages.audit (at, room_id, n)",
    "CREATE INDEX ix_audit_actor_id ON messages.audit (actor_id, at)",
    "CREATE INDEX ix_audit_target_id ON messages.audit (target_id, at)",
    # Who was erased, or is being: nobody of these joins a room any more. counts: what was erased, by what it was.
    """
    CREATE TABLE messages.erasures (
        user_id uuid CONSTRAINT pk_erasures PRIMARY KEY,
        saga_id uuid NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        counts jsonb NOT NULL
    )
    """,
    # Rooms that an erasure has yet to go through.
    """
    CREATE TABLE messages.erasure_rooms (
        user_id uuid NOT NULL,
        room_id uuid NOT NULL,
        CONSTRAINT pk_erasure_rooms PRIMARY KEY (user_id, room_id)
    )
    """,
    # Limits that are token buckets (edits and reactions): theoretical arrival times, by the database's clock.
    """
    CREATE TABLE messages.buckets (
        user_id uuid NOT NULL,
        name text NOT NULL,
        arrival timestamptz NOT NULL,
        CONSTRAINT pk_buckets PRIMARY KEY (user_id, name)
    ) WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for number in range(PARTITIONS):
        op.execute(
            f"CREATE TABLE messages.reactions_{number:02} PARTITION OF messages.reactions "
            f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
        )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
