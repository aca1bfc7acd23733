"""What a gateway is told at its start."""

from typing import Annotated

from pydantic import BeforeValidator, Field, IPvAnyNetwork

from parley_shared.settings import Limit, ServiceSettings, SettingsConfigDict


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = Annotated[list[str], BeforeValidator(_listed)]
"""A list in one variable, separated by commas."""

Networks = Annotated[list[IPvAnyNetwork], BeforeValidator(_listed)]
"""Addresses, or networks as 10.0.0.0/8, separated by commas."""


class Settings(ServiceSettings):
    """Environment variables with the prefix PARLEY_GATEWAY_.

    allowed_origins: pages of other hosts that may call and open sockets (`https://chat.example`); its own always may.
    trusted_proxies: addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed. public_url: as browsers
    know this host; its pages are our own, and under https cookies are `__Secure-`.
    web_root: the folder of the web client's build; without one the gateway has a plain page instead.
    lanes: SEND_MANYs in flight at once. frames_per_second: of one socket, with a burst of 200; `off` is a value of every
    limit. resumes_per_second: how fast a returning crowd is let in. drain_seconds: over which a stopping gateway sends
    its clients away, at most closes_per_second. trace_ratio: of what people do, how much is recorded as traces;
    traces_asked_per_second: of those that clients ask for, how many are.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_GATEWAY_", frozen=True, extra="ignore", enable_decoding=False)

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    allowed_origins: Listed = Field(default_factory=list)
    trusted_proxies: Networks = Field(default_factory=list)
    web_root: str = ""
    body_bytes: int = 262_144
    lanes: int = Field(default=8, ge=1, le=256)
    frames_per_second: Limit = 50
    connections_per_user: Limit = 250
    connections_per_ip: Limit = 10_000
    unauthenticated_per_ip: Limit = 2_000
    resumes_per_second: Limit = 100
    resumes_burst: int = Field(default=500, ge=1)
    drain_seconds: float = Field(default=3.0, ge=0)
    closes_per_second: int = Field(default=500, ge=1)
    trace_ratio: float = Field(default=0.001, ge=0, le=1)
    traces_asked_per_second: float = Field(default=10.0, ge=0)
