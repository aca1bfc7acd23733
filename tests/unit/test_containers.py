"""Dockerfiles, Compose and dashboards: of one pattern, confined, without a secret, and naming only what exists."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from parley_install.installation import KEYS, compose
from parley_shared.contracts.base import SERVICES

ROOT = Path(__file__).resolve().parents[2]
HADOLINT = Path(sys.executable).parent / "hadolint"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:?[?-][^}]*)?\}")
ONCE = {"bootstrap", *(f"{service}-migrate" for service in SERVICES if service != "gateway")}
OBSERVABILITY = {"prometheus", "jaeger", "grafana"}


def dockerfile(service: str) -> str:
    return (ROOT / "services" / service / "Dockerfile").read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_hadolint_has_nothing_to_say(service: str) -> None:
    done = subprocess.run(
        [HADOLINT, ROOT / "services" / service / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_built_from_the_lock_file_by_the_pinned_uv_and_runs_as_nobody(service: str) -> None:
    text = dockerfile(service)
    (uv,) = (
        item.partition("==")[2]
        for item in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
        if item.startswith("uv==")
    )
    assert f"FROM ghcr.io/astral-sh/uv:{uv} AS uv\n" in text
    assert text.count("uv sync --frozen --no-dev --no-editable") == 2
    last = text[text.rindex("\nFROM ") :]
    assert last.startswith("\nFROM python:3.13-slim\n")
    assert "\nRUN " not in last, "what is made in the last stage stays in a layer"
    assert "\nUSER 10001:10001\n" in last
    assert "HEALTHCHECK" in last
    assert f'CMD ["parley-{service}"]' in last


def test_all_images_are_of_one_pattern() -> None:
    def pattern(service: str) -> list[str]:
        text = (
            dockerfile(service).replace(f"parley-{service}", "parley-X").replace(f"services/{service}/", "services/X/")
        )
        own = re.compile(r"description=|^# parley-X|_(HOST|PORT)=|^EXPOSE|botocore|AWS|! -name|UNBUFFERED|web")
        return [line for line in text.splitlines() if line and not own.search(line)]

    assert {service: pattern(service) == pattern("auth") for service in SERVICES} == dict.fromkeys(SERVICES, True)


@pytest.mark.parametrize("name", sorted(COMPOSE))
def test_containers_are_confined(name: str) -> None:
    service = COMPOSE[name]
    assert "no-new-privileges:true" in service["security_opt"]
    if name != "postgres":  # whose image begins as root, to own its volume, and then becomes somebody else
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert not str(service["image"]).endswith(":latest")


def test_only_gateways_are_reached_from_outside_and_figures_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in COMPOSE.items() if "ports" in service}
    assert set(published) == {"gateway", *OBSERVABILITY}
    for name in OBSERVABILITY:
        assert all(port.startswith("127.0.0.1:") for port in published[name])
    assert published["gateway"] == ["${PARLEY_HOST:-127.0.0.1}:${PARLEY_PORT:-8000}:8000"]


def test_networks_are_those_that_the_service_needs() -> None:
    networks = {name: set(COMPOSE[name]["networks"]) for name in (*SERVICES, "postgres", "minio", "nats")}
    assert {name for name, found in networks.items() if "database" in found} == {*SERVICES, "postgres"} - {"gateway"}
    assert {name for name, found in networks.items() if "objects" in found} == {"media", "gateway", "minio"}
    assert {name for name, found in networks.items() if "edge" in found} == {"gateway"}
    assert {name for name, found in networks.items() if "bus" in found} == {*SERVICES, "nats"}


@pytest.mark.parametrize("service", SERVICES)
def test_compose_gives_only_settings_that_exist(service: str) -> None:
    fields = {
        f"PARLEY_{service.upper()}_{name.upper()}"
        for name in import_module(f"parley_{service}.settings").Settings.model_fields
    }
    assert set(COMPOSE[service]["environment"]) <= fields


def test_every_secret_comes_from_the_generated_file(tmp_path: Path) -> None:
    compose(tmp_path / ".env", tmp_path / "secrets")
    made = {line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines() if "=" in line}
    for name, service in COMPOSE.items():
        for variable, value in service.get("environment", {}).items():
            if (
                re.search(r"PASSWORD|SECRET|_KEY$|POSTGRES_URL|MIGRATE_URL|ADMIN_URL", variable)
                and "/run/secrets/" not in value
            ):
                (found,) = VARIABLE.findall(value)
                assert found[0] in made, f"{name}: {variable}"
    text = (ROOT / "docker-compose.yml").read_text()
    demanded = {name for name, default in VARIABLE.findall(text) if default.startswith(":?")}
    assert demanded <= made
    assert {Path(secret["file"]).name for secret in yaml.safe_load(text)["secrets"].values()} == set(KEYS)


def test_everything_starts_in_order() -> None:
    for name in SERVICES:
        needs = {other: how["condition"] for other, how in COMPOSE[name]["depends_on"].items()}
        assert needs["nats"] == "service_healthy"
        if name == "gateway":
            assert set(needs) == {"nats", *SERVICES} - {"gateway"}
        else:
            assert needs[f"{name}-migrate"] == "service_completed_successfully"
    for name in ONCE - {"bootstrap"}:
        assert COMPOSE[name]["depends_on"] == {"bootstrap": {"condition": "service_completed_successfully"}}


def test_dashboards_are_whole() -> None:
    folder = ROOT / "deploy/observability/grafana"
    sources = {
        item["uid"]
        for item in yaml.safe_load((folder / "provisioning/datasources/parley.yaml").read_text())["datasources"]
    }
    for path in (folder / "dashboards").glob("*.json"):
        panels = json.loads(path.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            assert panel["targets"]
            assert {
                panel["datasource"]["uid"],
                *(target["datasource"]["uid"] for target in panel["targets"]),
            } <= sources
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
