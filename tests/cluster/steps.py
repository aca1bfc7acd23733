"""What is done to the cluster in the middle of traffic: one function a step, which returns when the cluster is whole again."""

import time
from collections.abc import Callable
from pathlib import Path

import yaml

from parley_shared.contracts.base import SERVICES
from tests.cluster.cluster import Cluster

OVERLAY = Path(__file__).parent / "generous"
SERVERS = ("nats", "postgres", "s3")
BAD_FOR_S = 20.0

Step = Callable[[Cluster], None]


def restart(service: str) -> Step:
    def step(cluster: Cluster) -> None:
        cluster.run("rollout", "restart", f"deployment/{service}")
        cluster.rolled_out("deployment", service)

    return step


def delete_a_pod(name: str) -> Step:
    def step(cluster: Cluster) -> None:
        cluster.run("delete", "pod", cluster.pods(name)[0]["metadata"]["name"], "--wait=true")
        cluster.rolled_out("statefulset" if name in SERVERS else "deployment", name)

    return step


def kill_a_pod(name: str) -> Step:
    """Without a word: no preStop, no drain."""

    def step(cluster: Cluster) -> None:
        cluster.run("delete", "pod", cluster.pods(name)[0]["metadata"]["name"], "--grace-period=0", "--force")
        time.sleep(2)
        cluster.rolled_out("statefulset" if name in SERVERS else "deployment", name)

    return step


def bad_image(cluster: Cluster) -> None:
    """A release that cannot be had, of every service: the old pods go on, and the release is taken back."""
    for service in SERVICES:
        cluster.run("set", "image", f"deployment/{service}", f"service=parley-{service}:no-such-release")
    began = time.monotonic()
    while time.monotonic() - began < BAD_FOR_S:
        for service in SERVICES:
            status = cluster.get("deployment", service)["status"]
            assert status.get("availableReplicas", 0) >= 2, f"{service} has been taken down: {status}"
        time.sleep(1)
    for service in SERVICES:
        cluster.run("rollout", "undo", f"deployment/{service}")
        cluster.rolled_out("deployment", service)


def apply(tag: str | None) -> Step:
    """`kubectl apply` of what is in the checkout, with the images of another release."""

    def step(cluster: Cluster) -> None:
        # Jobs cannot be changed; those of the last release have done their work.
        cluster.run("delete", "job", "--selector", "app.kubernetes.io/component=migration", "--ignore-not-found")
        manifests = list(yaml.safe_load_all(cluster.run("kustomize", str(OVERLAY))))
        for manifest in manifests:
            if tag is not None and manifest["kind"] in ("Deployment", "Job"):
                pod = manifest["spec"]["template"]["spec"]
                for container in (*pod.get("initContainers", []), *pod["containers"]):
                    container["image"] = f"{container['image'].partition(':')[0]}:{tag}"
        cluster.run("apply", "--filename", "-", given=yaml.safe_dump_all(manifests))
        for name in SERVERS:
            cluster.rolled_out("statefulset", name)
        for service in SERVICES:
            cluster.rolled_out("deployment", service)

    return step


def steps(tag: str | None) -> dict[str, Step]:
    """In the order in which they are done. tag: of the next release's images."""
    found: dict[str, Step] = {f"rolling restart of {service}": restart(service) for service in SERVICES}
    found |= {f"a pod of {service} is deleted": delete_a_pod(service) for service in SERVICES}
    found |= {f"a pod of {service} is killed": kill_a_pod(service) for service in ("gateway", "messages")}
    found |= {f"the pod of {name} is deleted": delete_a_pod(name) for name in SERVERS}
    found["an image that does not exist"] = bad_image
    if tag is not None:
        found[f"kubectl apply of {tag}"] = apply(tag)
    return found
