"""What every service is told at its start, from the environment, with the prefix PARLEY_<SERVICE>_."""

import socket
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["DatabaseSettings", "Limit", "ServiceSettings", "SettingsConfigDict"]


def _limit(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "off" else value


Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_limit)]
"""A number, or `off` (None)."""


class ServiceSettings(BaseSettings):
    """Common to all; each service's settings.py adds its own and sets the prefix.

    nats_url: one or several, separated by commas. internal_port: of /livez, /readyz and /metrics; 0 picks a free one.
    instance: this replica's name in logs and in the bus. log_format: json for files and clusters, console for eyes.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    internal_host: str = "127.0.0.1"
    internal_port: int = 0
    instance: str = Field(default_factory=socket.gethostname)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"


class DatabaseSettings(ServiceSettings):
    """For services that own a schema. migrate_url: the schema's owner, only read by `migrate`."""

    postgres_url: SecretStr = SecretStr("postgresql://127.0.0.1/parley")
    migrate_url: SecretStr | None = None
    pool_size: int = 5
