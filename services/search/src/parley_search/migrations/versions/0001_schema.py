"""The chain begins: the schema is there, and has nothing in it yet."""

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The schema itself is made with its roles, before any migration."""


def downgrade() -> None:
    """Nothing to undo."""
