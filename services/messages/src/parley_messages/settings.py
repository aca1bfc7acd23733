"""What this service is told at its start; prefix PARLEY_MESSAGES_."""

from pydantic import Field

from parley_shared.settings import DatabaseSettings, Limit, SettingsConfigDict

__all__ = ["Settings"]


class Settings(DatabaseSettings):
    """rate_limit_…: accepted messages of one user within any rolling 60 s, by global role; `off` is none.

    log_days: how long a stream's log reaches back. heads_interval_s: how often changed heads are published.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_MESSAGES_", frozen=True, extra="ignore")

    rate_limit_user: Limit = 10
    rate_limit_moderator: Limit = 10
    rate_limit_admin: Limit = 10
    log_days: int = Field(default=30, ge=1)
    heads_interval_s: float = Field(default=5.0, gt=0)
