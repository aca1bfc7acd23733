"""What is done to the cluster in the middle of traffic: one function a step, which returns when the cluster is whole again."""

import time
from collections.abc import Callable
from pathlib import Path

import yaml

from parley_shared.contracts.base import SERVICES
from tests.cluster.cluster import PRIMARY, Cluster

HERE = Path(__file__).parent
SERVERS = {"generous": ("nats", "postgres", "s3"), "production": ("nats", "s3")}
"""By overlay: what it brings as StatefulSets. Production's PostgreSQL is an operator's."""
INSTANCES = 3
NEW_EPOCHS = {"the primary of postgres is deleted", "the primary of postgres is killed"}
"""Steps after which another PostgreSQL takes writes: everybody reads anew, once (docs/operations/backup.md)."""
BAD_FOR_S = 20.0
TAKEN_OVER_S = 300.0

Step = Callable[[Cluster], None]


def restart(service: str) -> Step:
    def step(cluster: Cluster) -> None:
        cluster.run("rollout", "restart", f"deployment/{service}")
        cluster.rolled_out("deployment", service)

    return step


def delete_a_pod(name: str) -> Step:
    def step(cluster: Cluster) -> None:
        cluster.run("delete", "pod", cluster.pods(name)[0]["metadata"]["name"], "--wait=true")
        cluster.rolled_out("deployment" if name in SERVICES else "statefulset", name)

    return step


def kill_a_pod(name: str) -> Step:
    """Without a word: no preStop, no drain."""

    def step(cluster: Cluster) -> None:
        cluster.run("delete", "pod", cluster.pods(name)[0]["metadata"]["name"], "--grace-period=0", "--force")
        time.sleep(2)
        cluster.rolled_out("deployment", name)

    return step


def lose_the_primary(*options: str) -> Step:
    """Of PostgreSQL: another instance takes over, and the lost one comes back as its follower."""

    def step(cluster: Cluster) -> None:
        primary = cluster.selected(PRIMARY)[0]["metadata"]["name"]
        cluster.run("delete", "pod", primary, *options)
        deadline = time.monotonic() + TAKEN_OVER_S
        while [pod["metadata"]["name"] for pod in cluster.selected(PRIMARY)] in ([], [primary]):
            assert time.monotonic() < deadline, "nobody has taken over"
            time.sleep(0.5)
        whole(cluster)

    return step


def whole(cluster: Cluster) -> None:
    """Until all instances of PostgreSQL follow."""
    deadline = time.monotonic() + TAKEN_OVER_S
    while cluster.get("clusters.postgresql.cnpg.io", "parley-db").get("status", {}).get("readyInstances") != INSTANCES:
        assert time.monotonic() < deadline, "an instance of PostgreSQL does not come back"
        time.sleep(0.5)


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


def apply(overlay: str, tag: str | None) -> Step:
    """`kubectl apply` of what is in the checkout, with the images of another release."""

    def step(cluster: Cluster) -> None:
        # Jobs cannot be changed; those of the last release have done their work.
        cluster.run("delete", "job", "--selector", "app.kubernetes.io/component=migration", "--ignore-not-found")
        manifests = list(yaml.safe_load_all(cluster.run("kustomize", str(HERE / overlay))))
        for manifest in manifests:
            if tag is not None and manifest["kind"] in ("Deployment", "Job"):
                pod = manifest["spec"]["template"]["spec"]
                for container in (*pod.get("initContainers", []), *pod["containers"]):
                    container["image"] = f"{container['image'].partition(':')[0]}:{tag}"
        cluster.run("apply", "--filename", "-", given=yaml.safe_dump_all(manifests))
        for name in SERVERS[overlay]:
            cluster.rolled_out("statefulset", name)
        if overlay == "production":
            whole(cluster)
        for service in SERVICES:
            cluster.rolled_out("deployment", service)

    return step


def steps(overlay: str, tag: str | None) -> dict[str, Step]:
    """In the order in which they are done. tag: of the next release's images."""
    found: dict[str, Step] = {f"rolling restart of {service}": restart(service) for service in SERVICES}
    found |= {f"a pod of {service} is deleted": delete_a_pod(service) for service in SERVICES}
    found |= {f"a pod of {service} is killed": kill_a_pod(service) for service in ("gateway", "messages")}
    found |= {f"the pod of {name} is deleted": delete_a_pod(name) for name in SERVERS[overlay]}
    if overlay == "production":
        found["the primary of postgres is deleted"] = lose_the_primary("--wait=true")
        found["the primary of postgres is killed"] = lose_the_primary("--grace-period=0", "--force")
    found["an image that does not exist"] = bad_image
    if tag is not None:
        found[f"kubectl apply of {tag}"] = apply(overlay, tag)
    return found
