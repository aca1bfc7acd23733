"""How often one user may change messages: edits, reactions, pins and reports together, over all gateways and replicas."""

from uuid import UUID

from parley_messages.domain.rates import FloodLimit
from parley_messages.store import Store
from parley_shared.errors import Code, Refused

BUCKET = "changes"


class ChangeBudget:
    """A token bucket by the database's clock: a minute's worth at once, and as many in each minute on average."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._limit = None if per_minute is None else FloodLimit(per_minute / 60, per_minute)

    async def spend(self, store: Store, user_id: UUID) -> None:
        """One change, if the transaction is committed. Raises Refused: RATE_LIMITED, which costs nothing."""
        if self._limit is None:
            return
        arrival, now = await store.buckets.lock(user_id, BUCKET)
        wait = self._limit.wait_ms(arrival, now)
        if wait:
            raise Refused(
                Code.RATE_LIMITED,
                f"You may edit, react, pin and report {self._per_minute} times a minute.",
                retry_after_ms=wait,
            )
        await store.buckets.set(user_id, BUCKET, self._limit.after(arrival, now))
