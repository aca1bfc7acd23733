"""What auth is told at its start: environment variables with the prefix PARLEY_AUTH_."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr

from parley_shared.audit import SigningKey
from parley_shared.settings import DatabaseSettings, Limit, SettingsConfigDict


class Settings(DatabaseSettings):
    """Every limit may be `off`.

    registration: who may open an account. operator_key: signs the codes that make the first admin; without it there are none.
    key_secret: encrypts the private signing keys in the database; without it they lie there in clear.
    logins_per_account, logins_per_ip: failed logins within login_window_s. registrations_per_ip: accounts opened within
    registration_window_s. audit_key: signs exports of the audit trail, an Ed25519 private key in PEM or the path of its file;
    without it there are none. erasure_settle_s: after so long the stores are asked once more to erase an account; longer than a
    gateway that has lost auth keeps a socket (60 s). clock_shift_s: added to the database's clock, for rehearsing a rotation; 0 in earnest.
    """

    model_config = SettingsConfigDict(env_prefix="PARLEY_AUTH_", frozen=True, extra="ignore")

    registration: Literal["open", "invite", "closed"] = "open"
    operator_key: SecretStr | None = None
    key_secret: SecretStr | None = None
    audit_key: SigningKey = None

    access_lifetime_s: int = Field(default=600, ge=5, le=86_400)
    refresh_lifetime_days: float = Field(default=30.0, gt=0)
    refresh_grace_s: float = Field(default=10.0, ge=0)
    key_rotation_days: float = Field(default=30.0, gt=0)

    logins_per_account: Limit = 10
    logins_per_ip: Limit = 100
    login_window_s: int = Field(default=900, ge=1)
    registrations_per_ip: Limit = 30
    registration_window_s: int = Field(default=3600, ge=1)

    invite_days: float = Field(default=7.0, gt=0)
    reset_code_hours: float = Field(default=24.0, gt=0)
    login_audit_days: float = Field(default=30.0, gt=0)

    erasure_settle_s: float = Field(default=90.0, ge=0)

    hash_threads: int = Field(default=2, ge=1)
    hash_memory_kib: int = Field(default=47_104, ge=64)

    clock_shift_s: float = 0.0

    @property
    def access_lifetime(self) -> timedelta:
        return timedelta(seconds=self.access_lifetime_s)

    @property
    def refresh_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_lifetime_days)

    @property
    def refresh_grace(self) -> timedelta:
        return timedelta(seconds=self.refresh_grace_s)

    @property
    def key_rotation(self) -> timedelta:
        return timedelta(days=self.key_rotation_days)


def secret_text(secret: SecretStr | None) -> str | None:
    """The secret's text; an empty one counts as not given."""
    return (secret.get_secret_value() or None) if secret is not None else None
