"""By which replica a message was committed, for as long as the log keeps it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default: nothing is rewritten, and the release before this one goes on writing rows without it.
    op.execute("ALTER TABLE messages.events ADD COLUMN replica text")


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
