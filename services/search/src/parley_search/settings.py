"""What search is told at its start."""

from parley_shared.settings import DatabaseSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_SEARCH_."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_SEARCH_")
