"""What media is told at its start."""

from parley_shared.settings import DatabaseSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_MEDIA_.

    s3_url: of the S3 server; empty where there is none yet.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_MEDIA_")

    s3_url: str = ""
