"""From what a message costs here to how many replicas, which thresholds, and how large pools. No I/O.

The sums of docs/operations/scaling.md. What was not measured is taken from docs/performance.md, and says so.
"""

import math
from dataclasses import dataclass
from typing import Final

SERVICES: Final = ("auth", "messages", "presence", "media", "search", "gateway")
POOLS: Final = {"auth": 5, "messages": 10, "presence": 5, "media": 5, "search": 8}
"""Connections that each replica may have, unless it is told otherwise."""
BESIDES: Final = {"messages": 1, "search": 3}
"""And those that are no part of the pool."""
LEAST_POOL: Final = 3
RESERVED: Final = 13
"""Connections for administrators, migrations and backups."""

BUSY: Final = 0.5
"""How busy a replica may be on average: the rest is for peaks, and for the others' share while one is replaced."""
SOCKETS: Final = 5_000
"""Sockets of one gateway: some 30 KiB each at worst, and closed at 500 a second when it is drained."""
IDLE_US: Final = {"gateway": 550.0, "messages": 960.0, "presence": 2_000.0}
"""CPU µs of somebody who is connected and says nothing, in a minute. Measured on the project's machine."""
LEAST_US: Final = {"messages": 20.0, "gateway": 20.0, "search": 50.0, "delivery": 1.0}
"""What no message costs less than, however coarse a measurement was."""
HEADROOM: Final = 2
"""How many times the replicas the autoscaler may go to."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU µs. message: of each service for one message, without its deliveries. delivery: of a gateway for one."""

    message: dict[str, float]
    delivery: float


@dataclass(frozen=True, slots=True)
class Target:
    """online: people connected at a time. rate: messages a second, of all of them. heard_by: people online in a room, on average.
    max_connections: of PostgreSQL."""

    online: int
    rate: float
    heard_by: float
    max_connections: int


@dataclass(frozen=True, slots=True)
class Size:
    """least, most: replicas. cpu_m: what each asks for, in thousandths of a core. pool: connections, None for a gateway."""

    cores: float
    least: int
    most: int
    cpu_m: int
    pool: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """sockets: of one gateway, on average, before another one is started. connections: of all pools, at the most replicas."""

    sizes: dict[str, Size]
    sockets: int
    connections: int
    notes: tuple[str, ...]


def costs_from(rooms: list[tuple[int, int, dict[str, float]]]) -> Costs:
    """Out of two loads that differ in how many hear a message: (messages, deliveries, CPU seconds by service) each.

    A gateway's cost is `messages × m + deliveries × d`; the others' does not depend on who hears it.
    """
    (few_n, few_d, few), (many_n, many_d, many) = rooms
    gateway_few, gateway_many = few.get("gateway", 0.0) / few_n, many.get("gateway", 0.0) / many_n
    spread = many_d / many_n - few_d / few_n
    delivery = max(LEAST_US["delivery"], 1e6 * (gateway_many - gateway_few) / spread if spread > 0 else 0.0)
    message = {
        service: max(
            LEAST_US.get(service, 0.0), 1e6 * (few.get(service, 0.0) + many.get(service, 0.0)) / (few_n + many_n)
        )
        for service in SERVICES
        if service != "gateway"
    }
    message["gateway"] = max(LEAST_US["gateway"], 1e6 * gateway_few - delivery * few_d / few_n)
    return Costs(message, delivery)


def plan(costs: Costs, target: Target) -> Plan:
    """How much of what. Raises ValueError if PostgreSQL takes too few connections for it."""
    cores = {
        service: (
            target.rate * costs.message.get(service, 0.0)
            + target.online * IDLE_US.get(service, 0.0) / 60
            + (target.rate * target.heard_by * costs.delivery if service == "gateway" else 0.0)
        )
        / 1e6
        for service in SERVICES
    }
    least = {service: max(2, math.ceil(cores[service] / BUSY)) for service in SERVICES}
    least["gateway"] = max(least["gateway"], math.ceil(target.online / SOCKETS) + 1)
    most = {service: HEADROOM * number for service, number in least.items()}
    pools = fitting(most, target.max_connections)
    sizes = {
        service: Size(
            cores=cores[service],
            least=least[service],
            most=most[service],
            cpu_m=min(1_000, max(50, 10 * math.ceil(130 * cores[service] / least[service]))),
            pool=pools.get(service),
        )
        for service in SERVICES
    }
    notes = []
    if sum(cores[service] for service in ("messages", "search")) > 4:
        notes.append("One PostgreSQL comes to its end here: see docs/operations/scaling.md, Past one PostgreSQL.")
    sockets = max(100, min(SOCKETS, 100 * math.ceil(target.online / (least["gateway"] - 1) / 100)))
    return Plan(sizes, sockets, connections(most, pools), tuple(notes))


def connections(replicas: dict[str, int], pools: dict[str, int]) -> int:
    """Of all replicas, and one more of each during a release."""
    return sum((pool + BESIDES.get(service, 0)) * (replicas[service] + 1) for service, pool in pools.items())


def fitting(replicas: dict[str, int], max_connections: int) -> dict[str, int]:
    """Pools that leave room in PostgreSQL: as they are, or smaller, all by the same share. Raises ValueError."""
    room = max_connections - RESERVED
    share = 1.0
    while share > 0:
        pools = {service: max(LEAST_POOL, math.floor(pool * share)) for service, pool in POOLS.items()}
        if connections(replicas, pools) < room:
            return pools
        share -= 0.05
    needed = connections(replicas, dict.fromkeys(POOLS, LEAST_POOL)) + RESERVED + 1
    raise ValueError(
        f"PostgreSQL takes {max_connections} connections, and so many replicas need {needed} at least: raise max_connections, or"
        " put a pooler in session mode before it"
    )


def component(made: Plan, said: str) -> str:
    """A kustomize Component with all of it. said: a comment, such as when and of what."""
    lines = [f"# {line}" for line in said.splitlines()]
    lines += ["apiVersion: kustomize.config.k8s.io/v1alpha1", "kind: Component", "configMapGenerator:"]
    lines += ["- name: parley-settings", "  behavior: merge", "  literals:"]
    lines += [
        f"  - PARLEY_{name.upper()}_POOL_SIZE={size.pool}" for name, size in made.sizes.items() if size.pool is not None
    ]
    lines.append("patches:")
    for name, size in made.sizes.items():
        lines += [
            f"- target: {{kind: HorizontalPodAutoscaler, name: {name}}}",
            "  patch: |",
            f"    - {{op: replace, path: /spec/minReplicas, value: {size.least}}}",
            f"    - {{op: replace, path: /spec/maxReplicas, value: {size.most}}}",
            f"- target: {{kind: Deployment, name: {name}}}",
            "  patch: |",
            f"    - {{op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: {size.cpu_m}m}}",
        ]
    lines += [
        "# Where gateways are scaled by their sockets (overlay production); by processor otherwise, as before.",
        "- target: {kind: HorizontalPodAutoscaler, name: gateway}",
        "  patch: |",
        "    - op: replace",
        "      path: /spec/metrics",
        "      value:",
        "      - type: Pods",
        f'        pods: {{metric: {{name: parley_connections}}, target: {{type: AverageValue, averageValue: "{made.sockets}"}}}}',
        "      - type: Resource",
        "        resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}",
    ]
    return "\n".join(lines) + "\n"
