"""What presence is told at its start."""

from pydantic import Field

from parley_shared.settings import DatabaseSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_PRESENCE_.

    lease_seconds: a gateway that has not renewed its lease for so long is taken for dead; it renews three times as often.
    grace_seconds: how long after his last socket somebody is still shown as there, so that a reconnect is not seen.
    log_days: how long connections stay in the log.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_PRESENCE_", frozen=True, extra="ignore")

    lease_seconds: float = Field(default=30.0, ge=0.5, le=600)
    grace_seconds: float = Field(default=10.0, ge=0, le=600)
    log_days: float = Field(default=30.0, gt=0)
