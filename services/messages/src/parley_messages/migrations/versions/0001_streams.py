"""Rooms, membership, stream logs, messages, positions."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARTITIONS = 16

STATEMENTS = (
    # The suite's epoch, beside the identity of the database that it was made on.
    """
    CREATE TABLE messages.meta (
        singleton boolean CONSTRAINT pk_meta PRIMARY KEY DEFAULT true,
        epoch text NOT NULL,
        system_identifier text NOT NULL,
        timeline integer NOT NULL,
        changed_at timestamptz NOT NULL,
        CONSTRAINT ck_meta_singleton CHECK (singleton)
    )
    """,
    # head, n, last_at change with every batch: no B-tree index may hold them, so that the update stays HOT (a BRIN index may).
    """
    CREATE TABLE messages.rooms (
        id uuid CONSTRAINT pk_rooms PRIMARY KEY,
        kind text NOT NULL CONSTRAINT ck_rooms_kind CHECK (kind IN ('room', 'direct')),
        name text,
        topic text NOT NULL,
        visibility text NOT NULL CONSTRAINT ck_rooms_visibility CHECK (visibility IN ('public', 'private')),
        encryption text NOT NULL CONSTRAINT ck_rooms_encryption CHECK (encryption IN ('plain', 'sealed')),
        history text NOT NULL CONSTRAINT ck_rooms_history CHECK (history IN ('all', 'since_join')),
        language text NOT NULL,
        slow_mode_s integer NOT NULL,
        rev integer NOT NULL,
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        deleted_at timestamptz,
        direct_key text,
        head bigint NOT NULL,
        floor bigint NOT NULL,
        n bigint NOT NULL,
        member_count integer NOT NULL,
        last_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
    "CREATE UNIQUE INDEX uq_rooms_direct_key ON messages.rooms (direct_key) WHERE direct_key IS NOT NULL",
    """
    CREATE INDEX ix_rooms_directory ON messages.rooms (lower(name COLLATE pg_catalog.pg_c_utf8), id)
        WHERE visibility = 'public' AND kind = 'room' AND deleted_at IS NULL
    """,
    "CREATE INDEX ix_rooms_deleted ON messages.rooms (deleted_at) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX ix_rooms_last_at ON messages.rooms USING brin (last_at) WITH (pages_per_range = 4, autosummarize = on)",
    # A user's own stream: what joined or left, and what concerns the account.
    """
    CREATE TABLE messages.user_streams (
        user_id uuid CONSTRAINT pk_user_streams PRIMARY KEY,
        head bigint NOT NULL,
        floor bigint NOT NULL,
        last_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX ix_user_streams_last_at ON messages.user_streams
        USING brin (last_at) WITH (pages_per_range = 4, autosummarize = on)
    """,
    # Membership is a set of intervals [from_seq, to_seq); the open one is today's.
    """
    CREATE TABLE messages.members (
        room_id uuid NOT NULL,
        user_id uuid NOT NULL,
        from_seq bigint NOT NULL,
        to_seq bigint,
        role text NOT NULL CONSTRAINT ck_members_role CHECK (role IN ('owner', 'moderator', 'member')),
        joined_at timestamptz NOT NULL,
        left_at timestamptz,
        CONSTRAINT pk_members PRIMARY KEY (room_id, user_id, from_seq)
    )
    """,
    "CREATE UNIQUE INDEX uq_members_current ON messages.members (room_id, user_id) INCLUDE (from_seq, role) WHERE to_seq IS NULL",
    "CREATE INDEX ix_members_user_id ON messages.members (user_id) WHERE to_seq IS NULL",
    """
    CREATE TABLE messages.positions (
        room_id uuid NOT NULL,
        user_id uuid NOT NULL,
        delivered_seq bigint NOT NULL,
        read_seq bigint NOT NULL,
        read_n bigint NOT NULL,
        CONSTRAINT pk_positions PRIMARY KEY (room_id, user_id)
    ) WITH (fillfactor = 70)
    """,
    # The log holds no content; replay renders each row from today's state.
    """
    CREATE TABLE messages.events (
        stream text NOT NULL,
        seq bigint NOT NULL,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        actor uuid,
        message_id uuid,
        rev integer,
        meta jsonb,
        CONSTRAINT pk_events PRIMARY KEY (stream, seq, at)
    ) PARTITION BY RANGE (at)
    """,
    """
    CREATE TABLE messages.messages (
        room_id uuid NOT NULL,
        id uuid NOT NULL,
        seq bigint NOT NULL,
        n bigint,
        sender_id uuid NOT NULL,
        client_msg_id text NOT NULL,
        payload_hash bigint NOT NULL,
        format text NOT NULL,
        thread_root_id uuid,
        mentions uuid[] NOT NULL,
        rev integer NOT NULL,
        reply_count integer NOT NULL,
        created_at timestamptz NOT NULL,
        edited_at timestamptz,
        deleted_at timestamptz,
        deleted_by uuid,
        CONSTRAINT pk_messages PRIMARY KEY (room_id, id),
        CONSTRAINT uq_messages_seq UNIQUE (room_id, seq),
        CONSTRAINT uq_messages_client_msg_id UNIQUE (room_id, sender_id, client_msg_id)
    ) PARTITION BY HASH (room_id)
    """,
    "CREATE INDEX ix_messages_thread ON messages.messages (room_id, thread_root_id, seq) WHERE thread_root_id IS NOT NULL",
    """
    CREATE TABLE messages.message_revisions (
        room_id uuid NOT NULL,
        message_id uuid NOT NULL,
        rev integer NOT NULL,
        body text,
        format text NOT NULL,
        actor uuid NOT NULL,
        reason text,
        at timestamptz NOT NULL,
        CONSTRAINT pk_message_revisions PRIMARY KEY (room_id, message_id, rev)
    ) PARTITION BY HASH (room_id)
    """,
    # Accept times of a sender, packed by domain.RateWindow: the exact rolling limit over all gateways and replicas.
    """
    CREATE TABLE messages.sender_rates (
        user_id uuid CONSTRAINT pk_sender_rates PRIMARY KEY,
        accepted bytea NOT NULL
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE messages.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outbox PRIMARY KEY,
        stream text NOT NULL,
        from_seq bigint NOT NULL,
        to_seq bigint NOT NULL,
        kinds text[] NOT NULL
    )
    """,
    """
    CREATE TABLE messages.idempotency_keys (
        user_id uuid NOT NULL,
        key text NOT NULL,
        payload_hash bigint NOT NULL,
        room_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key)
    )
    """,
    "CREATE INDEX ix_idempotency_keys_created_at ON messages.idempotency_keys (created_at)",
    """
    CREATE TABLE messages.leases (
        name text CONSTRAINT pk_leases PRIMARY KEY,
        holder text NOT NULL,
        until timestamptz NOT NULL
    )
    """,
    # Partitions are DDL, and the role that works in the schema may do none: these two functions do it with the owner's rights.
    """
    CREATE FUNCTION messages.make_log_partitions(weeks_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE
        week timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
        made integer := 0;
        partition text;
    BEGIN
        FOR i IN -1..weeks_ahead LOOP
            partition := 'events_' || to_char((week + i * interval '7 days') AT TIME ZONE 'UTC', 'YYYYMMDD');
            IF to_regclass('messages.' || partition) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE IF NOT EXISTS messages.%I PARTITION OF messages.events FOR VALUES FROM (%L) TO (%L)',
                    partition, week + i * interval '7 days', week + (i + 1) * interval '7 days'
                );
                made := made + 1;
            END IF;
        END LOOP;
        RETURN made;
    END $$
    """,
    # A stream's floor is raised in the same transaction: what was dropped is below it for whoever asks next.
    """
    CREATE FUNCTION messages.drop_log_partitions(keep_days integer) RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE
        partition record;
        dropped text[] := '{}';
        begins timestamptz;
    BEGIN
        FOR partition IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'messages.events'::regclass ORDER BY c.relname
        LOOP
            begins := to_timestamp(right(partition.relname, 8) || ' 00:00:00+00', 'YYYYMMDD HH24:MI:SSTZH');
            IF begins + interval '7 days' < clock_timestamp() - make_interval(days => keep_days) THEN
                EXECUTE format(
                    'UPDATE messages.rooms r SET floor = greatest(r.floor, m.seq)
                     FROM (SELECT substr(stream, 6)::uuid AS id, max(seq) AS seq FROM messages.%I
                           WHERE stream LIKE ''room:%%'' GROUP BY 1) m WHERE r.id = m.id', partition.relname);
                EXECUTE format(
                    'UPDATE messages.user_streams u SET floor = greatest(u.floor, m.seq)
                     FROM (SELECT substr(stream, 6)::uuid AS id, max(seq) AS seq FROM messages.%I
                           WHERE stream LIKE ''user:%%'' GROUP BY 1) m WHERE u.user_id = m.id', partition.relname);
                EXECUTE format('DROP TABLE messages.%I', partition.relname);
                dropped := dropped || partition.relname::text;
            END IF;
        END LOOP;
        RETURN dropped;
    END $$
    """,
    "SELECT messages.make_log_partitions(4)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in ("messages", "message_revisions"):
        for number in range(PARTITIONS):
            op.execute(
                f"CREATE TABLE messages.{table}_{number:02} PARTITION OF messages.{table} "
                f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
            )


def downgrade() -> None:
    raise NotImplementedError("The first migration is undone by dropping the schema.")
