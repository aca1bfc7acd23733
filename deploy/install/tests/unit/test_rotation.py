"""Rotating gives what is not in use a new secret and names it; what is in use stays good until everybody has moved."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from parley_install.installation import compose, kubernetes
from parley_install.nats import password_of, user_of
from parley_install.rotation import KEY_SECRET, OPERATOR_KEY, rotate
from parley_shared.contracts.base import SERVICES
from parley_shared.db.bootstrap import OWNERS, given

from .test_installation import values


@pytest.fixture
def env(tmp_path: Path) -> Path:
    compose(tmp_path / ".env", tmp_path / "secrets")
    return tmp_path / ".env"


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_services_move_to_the_other_user_of_nats_and_back(env: Path) -> None:
    before = values(env)
    assert [before[user_of(service)] for service in SERVICES] == list(SERVICES)
    assert len(rotate("nats", [env])) == len(SERVICES)
    second = values(env)
    # Whoever has not been replaced yet signs in as ever.
    assert changed(before, second) == {
        name for service in SERVICES for name in (user_of(service), password_of(service, "_2"))
    }
    assert [second[user_of(service)] for service in SERVICES] == [f"{service}_2" for service in SERVICES]
    rotate("nats", [env])
    third = values(env)
    assert changed(second, third) == {name for service in SERVICES for name in (user_of(service), password_of(service))}
    assert third[user_of("auth")] == "auth"


def test_services_move_to_the_other_role_and_owners_get_another_password(env: Path) -> None:
    before = given(values(env))
    rotate("database", [env])
    after = given(values(env))
    for service in OWNERS:
        assert (before[service].second, after[service].second) == (False, True)
        assert before[service].worker != after[service].worker
        assert before[service].owner != after[service].owner
        url = urlsplit(values(env)[f"PARLEY_{service.upper()}_POSTGRES_URL"])
        assert (url.username, url.hostname, url.path) == (f"parley_{service}_2", "postgres", "/parley")
    rotate("database", [env])
    assert not any(passwords.second for passwords in given(values(env)).values())


def test_the_secret_of_signing_keys_is_first_both_and_then_the_new_one(env: Path) -> None:
    old = values(env)[KEY_SECRET]
    rotate("signing-secret", [env])
    new, both = values(env)[KEY_SECRET].split(",")
    assert both == old
    rotate("signing-secret", [env])
    assert values(env)[KEY_SECRET] == new != old


def test_an_overlay_is_rotated_file_by_file_and_nothing_else_changes(tmp_path: Path) -> None:
    kubernetes(tmp_path, "db:5432", own_servers=True)
    files = sorted(tmp_path.glob("*.env"))
    before = {path.name: path.read_text() for path in files}
    rotate("nats", files)
    assert {name for name, text in before.items() if (tmp_path / name).read_text() != text} == {
        f"{service}.env" for service in SERVICES
    }
    rotate("operator-key", files)
    assert values(tmp_path / "auth.env")[OPERATOR_KEY] not in before["auth.env"]


def test_where_there_is_nothing_nothing_is_made(tmp_path: Path) -> None:
    assert rotate("nats", [tmp_path / ".env"]) == []
    assert not (tmp_path / ".env").exists()
