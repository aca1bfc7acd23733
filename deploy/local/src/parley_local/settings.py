"""What `make run` is told, from the environment, with the prefix PARLEY_."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from parley_shared.contracts.base import SERVICES, Service


class Settings(BaseSettings):
    """port: the first gateway's; the others follow. home: where all state lies. web: the web client's build. The services' names:
    how many of each."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_", frozen=True, extra="ignore", env_ignore_empty=True)

    port: int = Field(default=8000, ge=1, le=65000)
    host: str = "127.0.0.1"
    home: Path = Path(".parley")
    web: Path = Path("web/dist")
    gateways: int = Field(default=1, ge=1, le=16)
    auth: int = Field(default=1, ge=1, le=16)
    messages: int = Field(default=1, ge=1, le=16)
    presence: int = Field(default=1, ge=1, le=16)
    media: int = Field(default=1, ge=1, le=16)
    search: int = Field(default=1, ge=1, le=16)
    postgres_url: str | None = None
    nats_url: str | None = None
    s3_url: str | None = None

    def count(self, service: Service) -> int:
        """How many replicas of a service."""
        return self.gateways if service == "gateway" else int(getattr(self, service))


NEEDS: dict[Service, tuple[Service, ...]] = {
    "messages": ("auth",),
    "presence": ("auth", "messages"),
    "media": ("auth", "messages"),
    "gateway": SERVICES,
}
"""Besides itself, what `make service NAME=…` starts."""


def selection(name: str | None) -> tuple[Service, ...]:
    """All services, or one with those that it needs, in the order of their start. Raises ValueError for an unknown name."""
    if name is None:
        return SERVICES
    found = next((service for service in SERVICES if service == name), None)
    if found is None:
        raise ValueError(f"There is no service {name}; there are {', '.join(SERVICES)}.")
    wanted = {found, *NEEDS.get(found, ())}
    return tuple(service for service in SERVICES if service in wanted)
