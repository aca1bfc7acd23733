"""Images in messages, and sealed rooms."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # key_version: of the key that seals what is said now; 0 in a plain room. unreadable_before: what has a smaller seq was
    # sealed under a key that has been destroyed.
    """
    ALTER TABLE messages.rooms
        ADD COLUMN key_version integer NOT NULL DEFAULT 0,
        ADD COLUMN unreadable_before bigint
    """,
    # wrapped: the data key, under a key that is in no database; null once it is destroyed. from_seq: what it seals is newer.
    """
    CREATE TABLE messages.room_keys (
        room_id uuid NOT NULL,
        version integer NOT NULL,
        wrapping_key text,
        wrapped bytea,
        from_seq bigint NOT NULL,
        created_at timestamptz NOT NULL,
        destroyed_at timestamptz,
        CONSTRAINT pk_room_keys PRIMARY KEY (room_id, version),
        CONSTRAINT ck_room_keys_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_room_keys_wrapping_key ON messages.room_keys (wrapping_key) WHERE wrapped IS NOT NULL",
    # sealed: body and reason in a sealed room, where both columns are null.
    "ALTER TABLE messages.message_revisions ADD COLUMN sealed bytea, ADD COLUMN key_version integer",
    "ALTER TABLE messages.reports ADD COLUMN sealed bytea, ADD COLUMN key_version integer",
    # media: what media said of the images when the message was sent; null for none, and of a deleted message.
    "ALTER TABLE messages.messages ADD COLUMN media jsonb",
    # Which message carries which image. live false: it does no longer, and media is yet to be told.
    """
    CREATE TABLE messages.message_images (
        room_id uuid NOT NULL,
        message_id uuid NOT NULL,
        image_id uuid NOT NULL,
        live boolean NOT NULL,
        CONSTRAINT pk_message_images PRIMARY KEY (room_id, message_id, image_id)
    )
    """,
    "CREATE INDEX ix_message_images_image_id ON messages.message_images (image_id, room_id)",
    "CREATE INDEX ix_message_images_dead ON messages.message_images (room_id, message_id) WHERE NOT live",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
