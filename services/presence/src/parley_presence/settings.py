"""What presence is told at its start."""

from parley_shared.settings import DatabaseSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_PRESENCE_."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_PRESENCE_")
