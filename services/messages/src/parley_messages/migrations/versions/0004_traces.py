"""What is recorded goes on through the outbox; and how old the oldest row of it is."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A default that is not constant would rewrite the table; it is small, and empty most of the time.
    op.execute(
        "ALTER TABLE messages.outbox ADD COLUMN trace text, ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp()"
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
