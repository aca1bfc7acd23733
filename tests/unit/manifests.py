"""The overlays as kustomize renders them, with secrets that are made for it: what the cluster would be given."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from parley_install.app import OVERLAYS
from parley_install.installation import kubernetes

ROOT = Path(__file__).resolve().parents[2]
KUBECTL = Path(sys.executable).parent / "kubectl"

Manifest = dict[str, Any]


def render(overlay: str, scratch: Path) -> list[Manifest]:
    """Every object of an overlay. scratch: an empty folder, which gets a copy of the manifests and new secrets."""
    copy = scratch / "deploy"
    copy.mkdir()
    for part in ("k8s", "nats", "s3"):
        shutil.copytree(ROOT / "deploy" / part, copy / part, ignore=shutil.ignore_patterns("secrets"))
    folder = copy / "k8s" / "overlays" / overlay
    kubernetes(folder / "secrets", OVERLAYS[overlay], own_servers=overlay == "local")
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest is not None]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Name → object."""
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a workload makes."""
    return dict(manifest["spec"]["template"])


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector matches, by matchLabels and the operator In."""
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in among), among
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(expression["key"]) in expression["values"] for expression in among
    )


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in ("Deployment", "StatefulSet", "Job")]


def pods(manifests: list[Manifest], overlay: str) -> dict[str, dict[str, str]]:
    """Name → labels of every pod that there will be."""
    found = {
        manifest["metadata"]["name"]: dict(pod_of(manifest)["metadata"]["labels"]) for manifest in workloads(manifests)
    }
    if overlay == "production":
        found["postgres"] = {"cnpg.io/cluster": "parley-db"}
    return found


def allowed(manifests: list[Manifest], overlay: str) -> set[tuple[str, str, int]]:
    """(from, to, port) inside the namespace: what egress of the one and ingress of the other both allow."""
    labels = pods(manifests, overlay)
    rules: dict[str, set[tuple[str, str, int]]] = {"egress": set(), "ingress": set()}
    for policy in of_kind(manifests, "NetworkPolicy").values():
        for direction, peers in (("egress", "to"), ("ingress", "from")):
            for rule in policy["spec"].get(direction, []):
                for subject in (name for name in labels if selects(policy["spec"]["podSelector"], labels[name])):
                    for peer in rule[peers]:
                        if "podSelector" not in peer or "namespaceSelector" in peer:
                            continue
                        for other in (name for name in labels if selects(peer["podSelector"], labels[name])):
                            pair = (subject, other) if direction == "egress" else (other, subject)
                            rules[direction] |= {(*pair, port["port"]) for port in rule["ports"]}
    return rules["egress"] & rules["ingress"]
