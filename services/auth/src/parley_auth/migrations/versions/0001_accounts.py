"""Accounts, credentials, sessions, keys, codes, throttles, revocations."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # Keys compare byte by byte, whatever the database's locale, so that a search by prefix can use the index.
    """
    CREATE TABLE auth.users (
        id uuid CONSTRAINT pk_users PRIMARY KEY,
        username text NOT NULL,
        username_key text COLLATE "C" NOT NULL,
        display_name text NOT NULL,
        display_key text COLLATE "C" NOT NULL,
        role text NOT NULL CONSTRAINT ck_users_role CHECK (role IN ('admin', 'moderator', 'user')),
        ver integer NOT NULL,
        rev integer NOT NULL,
        read_receipts boolean NOT NULL,
        created_at timestamptz NOT NULL,
        last_login_at timestamptz,
        disabled_at timestamptz,
        erased_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX uq_users_username_key ON auth.users (username_key)",
    "CREATE INDEX ix_users_display_key ON auth.users (display_key)",
    "CREATE INDEX ix_users_admins ON auth.users (id) WHERE role = 'admin'",
    """
    CREATE TABLE auth.credentials (
        user_id uuid CONSTRAINT pk_credentials PRIMARY KEY
            CONSTRAINT fk_credentials_user_id REFERENCES auth.users ON DELETE CASCADE,
        password_hash text NOT NULL,
        changed_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE auth.sessions (
        id uuid CONSTRAINT pk_sessions PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT fk_sessions_user_id REFERENCES auth.users ON DELETE CASCADE,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ip text NOT NULL,
        user_agent text NOT NULL
    )
    """,
    "CREATE INDEX ix_sessions_user_id ON auth.sessions (user_id)",
    "CREATE INDEX ix_sessions_expires_at ON auth.sessions (expires_at)",
    # A used token stays until it would have expired: that is how its reuse is noticed.
    """
    CREATE TABLE auth.refresh_tokens (
        hash bytea CONSTRAINT pk_refresh_tokens PRIMARY KEY,
        session_id uuid NOT NULL CONSTRAINT fk_refresh_tokens_session_id REFERENCES auth.sessions ON DELETE CASCADE,
        parent bytea,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX ix_refresh_tokens_session_id ON auth.refresh_tokens (session_id)",
    "CREATE INDEX ix_refresh_tokens_parent ON auth.refresh_tokens (parent)",
    "CREATE INDEX ix_refresh_tokens_expires_at ON auth.refresh_tokens (expires_at)",
    """
    CREATE TABLE auth.signing_keys (
        kid text CONSTRAINT pk_signing_keys PRIMARY KEY,
        use_from timestamptz NOT NULL,
        private_key bytea NOT NULL,
        sealed boolean NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE auth.invites (
        hash bytea CONSTRAINT pk_invites PRIMARY KEY,
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    """
    CREATE TABLE auth.operator_codes (
        nonce text CONSTRAINT pk_operator_codes PRIMARY KEY,
        user_id uuid NOT NULL,
        used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE auth.reset_codes (
        hash bytea CONSTRAINT pk_reset_codes PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT fk_reset_codes_user_id REFERENCES auth.users ON DELETE CASCADE,
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_reset_codes_user_id ON auth.reset_codes (user_id)",
    """
    CREATE TABLE auth.attempts (
        id uuid NOT NULL,
        kind text NOT NULL,
        key bytea NOT NULL,
        at timestamptz NOT NULL,
        pending boolean NOT NULL,
        CONSTRAINT pk_attempts PRIMARY KEY (id, kind)
    )
    """,
    "CREATE INDEX ix_attempts_kind ON auth.attempts (kind, key, at)",
    "CREATE INDEX ix_attempts_at ON auth.attempts (at)",
    # The cursor is taken by an update of this one row, under its lock: a sequence would not be in the order of commits.
    """
    CREATE TABLE auth.revocation_head (
        singleton boolean CONSTRAINT pk_revocation_head PRIMARY KEY CONSTRAINT ck_revocation_head_singleton CHECK (singleton),
        cursor bigint NOT NULL
    )
    """,
    "INSERT INTO auth.revocation_head VALUES (true, 0)",
    """
    CREATE TABLE auth.revocations (
        cursor bigint CONSTRAINT pk_revocations PRIMARY KEY,
        at timestamptz NOT NULL,
        user_id uuid NOT NULL,
        session_id uuid,
        min_ver integer NOT NULL,
        kind text NOT NULL CONSTRAINT ck_revocations_kind CHECK (kind IN ('end', 'renew'))
    )
    """,
    "CREATE INDEX ix_revocations_at ON auth.revocations (at)",
    "CREATE INDEX ix_revocations_session_id ON auth.revocations (session_id)",
    """
    CREATE TABLE auth.logins (
        id uuid CONSTRAINT pk_logins PRIMARY KEY,
        at timestamptz NOT NULL,
        user_id uuid,
        outcome text NOT NULL,
        ip_prefix text NOT NULL,
        user_agent text NOT NULL
    )
    """,
    "CREATE INDEX ix_logins_at ON auth.logins (at)",
    "CREATE INDEX ix_logins_user_id ON auth.logins (user_id, at)",
    """
    CREATE TABLE auth.audit (
        id uuid CONSTRAINT pk_audit PRIMARY KEY,
        at timestamptz NOT NULL,
        actor_id uuid,
        action text NOT NULL,
        target_id uuid,
        detail text
    )
    """,
    "CREATE INDEX ix_audit_target_id ON auth.audit (target_id, at)",
    "CREATE INDEX ix_audit_actor_id ON auth.audit (actor_id, at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("There is nothing before the first revision; restore a backup.")
