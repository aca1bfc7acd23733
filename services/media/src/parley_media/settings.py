"""What media is told at its start."""

from pydantic import Field, SecretStr

from parley_shared.crypto.wrapping import WrappingKey
from parley_shared.settings import DatabaseSettings, Limit, SettingsConfigDict


class Settings(DatabaseSettings):
    """Environment variables with the prefix PARLEY_MEDIA_.

    s3_url: of the S3 server, as gateways reach it, too. s3_bucket: made if it is not there. wrapping_key: wraps the keys of objects
    (crypto.wrapping). uploads_per_hour: of one user, with as many at once. decoders: images decoded at once, each in a process of its
    own; 0 is one a processor. decoder_memory_mib, decoder_seconds: address space and processor time of one. collect_seconds:
    between two turns of collecting what nobody uses. sweep_hours: between two comparisons of database and bucket.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_MEDIA_", frozen=True, extra="ignore")

    s3_url: str = ""
    s3_bucket: str = "parley"
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")
    wrapping_key: WrappingKey = ""
    uploads_per_hour: Limit = 20
    decoders: int = Field(default=0, ge=0)
    decoder_memory_mib: int = Field(default=768, ge=256)
    decoder_seconds: int = Field(default=20, ge=1)
    collect_seconds: float = Field(default=60.0, gt=0)
    sweep_hours: float = Field(default=24.0, gt=0)
