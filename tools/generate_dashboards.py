"""Writes what Grafana and Kubernetes read, from what tools/dashboards.py and deploy/observability/alerts.yml say.

generate_dashboards.py            # write the files
generate_dashboards.py --check    # exit code 1, and the files' names, if they are not what would be written
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from dashboards import DASHBOARDS, Dashboard, Panel

ROOT = Path(__file__).resolve().parent.parent
OBSERVABILITY = ROOT / "deploy/observability"
FOLDER = OBSERVABILITY / "grafana/dashboards"
RULE = OBSERVABILITY / "prometheus-rule.yaml"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, COLUMNS = 8, 8, 3
STAT_HEIGHT = 4


def dashboard(page: Dashboard) -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y, row_height = 0, 0
    for number, item in enumerate(page.panels):
        column = number % COLUMNS
        if column == 0:
            y, row_height = y + row_height, 0
        height = STAT_HEIGHT if item.kind == "stat" else HEIGHT
        row_height = max(row_height, height)
        panels.append(panel(item, number + 1, {"x": column * WIDTH, "y": y, "w": WIDTH, "h": height}))
    return {
        "uid": page.uid,
        "title": page.title,
        "tags": ["parley"],
        "timezone": "browser",
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["parley"], "title": "Parley", "asDropdown": False}],
        "panels": panels,
    }


def panel(item: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": item.unit, "min": 0}
    if item.bad_from is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": item.bad_from}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    options: dict[str, Any] = (
        {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
        if item.kind == "stat"
        else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    )
    return {
        "id": number,
        "title": item.title,
        "description": item.description,
        "type": item.kind,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
            for index, (expression, legend) in enumerate(item.queries)
        ],
    }


def rule() -> str:
    """The alerts as an object of the Prometheus operator."""
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "parley"},
        "spec": {"groups": groups},
    }
    head = "# Written by `make docs` from alerts.yml.\n"
    return head + str(yaml.safe_dump(manifest, sort_keys=False, width=1000, allow_unicode=True))


def wanted() -> dict[Path, str]:
    pages = {FOLDER / f"{page.uid}.json": json.dumps(dashboard(page), indent=1) + "\n" for page in DASHBOARDS}
    return {**pages, RULE: rule()}


def main() -> None:
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in FOLDER.glob("*.json") if path not in files]
    if sys.argv[1:] == ["--check"]:
        if stale:
            names = ", ".join(sorted(path.name for path in stale))
            raise SystemExit(f"Not what it would be written as: {names}. Run: make docs")
        return
    for path in stale:
        if path in files:
            path.write_text(files[path])
        else:
            path.unlink()


if __name__ == "__main__":
    main()
