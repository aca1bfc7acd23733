"""What the environment says: how many of each, on which ports, and whose servers."""

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from parley_local.app import Launcher
from parley_local.checks import _places, given_servers_answer, ports_are_free
from parley_local.home import Home, Unusable
from parley_local.report import Terminal
from parley_local.settings import Settings, selection
from parley_shared.contracts.base import SERVICES
from parley_shared.embedded import free_port


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("PARLEY_")]:
        monkeypatch.delenv(name)


def test_one_of_each_on_port_8000_unless_told_otherwise() -> None:
    settings = Settings()
    assert (settings.port, settings.home) == (8000, Path(".parley"))
    assert {service: settings.count(service) for service in SERVICES} == dict.fromkeys(SERVICES, 1)
    assert (settings.postgres_url, settings.nats_url, settings.s3_url) == (None, None, None)


def test_counts_are_told_by_the_services_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_GATEWAYS", "3")
    monkeypatch.setenv("PARLEY_MESSAGES", "2")
    assert (Settings().count("gateway"), Settings().count("messages"), Settings().count("auth")) == (3, 2, 1)


@pytest.mark.parametrize(("name", "value"), [("PORT", "0"), ("PORT", "x"), ("GATEWAYS", "0"), ("MESSAGES", "17"), ("AUTH", "off")])  # fmt: skip
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PARLEY_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty PARLEY_HOME would be the current folder."""
    for name in ("HOME", "PORT", "POSTGRES_URL"):
        monkeypatch.setenv(f"PARLEY_{name}", "")
    assert Settings() == Settings.model_construct()


def test_what_is_set_for_a_service_wins_over_what_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEY_AUTH_LOGINS_PER_IP", "off")
    monkeypatch.setenv("PARLEY_AUTH_OPERATOR_KEY", "my own")
    home = Home(tmp_path / "home")
    try:
        launcher = Launcher(Settings(), SERVICES, home, Terminal())
        told = launcher._environment("auth", "auth-1", 4000, 4000)
        assert told["PARLEY_AUTH_LOGINS_PER_IP"] == "off"
        assert told["PARLEY_AUTH_OPERATOR_KEY"] == "my own"
        assert told["PARLEY_AUTH_INSTANCE"] == "auth-1"
        assert told["PARLEY_AUTH_NATS_USER"] == "auth"
        gateway = launcher._environment("gateway", "gateway-2", 4000, 8001)
        assert (gateway["PARLEY_GATEWAY_PORT"], gateway["PARLEY_GATEWAY_INTERNAL_PORT"]) == ("8001", "4000")
        assert "PARLEY_GATEWAY_POSTGRES_URL" not in gateway, "the gateway owns nothing durable"
        assert gateway["PARLEY_GATEWAY_WEB_ROOT"] == str(Path("web/dist").resolve())
    finally:
        home.release()


def test_a_service_comes_with_what_it_needs() -> None:
    assert selection(None) == SERVICES
    assert selection("messages") == ("auth", "messages")
    assert selection("presence") == ("auth", "messages", "presence")
    assert selection("media") == ("auth", "messages", "media")
    assert set(selection("gateway")) == set(SERVICES)
    with pytest.raises(ValueError, match="There is no service chat"):
        selection("chat")


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ("postgresql://me:p%40w@db:6000/parley?x=1", [("db", 6000)]),
        ("postgresql://db/parley", [("db", 5432)]),
        ("postgresql://me@a:1,b:2/parley", [("a", 1), ("b", 2)]),
        ("postgresql:///parley?host=/run", []),
        ("nats://a:1,nats://me:pw@b", [("a", 1), ("b", 4222)]),
        ("https://s3.example", [("s3.example", 443)]),
        ("http://[::1]:9000", [("::1", 9000)]),
    ],
)
def test_an_address_is_read_for_its_places(given: str, places: list[tuple[str, int]]) -> None:
    assert list(_places(given)) == places


@pytest.mark.parametrize("name", ["postgres_url", "nats_url", "s3_url"])
def test_a_given_server_that_is_not_there_is_named_without_its_password(name: str) -> None:
    settings = Settings.model_validate({name: f"nats://me:a-secret@127.0.0.1:{free_port()}"})
    with pytest.raises(Unusable) as caught:
        given_servers_answer(settings)
    assert f"PARLEY_{name.upper()} is given, but nobody answers at 127.0.0.1:" in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_a_given_s3_needs_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_MEDIA_S3_ACCESS_KEY", "somebody")
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(s3_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Unusable, match="who may write there: PARLEY_MEDIA_S3_SECRET_KEY"):
            given_servers_answer(settings)
        monkeypatch.setenv("PARLEY_MEDIA_S3_SECRET_KEY", "a secret of S3")
        given_servers_answer(settings)


def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(Unusable, match=r"PARLEY_HOST=192\.0\.2\.1"):
        ports_are_free(Settings(host="192.0.2.1", port=free_port()))
