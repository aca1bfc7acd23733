"""What messages is told at its start."""

from typing import Literal

from pydantic import Field

from parley_shared.audit import SigningKey
from parley_shared.crypto.wrapping import WrappingKey
from parley_shared.settings import DatabaseSettings, Limit, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_MESSAGES_.

    rate_limit_*: accepted messages of one user in any rolling 60 s, by global role; `off` for none.
    room_flood_per_second: accepted messages of all people together in one room, with twice as many at once; `auto` is ten times
    rate_limit_user. edit_hours: how long an author may edit a message. changes_per_minute: edits, reactions and
    pins of one user, with a minute's worth at once. log_days: how long missed events can be replayed.
    event_replicas: servers of NATS that keep the stream of what has grown. heads_seconds: how often heads are published.
    wrapping_key: wraps the keys of sealed rooms (crypto.wrapping); without it there are none. backup_days: how long backups of the
    database are kept, which is how long a destroyed key could be brought back. audit_key: signs exports of the audit trail, an Ed25519 private key in PEM or the path of its file; without it there are none.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_MESSAGES_", frozen=True, extra="ignore")

    pool_size: int = 10
    rate_limit_user: Limit = 10
    rate_limit_moderator: Limit = 10
    rate_limit_admin: Limit = 10
    room_flood_per_second: Limit | Literal["auto"] = "auto"
    edit_hours: Limit = 24
    changes_per_minute: Limit = 60
    log_days: int = Field(default=30, ge=1)
    event_replicas: int = Field(default=1, ge=1, le=5)
    heads_seconds: float = Field(default=5.0, gt=0)
    audit_key: SigningKey = None
    wrapping_key: WrappingKey = ""
    backup_days: int = Field(default=30, ge=0)
