"""The cluster as kubectl sees it."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMESPACE = "parley"
PRIMARY = "cnpg.io/cluster=parley-db,cnpg.io/instanceRole=primary"
"""The instance of the operator's PostgreSQL that takes writes."""
KUBECTL = Path(sys.executable).parent / "kubectl"


class Cluster:
    """By KUBECONFIG. Every command that fails raises CalledProcessError, with what it said shown."""

    def run(self, *words: str, given: str | None = None) -> str:
        done = subprocess.run(
            [KUBECTL, "--namespace", NAMESPACE, *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.run("get", *words, "--output", "json")))

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Of one name, without those that are on their way out."""
        return self.selected(f"app.kubernetes.io/name={name}")

    def selected(self, selector: str) -> list[dict[str, Any]]:
        """Pods by their labels, without those that are on their way out."""
        found = self.get("pods", "--selector", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def rolled_out(self, kind: str, name: str, within: float = 300.0) -> None:
        """Until the newest revision has taken over, and those whose place it took have gone."""
        self.run("rollout", "status", f"{kind}/{name}", f"--timeout={within:.0f}s")
        deadline = time.monotonic() + within
        while len(self.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"]) > len(self.pods(name)):
            assert time.monotonic() < deadline, f"old pods of {name} do not go"
            time.sleep(0.5)

    def secret(self, prefix: str, key: str) -> str:
        """A value of the newest Secret of that name, whatever kustomize has put behind it."""
        found = [item for item in self.get("secrets")["items"] if item["metadata"]["name"].startswith(f"{prefix}-")]
        newest = max(
            (item for item in found if key in item["data"]), key=lambda item: item["metadata"]["creationTimestamp"]
        )
        return base64.b64decode(newest["data"][key]).decode()
