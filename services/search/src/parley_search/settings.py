"""What search is told at its start."""

from pydantic import Field

from parley_shared.settings import DatabaseSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_SEARCH_.

    pool_size: connections for searching; indexing has three of its own. query_seconds: what a search may take.
    sweep_seconds: how often all rooms are compared with messages, which finds whatever no event has told.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_SEARCH_", frozen=True, extra="ignore")

    pool_size: int = Field(default=8, ge=1)
    query_seconds: float = Field(default=3.0, gt=0, le=60)
    sweep_seconds: float = Field(default=300.0, gt=0)
