"""Leases of gateways, people, and the connection log."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A row a registration. One that has run out stays for a day, so that a late request cannot bring it back.
    # batch: the newest report that was applied.
    """
    CREATE TABLE presence.leases (
        id uuid CONSTRAINT pk_leases PRIMARY KEY,
        gateway text NOT NULL,
        renewed_at timestamptz NOT NULL,
        until timestamptz NOT NULL,
        batch bigint NOT NULL,
        ended_at timestamptz
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX ix_leases_until ON presence.leases (until) WHERE ended_at IS NULL",
    # online: a socket is open, or the last one has gone so lately that offline_at has not come yet.
    """
    CREATE TABLE presence.people (
        user_id uuid CONSTRAINT pk_people PRIMARY KEY,
        rev bigint NOT NULL,
        chosen text NOT NULL CONSTRAINT ck_people_chosen CHECK (chosen IN ('online', 'away', 'busy', 'invisible')),
        text text NOT NULL,
        online boolean NOT NULL,
        offline_at timestamptz,
        last_seen timestamptz,
        CONSTRAINT ck_people_offline_at CHECK (offline_at IS NULL OR online)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_people_offline_at ON presence.people (offline_at) WHERE offline_at IS NOT NULL",
    # The log, and at the same time who is connected now: the rows that are not closed.
    """
    CREATE TABLE presence.connections (
        id uuid CONSTRAINT pk_connections PRIMARY KEY,
        lease_id uuid NOT NULL,
        user_id uuid NOT NULL,
        session_id uuid NOT NULL,
        device_id text NOT NULL,
        client text NOT NULL,
        ip_prefix text NOT NULL,
        user_agent text NOT NULL,
        gateway text NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        code integer,
        side text CONSTRAINT ck_connections_side CHECK (side IN ('client', 'server', 'network', 'gateway lost')),
        reason text,
        resume text NOT NULL,
        last_close_code integer,
        last_close_reason text,
        bytes_in bigint,
        bytes_out bigint,
        queue_peak bigint,
        CONSTRAINT ck_connections_closed CHECK ((closed_at IS NULL) = (side IS NULL))
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_connections_lease_id ON presence.connections (lease_id) WHERE closed_at IS NULL",
    "CREATE INDEX ix_connections_open ON presence.connections (user_id) WHERE closed_at IS NULL",
    "CREATE INDEX ix_connections_user_id ON presence.connections (user_id, opened_at, id)",
    "CREATE INDEX ix_connections_opened_at ON presence.connections (opened_at, id)",
    "CREATE INDEX ix_connections_closed_at ON presence.connections (closed_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
