"""Settings of a service: limits that can be off, secrets that do not show, sentences for what makes no sense."""

import pytest
from pydantic import ValidationError

from parley_shared.settings import DatabaseSettings, Limit, ServiceSettings, SettingsConfigDict


class Settings(DatabaseSettings):
    model_config = SettingsConfigDict(env_prefix="PARLEY_THING_", frozen=True, extra="ignore")

    most: Limit = 10


@pytest.mark.parametrize(("given", "meant"), [("off", None), ("OFF", None), (" off ", None), ("1", 1), ("1000000", 1000000)])  # fmt: skip
def test_a_limit_is_a_number_or_off(monkeypatch: pytest.MonkeyPatch, given: str, meant: int | None) -> None:
    monkeypatch.setenv("PARLEY_THING_MOST", given)
    assert Settings().most == meant


@pytest.mark.parametrize("given", ["0", "-1", "many", "", "1.5", "none"])
def test_a_limit_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PARLEY_THING_MOST", given)
    with pytest.raises(ValidationError):
        Settings()


def test_a_limit_that_nobody_sets_is_its_default() -> None:
    assert Settings().most == 10


def test_passwords_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_THING_NATS_PASSWORD", "a-password")
    monkeypatch.setenv("PARLEY_THING_POSTGRES_URL", "postgresql://me:a-password@db/parley")
    settings = Settings()
    assert "a-password" not in f"{settings!r} {settings}"
    assert settings.nats_password.get_secret_value() == "a-password"


def test_settings_do_not_change_while_it_runs() -> None:
    with pytest.raises(ValidationError):
        Settings().most = 11  # type: ignore[misc]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings.model_validate({"log_level": "chatty"})
