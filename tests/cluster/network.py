"""Tries every connection between pods from inside, and compares with what the policies are meant to allow."""

import json
import tempfile
from pathlib import Path

from parley_shared.contracts.base import SERVICES
from tests.cluster.cluster import PRIMARY, Cluster
from tests.unit.manifests import allowed, render

PORTS = {"nats": (4222, 8222), "postgres": (5432,), "s3": (8333,), **dict.fromkeys(SERVICES, (9000,))}
PORTS["gateway"] = (8000, 9000)
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def opens(target):
    try:
        socket.create_connection((target[1], target[2]), timeout=3).close()
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(32) as pool:
    print(json.dumps([target[0::2] for target, yes in zip(targets, pool.map(opens, targets)) if yes]))
"""


def tried(cluster: Cluster, overlay: str) -> tuple[set[tuple[str, str, int]], set[tuple[str, str, int]]]:
    """(what opens, everything that was tried), as (from, to, port); to pods' own addresses, around every Service."""
    pods = {
        name: cluster.selected(PRIMARY) if (overlay, name) == ("production", "postgres") else cluster.pods(name)
        for name in PORTS
    }
    addresses = {name: found[0]["status"]["podIP"] for name, found in pods.items()}
    opens, all_of_them = set(), set()
    for service in SERVICES:
        targets = [(name, addresses[name], port) for name, ports in PORTS.items() for port in ports if name != service]
        all_of_them |= {(service, name, port) for name, _, port in targets}
        pod = pods[service][0]["metadata"]["name"]
        said = cluster.run("exec", pod, "--container", "service", "--", "python", "-c", TRY, json.dumps(targets))
        opens |= {(service, name, port) for name, port in json.loads(said)}
    return opens, all_of_them


def differences(cluster: Cluster, overlay: str) -> tuple[int, list[str]]:
    """(how many connections were tried, in sentences what is open and should not be, or the other way round)."""
    with tempfile.TemporaryDirectory() as scratch:
        rendered = "production" if overlay == "production" else "local"
        wanted = allowed(render(rendered, Path(scratch)), rendered)
    if overlay == "production":
        # Somewhere else in production, in the cluster where there is one node.
        wanted |= {(service, "s3", 8333) for service in ("gateway", "media")}
    opens, all_of_them = tried(cluster, overlay)
    wrong = [f"{source} reaches {target}:{port}, and should not" for source, target, port in sorted(opens - wanted)]
    closed = (wanted & all_of_them) - opens
    wrong += [f"{source} does not reach {target}:{port}" for source, target, port in sorted(closed)]
    return len(all_of_them), wrong
