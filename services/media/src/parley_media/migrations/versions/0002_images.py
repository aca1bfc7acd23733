"""Images, the objects that they lie in, where they were about to be sent to, and who uploads how often."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # begun: announced, perhaps already sealed in quarantine. ready: made anew, for who may see it. erasing: its keys are gone, its
    # objects are about to follow, its row goes last. attempt: who took it to decode it; worked_until: until when he has it.
    # due_at: when somebody looks after it again. released_at: when the last message that carried
    # it had gone. picture: what messages carry of it.
    """
    CREATE TABLE media.images (
        id uuid CONSTRAINT pk_images PRIMARY KEY,
        owner_id uuid NOT NULL,
        state text NOT NULL CONSTRAINT ck_images_state CHECK (state IN ('begun', 'ready', 'erasing')),
        created_at timestamptz NOT NULL,
        attempt integer NOT NULL,
        worked_until timestamptz,
        due_at timestamptz,
        claimed_at timestamptz,
        released_at timestamptz,
        picture jsonb,
        CONSTRAINT ck_images_picture CHECK (state <> 'ready' OR picture IS NOT NULL)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_images_owner_id ON media.images (owner_id, id)",
    "CREATE INDEX ix_images_due_at ON media.images (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX ix_images_erasing ON media.images (id) WHERE state = 'erasing'",
    # Every object that is in the bucket, or soon will be. Without a key it is about to be deleted there, and its row after it.
    # length: bytes of the file in it, not sealed. Names are compared byte by byte, as S3 lists them.
    """
    CREATE TABLE media.objects (
        name text COLLATE "C" CONSTRAINT pk_objects PRIMARY KEY,
        image_id uuid NOT NULL CONSTRAINT fk_objects_image_id REFERENCES media.images (id),
        part text NOT NULL,
        attempt integer NOT NULL,
        content_type text NOT NULL,
        length bigint NOT NULL,
        sha256 text NOT NULL,
        wrapped_by text,
        wrapped_key bytea,
        CONSTRAINT ck_objects_key CHECK ((wrapped_by IS NULL) = (wrapped_key IS NULL))
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_objects_image_id ON media.objects (image_id)",
    "CREATE INDEX ix_objects_wrapped_by ON media.objects (wrapped_by, name) WHERE wrapped_key IS NOT NULL",
    "CREATE INDEX ix_objects_erasing ON media.objects (image_id) WHERE wrapped_key IS NULL",
    # Rooms that an image was about to be sent to.
    """
    CREATE TABLE media.claims (
        image_id uuid NOT NULL CONSTRAINT fk_claims_image_id REFERENCES media.images (id) ON DELETE CASCADE,
        room_id uuid NOT NULL,
        CONSTRAINT pk_claims PRIMARY KEY (image_id, room_id)
    )
    """,
    # Token buckets of uploads: theoretical arrival times, by the database's clock.
    """
    CREATE TABLE media.buckets (
        user_id uuid CONSTRAINT pk_buckets PRIMARY KEY,
        arrival timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
    # What was erased of accounts, for their receipts.
    """
    CREATE TABLE media.erasures (
        user_id uuid CONSTRAINT pk_erasures PRIMARY KEY,
        images bigint NOT NULL,
        objects bigint NOT NULL
    )
    """,
    """
    CREATE TABLE media.leases (
        name text CONSTRAINT pk_leases PRIMARY KEY,
        holder text NOT NULL,
        until timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
