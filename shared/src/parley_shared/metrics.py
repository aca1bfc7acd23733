"""Metrics that every process has, and those that several services share.

A counter costs half a microsecond, a histogram one to two: on the hot path they count batches. A level (a queue, a pool) is looked up
when somebody reads it, and costs nothing in between. Labels take values that the code has a list of (a verb, a code, a job), never
a user, a room or an address.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg
from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Stage = Literal["lane", "answer", "queue", "commit", "tell"]

LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends in seconds, for what people wait for."""
LAG_EVERY_S = 0.5

_stages = Histogram(
    "parley_send_stage_seconds",
    "Where the time of a send goes: lane (the longest wait of a batch in the gateway), answer (from frame or request to ack), queue"
    " (the longest wait of a batch for its transaction), commit (a transaction), tell (from a commit until gateways are told)",
    ["stage"],
    buckets=LATENCY,
)
build = Gauge("parley_build_info", "1; the label says which release runs", ["version"])
_lag = Histogram(
    "parley_loop_lag_seconds",
    "By how much the event loop was late, looked at twice a second: whatever blocks it, everybody waits for",
    buckets=LATENCY,
)
ready = Gauge("parley_ready", "1 if /readyz says ready; looked up when metrics are read")
checks = Gauge("parley_check", "1 if what this process stands on is there, by what; the parts of /readyz", ["check"])
job_runs = Counter(
    "parley_job_runs",
    "Runs of periodic work, by outcome: ok, outage (what it needs is away), failed",
    # Not `job`: Prometheus has a label of that name itself.
    ["work", "outcome"],
)
_pool_size = Gauge("parley_pool_size", "Connections to PostgreSQL that a pool may have", ["pool"])
_pool_used = Gauge("parley_pool_used", "Connections of a pool that somebody works with", ["pool"])
_pool_waiting = Gauge("parley_pool_waiting", "Tasks that wait for a connection of a pool", ["pool"])


_s3_seconds = Histogram(
    "parley_s3_seconds",
    "Time of calls to S3, by what was asked and outcome: ok, failed; a gateway's `put` takes as long as its client sends",
    ["operation", "outcome"],
    buckets=LATENCY,
)


@contextmanager
def s3_time(operation: str) -> Iterator[None]:
    """Around one call to S3, or its part that is waited for. operation: a word of the code's."""
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "ok"
    finally:
        _s3_seconds.labels(operation, outcome).observe(time.perf_counter() - began)


def stage(name: Stage) -> Histogram:
    """One stage of a send, to observe seconds."""
    return _stages.labels(name)


def watch_engine(engine: "AsyncEngine", name: str = "main") -> None:
    """Show how an engine's pool is used."""

    def pool() -> Any:  # Any: of all pools of SQLAlchemy, it is the one for asyncio that has these
        return engine.sync_engine.pool

    # That somebody waits, neither this pool nor asyncpg's says in public.
    _watch(name, lambda: pool().size(), lambda: pool().checkedout(), lambda: len(pool()._pool._queue._getters))  # noqa: SLF001


def watch_pool(pool: asyncpg.Pool, name: str = "main") -> None:
    """The same for asyncpg's own."""
    _watch(
        name,
        pool.get_max_size,
        lambda: pool.get_size() - pool.get_idle_size(),
        lambda: len(pool._queue._getters),  # noqa: SLF001
    )


def _watch(name: str, size: Callable[[], int], used: Callable[[], int], waiting: Callable[[], int]) -> None:
    _pool_size.labels(name).set_function(size)
    _pool_used.labels(name).set_function(used)
    _pool_waiting.labels(name).set_function(waiting)


async def sample_lag() -> None:
    """For ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        _lag.observe(max(0.0, loop.time() - due))
