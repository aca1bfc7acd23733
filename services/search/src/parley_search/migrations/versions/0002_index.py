"""The index: where it stands, how far each room is read, and an entry a message."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # epoch: of the suite that was read. analysis: the version of what the entries were made with. rebuilding: since when.
    """
    CREATE TABLE search.meta (
        singleton boolean CONSTRAINT pk_meta PRIMARY KEY CONSTRAINT ck_meta_singleton CHECK (singleton),
        epoch text NOT NULL,
        analysis integer NOT NULL,
        rebuilding timestamptz,
        swept_at timestamptz NOT NULL
    )
    """,
    "INSERT INTO search.meta VALUES (true, '', 0, NULL, '-infinity')",
    # cursor: the log is followed after this seq; null where no seq of this epoch is known yet.
    # head: the newest seq that was heard of. generation: of the entries that count; a greater one replaces them.
    # paged: the state is still to be read after this seq; null when it is all there.
    # No tree indexes what each answer changes, so that rows are updated in place.
    """
    CREATE TABLE search.rooms (
        room_id uuid CONSTRAINT pk_rooms PRIMARY KEY,
        language text,
        cursor bigint,
        head bigint NOT NULL,
        generation integer NOT NULL,
        paged bigint,
        lease_until timestamptz,
        gone boolean NOT NULL
    ) WITH (fillfactor = 60)
    """,
    "CREATE INDEX ix_rooms_work ON search.rooms (room_id) WHERE paged IS NOT NULL OR gone",
    # An entry, or without a vector the tombstone of a deleted message. created_at is as immutable as the id, and makes of the
    # key the order in which a room is searched.
    """
    CREATE TABLE search.messages (
        room_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        message_id uuid NOT NULL,
        seq bigint NOT NULL,
        rev integer NOT NULL,
        generation integer NOT NULL,
        vector tsvector,
        CONSTRAINT pk_messages PRIMARY KEY (room_id, created_at, message_id)
    )
    """,
    # Searching asks the statistics how common a word is: they are to know some thousand words, not some hundred.
    "ALTER TABLE search.messages ALTER COLUMN vector SET STATISTICS 400",
    # Entries gather in a list that is merged into the tree when it is full: half the work of merging each. Every search
    # reads the list, so it is kept small.
    """
    CREATE INDEX ix_messages_vector ON search.messages USING gin (vector)
    WITH (fastupdate = on, gin_pending_list_limit = 256) WHERE vector IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
