"""Secrets: made once, kept, complete, and nobody else's to read."""

import os
import stat
from pathlib import Path

import pytest

from parley_install.files import EnvFile, word
from parley_install.installation import compose, kubernetes
from parley_shared.contracts.base import SERVICES
from parley_shared.crypto.wrapping import make_wrapper
from parley_shared.db.bootstrap import OWNERS, given


def values(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_compose_gets_one_file_of_secrets_and_the_keys(tmp_path: Path) -> None:
    report = compose(tmp_path / ".env", tmp_path / "secrets")
    found = values(tmp_path / ".env")
    assert not report.missing
    assert set(given(found)) == set(OWNERS)
    assert {f"PARLEY_{service.upper()}_NATS_PASSWORD" for service in SERVICES} <= set(found)
    secret = [value for name, value in found.items() if "URL" not in name and name != "PARLEY_MEDIA_S3_ACCESS_KEY"]
    assert len(set(secret)) == len(secret), "no two are alike"
    for service in ("media", "messages"):
        make_wrapper(f"file:{tmp_path / 'secrets' / f'wrapping-key-{service}'}")
    assert (tmp_path / "secrets" / "audit-key").read_text().startswith("-----BEGIN PRIVATE KEY-----")


def test_what_is_there_stays_and_what_is_missing_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nPARLEY_PORT=8100\nNATS_OPERATOR_PASSWORD=chosen\n")
    compose(path, tmp_path / "secrets")
    before = contents(tmp_path)
    assert path.read_text().startswith("# mine\nPARLEY_PORT=8100\nNATS_OPERATOR_PASSWORD=chosen\n")
    assert compose(path, tmp_path / "secrets").made == []
    assert contents(tmp_path) == before


def test_nobody_else_reads_them_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        compose(tmp_path / ".env", tmp_path / "secrets")
        kubernetes(tmp_path / "overlay", "db:5432", own_servers=True)
    finally:
        os.umask(before)
    # Containers run as other users: the keys of Compose can be read by whoever can enter the folder, which is its owner alone.
    for folder in ("secrets", "overlay"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    for path in (tmp_path / ".env", *(tmp_path / "overlay").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_kubernetes_gets_a_file_for_each_secret(tmp_path: Path) -> None:
    report = kubernetes(tmp_path, "db:5433", own_servers=True)
    assert not report.missing
    assert "@db:5433/parley" in values(tmp_path / "auth.env")["PARLEY_AUTH_POSTGRES_URL"]
    everything = {name: value for path in tmp_path.glob("*.env") for name, value in values(path).items()}
    assert set(given(everything)) == set(OWNERS)
    # Who serves has no way to the schema's owner.
    assert not [name for service in SERVICES for name in values(tmp_path / f"{service}.env") if "MIGRATE" in name]
    assert kubernetes(tmp_path, "db:5433", own_servers=True).made == []


def test_what_only_an_operator_can_know_is_asked_for(tmp_path: Path) -> None:
    report = kubernetes(tmp_path, "db:5432", own_servers=False)
    assert [name for _, name in report.missing] == ["PARLEY_MEDIA_S3_ACCESS_KEY", "PARLEY_MEDIA_S3_SECRET_KEY"]
    assert not (tmp_path / "postgres.env").exists()
    assert not (tmp_path / "wrapping-key-media").exists(), "a KMS keeps it"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    env = EnvFile(path)
    env.get("B")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        env.write()
    assert path.read_text() == "A=1\n"


def test_the_first_admin_can_be_made_from_where_the_secrets_are(tmp_path: Path) -> None:
    compose(tmp_path / ".env", tmp_path / "compose" / "secrets")
    kubernetes(tmp_path / "overlay" / "secrets", "db:5432", own_servers=True)
    for home, env in (
        (tmp_path / "compose", tmp_path / ".env"),
        (tmp_path / "overlay", tmp_path / "overlay/secrets/auth.env"),
    ):
        assert (home / "secrets" / "operator-key").read_text() == values(env)["PARLEY_AUTH_OPERATOR_KEY"]


def test_a_password_needs_no_quotes_anywhere() -> None:
    for _ in range(100):
        assert word().isalnum()
        assert word()[0].isalpha()
