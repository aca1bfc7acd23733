"""The audit trail becomes a hash chain, and accounts can be erased."""

import sqlalchemy as sa
from alembic import op

from parley_shared.audit import ACCOUNTS_CHAIN, ZERO, new_body, seal

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # One chain. n is dense from 1. mac: HMAC-SHA-256 of the body under entry_key; erasing an entry removes body and entry_key, and
    # the chain, which holds macs, still verifies.
    """
    CREATE TABLE auth.audit (
        n bigint CONSTRAINT pk_audit PRIMARY KEY,
        at timestamptz NOT NULL,
        actor_id uuid,
        action text NOT NULL,
        target_id uuid,
        body bytea,
        entry_key bytea,
        mac bytea NOT NULL,
        prev_hash bytea NOT NULL,
        hash bytea NOT NULL
    )
    """,
    "CREATE INDEX ix_audit_at ON auth.audit (at)",
    "CREATE INDEX ix_audit_target_id ON auth.audit (target_id, at)",
    "CREATE INDEX ix_audit_actor_id ON auth.audit (actor_id, at)",
    # stores: how far each service has come. until: the replica that works on it has it to itself until then.
    """
    CREATE TABLE auth.erasures (
        id uuid CONSTRAINT pk_erasures PRIMARY KEY,
        user_id uuid NOT NULL,
        code_hash bytea NOT NULL,
        requested_at timestamptz NOT NULL,
        finished_at timestamptz,
        stores jsonb NOT NULL,
        until timestamptz NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX uq_erasures_user_id ON auth.erasures (user_id)",
    "CREATE INDEX ix_erasures_until ON auth.erasures (until) WHERE finished_at IS NULL",
)


def upgrade() -> None:
    connection = op.get_bind()
    old = connection.execute(
        sa.text("SELECT at, actor_id, action, target_id, detail FROM auth.audit ORDER BY at, id")
    ).all()
    op.execute("DROP TABLE auth.audit")
    for statement in STATEMENTS:
        op.execute(statement)
    last = (0, ZERO)
    for row in old:
        details = {} if row.detail is None else {"detail": row.detail}
        body = new_body(
            at=row.at,
            actor_id=row.actor_id,
            action=row.action,
            target_id=row.target_id,
            room_id=None,
            reason=None,
            details=details,
        )
        entry = seal("accounts", ACCOUNTS_CHAIN, last, body)
        last = (entry.n, entry.hash)
        connection.execute(
            sa.text(
                "INSERT INTO auth.audit VALUES (:n, :at, :actor, :action, :target, :body, :key, :mac, :prev, :hash)"
            ),
            {
                "n": entry.n,
                "at": row.at,
                "actor": row.actor_id,
                "action": row.action,
                "target": row.target_id,
                "body": entry.body,
                "key": entry.key,
                "mac": entry.mac,
                "prev": entry.prev_hash,
                "hash": entry.hash,
            },
        )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
