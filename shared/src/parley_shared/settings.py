"""What every service is told at its start, from the environment, with the prefix PARLEY_<SERVICE>_."""

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["DatabaseSettings", "Limit", "ServiceSettings", "SettingsConfigDict"]


SECOND = "_2"
"""How the name of a service's other user ends: of NATS, and of PostgreSQL."""


def _limit(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "off" else value


Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_limit)]
"""A number, or `off` (None)."""


class ServiceSettings(BaseSettings):
    """Common to all; each service's settings.py adds its own and sets the prefix.

    nats_url: one or several, separated by commas. nats_ca: a file of certificates that NATS's own is signed by. internal_port: of /livez, /readyz and /metrics; 0 picks a free one.
    nats_user: the service's name, or that and `_2`, whose password is nats_password_2.
    instance: this replica's name in logs and in the bus. log_format: json for files and clusters, console for eyes.
    otlp_url, trace_file: where spans go (telemetry); neither means nowhere.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    nats_password_2: SecretStr = SecretStr("")
    nats_ca: Path | None = None
    internal_host: str = "127.0.0.1"
    internal_port: int = 0
    instance: str = Field(default_factory=socket.gethostname)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_url: str = ""
    trace_file: str = ""

    @property
    def nats_secret(self) -> str:
        """The password of `nats_user`. Each service has two users with the same rights, so that one can be given another password
        while the other is in use."""
        second = self.nats_user.endswith(SECOND)
        return (self.nats_password_2 if second else self.nats_password).get_secret_value()


class DatabaseSettings(ServiceSettings):
    """For services that own a schema. migrate_url: the schema's owner, only read by `migrate`."""

    postgres_url: SecretStr = SecretStr("postgresql://127.0.0.1/parley")
    migrate_url: SecretStr | None = None
    pool_size: int = 5
