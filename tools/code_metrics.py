"""The metrics that the code has: found in its modules, for the documentation, and for the tests of what names them."""

import sys
from dataclasses import dataclass
from importlib import import_module

from prometheus_client.metrics import MetricWrapperBase

from parley_shared.contracts.base import SERVICES

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True, order=True)
class Metric:
    """process: whose it is, or `all`. name: as documentation has it, with a counter's `_total`."""

    process: str
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> set[str]:
        """The names that Prometheus stores."""
        base = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        return {f"{base}{suffix}" for suffix in SUFFIXES[self.kind]}


def metrics() -> list[Metric]:
    """Every one of our own, once."""
    for service in SERVICES:
        import_module(f"parley_{service}.app")
    found: dict[str, Metric] = {}
    # What is shared first: services import it, and it is not theirs for that.
    modules = sorted(name for name in sys.modules if name.startswith("parley_"))
    for module in sorted(modules, key=lambda name: not name.startswith("parley_shared")):
        owner = module.partition(".")[0].removeprefix("parley_")
        for metric in vars(sys.modules[module]).values():
            # What is looked up already for one value of a label is the same metric.
            if not isinstance(metric, MetricWrapperBase) or metric._labelvalues:  # noqa: SLF001
                continue
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            process = "all" if owner == "shared" else owner
            labels = tuple(metric._labelnames)  # noqa: SLF001
            found.setdefault(name, Metric(process, name, family.type, labels, family.documentation))
    return sorted(found.values())
