"""What a cluster would be given: valid by Kubernetes' own schemas, confined, spread, and no more open than the contracts say."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from parley_install.nats import users
from parley_shared.contracts.base import SERVICES
from parley_shared.db.bootstrap import OWNERS
from parley_shared.messaging.permissions import contracts
from tests.unit.manifests import ROOT, Manifest, allowed, containers, of_kind, pod_of, pods, render, selects, workloads

KUBERNETES = ("1.32", "1.37")
"""The oldest one that the documentation names, and the newest that there are schemas of."""
CRDS = Path(__file__).parent / "crds"
MIGRATIONS = {"bootstrap", *(f"{service}-migrate" for service in OWNERS)}
RESERVED = 13
"""Connections that PostgreSQL keeps for administrators, and the six short ones of migrations and backups, with one over."""
BESIDES_THE_POOL = {"messages": 1, "search": 3}
"""The writer's own, and those for indexing."""


@pytest.fixture(scope="module", params=["local", "production"])
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def manifests(overlay: str, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return render(overlay, tmp_path_factory.mktemp(overlay))


def settings_of(manifests: list[Manifest]) -> dict[str, str]:
    """What is in the ConfigMap of settings."""
    (found,) = (item for name, item in of_kind(manifests, "ConfigMap").items() if name.startswith("parley-settings"))
    return dict(found["data"])


def model(service: str) -> Any:
    return import_module(f"parley_{service}.settings").Settings


def test_every_object_is_valid(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        group = manifest["apiVersion"].partition("/")[0]
        if "." in group and not group.endswith(".k8s.io"):
            schema = json.loads((CRDS / f"{manifest['kind'].lower()}.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(manifest)
            continue
        for version in KUBERNETES:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_everything_lies_in_one_namespace_that_takes_no_privileged_pods(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {manifest["metadata"].get("namespace", namespace["metadata"]["name"]) for manifest in manifests} == {
        namespace["metadata"]["name"]
    }


def test_every_pod_is_restricted_has_a_read_only_root_and_its_measure(manifests: list[Manifest]) -> None:
    for manifest in workloads(manifests):
        pod = pod_of(manifest)["spec"]
        name = manifest["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        for container in containers(pod_of(manifest)):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}, name
            assert not container["image"].endswith(":latest"), name
            assert ":" in container["image"], name


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_there_twice_spread_and_may_be_disturbed_once_at_a_time(
    manifests: list[Manifest], service: str
) -> None:
    deployment = of_kind(manifests, "Deployment")[service]
    scaler = of_kind(manifests, "HorizontalPodAutoscaler")[service]["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": service}
    assert scaler["minReplicas"] >= 2
    # Choices that the schemas leave open, and the API does not.
    for metric in scaler["metrics"]:
        assert metric[metric["type"].lower()]["target"]["type"] in ("Utilization", "AverageValue")
    assert "replicas" not in deployment["spec"], "an apply would undo what the autoscaler has done"
    budget = of_kind(manifests, "PodDisruptionBudget")[service]["spec"]
    assert budget["maxUnavailable"] == 1
    labels = pod_of(deployment)["metadata"]["labels"]
    spread = pod_of(deployment)["spec"]["topologySpreadConstraints"]
    assert {item["topologyKey"] for item in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    for selector in (budget["selector"], deployment["spec"]["selector"], *(item["labelSelector"] for item in spread)):
        assert [name for name in SERVICES if selects(selector, {**labels, "app.kubernetes.io/name": name})] == [service]
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("service", SERVICES)
def test_probes_mean_something_and_a_pod_has_time_to_go(manifests: list[Manifest], service: str) -> None:
    pod = pod_of(of_kind(manifests, "Deployment")[service])["spec"]
    (container,) = pod["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "internal"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "internal"}
    assert {"name": "internal", "containerPort": 9000} in container["ports"]
    # The loop's own watchdog comes first, after 30 s.
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * (liveness["failureThreshold"] - 1) > 30
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + 10
    if service == "gateway":
        given = settings_of(manifests)
        assert float(given["PARLEY_GATEWAY_DRAIN_SECONDS"]) <= 20
        # A full gateway, as the autoscaler means it, at so many sockets a second.
        needed += 10_000 / float(given["PARLEY_GATEWAY_CLOSES_PER_SECOND"])
    assert pod["terminationGracePeriodSeconds"] >= needed


def test_every_setting_that_is_given_exists_and_can_be_read(
    manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        f"PARLEY_{service.upper()}_{name.upper()}": service
        for service in SERVICES
        for name in model(service).model_fields
    }
    given = dict(settings_of(manifests))
    for name, secret in of_kind(manifests, "Secret").items():
        if not name.startswith(("parley-nats", "parley-postgres")) and "-keys-" not in name:
            given |= dict.fromkeys(secret["data"], "")
    for manifest in workloads(manifests):
        for container in containers(pod_of(manifest)):
            given |= {item["name"]: "" for item in container.get("env", []) if item["name"].startswith("PARLEY_")}
    given.pop("PARLEY_ADMIN_URL")
    assert set(given) <= set(fields), set(given) - set(fields)
    for name, value in settings_of(manifests).items():
        # Paths are those of the pod, and a KMS cannot be asked from here; everything else is read as the service reads it.
        if "/run/secrets/" not in value and not value.startswith("awskms:"):
            monkeypatch.setenv(name, value)
    for service in SERVICES:
        model(service)()


def test_a_service_gets_what_it_cannot_do_without(manifests: list[Manifest]) -> None:
    deployments = of_kind(manifests, "Deployment")
    secrets = of_kind(manifests, "Secret")
    for service in SERVICES:
        (container,) = pod_of(deployments[service])["spec"]["containers"]
        names = set(settings_of(manifests))
        for source in container["envFrom"]:
            if "secretRef" in source:
                names |= set(secrets[source["secretRef"]["name"]]["data"])
        needed = ["NATS_URL", "NATS_USER", "NATS_PASSWORD"]
        needed += ["POSTGRES_URL"] if service in OWNERS else []
        needed += {
            "auth": ["OPERATOR_KEY", "KEY_SECRET", "AUDIT_KEY"],
            "messages": ["AUDIT_KEY", "WRAPPING_KEY"],
            "media": ["S3_URL", "S3_BUCKET", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY", "WRAPPING_KEY"],
            "gateway": ["TRUSTED_PROXIES", "DRAIN_SECONDS", "CLOSES_PER_SECOND"],
        }.get(service, [])
        assert {f"PARLEY_{service.upper()}_{name}" for name in needed} <= names, service
        # Who serves cannot change a table: the owner's password is the migration's alone.
        assert not [name for name in names if name.endswith("MIGRATE_URL")]


def test_all_pools_together_leave_room_in_postgresql(manifests: list[Manifest], overlay: str) -> None:
    if overlay == "local":
        (postgres,) = pod_of(of_kind(manifests, "StatefulSet")["postgres"])["spec"]["containers"]
        (most,) = (int(found[1]) for word in postgres["args"] if (found := re.match(r"-cmax_connections=(\d+)", word)))
    else:
        most = int(of_kind(manifests, "Cluster")["parley-db"]["spec"]["postgresql"]["parameters"]["max_connections"])
    total = 0
    for service in OWNERS:
        given = settings_of(manifests).get(
            f"PARLEY_{service.upper()}_POOL_SIZE", model(service).model_fields["pool_size"].default
        )
        replicas = of_kind(manifests, "HorizontalPodAutoscaler")[service]["spec"]["maxReplicas"]
        surge = of_kind(manifests, "Deployment")[service]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        total += (int(given) + BESIDES_THE_POOL.get(service, 0)) * (replicas + surge)
    assert total + RESERVED < most, f"{total} of {most}"


def test_migrations_run_as_owners_and_nobody_else_does(manifests: list[Manifest]) -> None:
    jobs = of_kind(manifests, "Job")
    assert set(jobs) == MIGRATIONS
    secrets = of_kind(manifests, "Secret")
    for service in OWNERS:
        (container,) = pod_of(jobs[f"{service}-migrate"])["spec"]["containers"]
        assert container["command"] == [f"parley-{service}", "migrate"]
        (source,) = container["envFrom"]
        assert set(secrets[source["secretRef"]["name"]]["data"]) == {f"PARLEY_{service.upper()}_MIGRATE_URL"}
        (waiting,) = pod_of(of_kind(manifests, "Deployment")[service])["spec"]["initContainers"]
        assert waiting["command"] == [f"parley-{service}", "wait"]


def test_images_are_of_one_release(manifests: list[Manifest]) -> None:
    ours = {
        container["image"]
        for manifest in workloads(manifests)
        for container in containers(pod_of(manifest))
        if container["image"].startswith("parley-")
    }
    assert len(ours) == len(SERVICES)
    assert len({image.partition(":")[2] for image in ours}) == 1


def test_nats_is_told_what_the_contracts_say() -> None:
    assert (ROOT / "deploy/nats/users.conf").read_text() == users(), "run: make docs"


# -- who may connect to whom


def test_nothing_is_allowed_by_default(manifests: list[Manifest]) -> None:
    assert any(
        policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for policy in of_kind(manifests, "NetworkPolicy").values()
    )


def test_connections_are_those_that_the_contracts_need_and_no_others(manifests: list[Manifest], overlay: str) -> None:
    # Whoever calls or answers a verb does so through NATS; no contract is spoken over a connection between two services.
    speakers = {service for rpc in contracts() for service in (rpc.owner, *rpc.callers)}
    wanted = {(service, "nats", 4222) for service in speakers}
    wanted |= {(service, "postgres", 5432) for service in (*OWNERS, *MIGRATIONS)}
    if overlay == "local":
        wanted |= {(service, "s3", 8333) for service in ("media", "gateway")}
    else:
        wanted |= {("nats", "nats", 6222), ("postgres", "postgres", 5432), ("postgres", "postgres", 8000)}
    assert allowed(manifests, overlay) == wanted


def test_only_gateways_are_reached_from_outside_and_only_who_must_gets_out(
    manifests: list[Manifest], overlay: str
) -> None:
    labels = pods(manifests, overlay)
    entered: dict[str, set[int]] = {}
    left: set[str] = set()
    for policy in of_kind(manifests, "NetworkPolicy").values():
        subjects = [name for name in labels if selects(policy["spec"]["podSelector"], labels[name])]
        for rule in policy["spec"].get("ingress", []):
            if any("namespaceSelector" in peer or "ipBlock" in peer for peer in rule["from"]):
                for name in subjects:
                    entered.setdefault(name, set()).update(port["port"] for port in rule["ports"])
        for rule in policy["spec"].get("egress", []):
            if any("ipBlock" in peer for peer in rule["to"]):
                left.update(subjects)
    assert {name for name, ports in entered.items() if 8000 in ports} - {"postgres"} == {"gateway"}
    assert {name for name, ports in entered.items() if ports - {8000, 9000}} <= {"postgres"}
    assert left == (set() if overlay == "local" else {"media", "gateway", "messages", "postgres"})
