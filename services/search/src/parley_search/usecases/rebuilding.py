"""Making the index anew, and how far that has come; for admins."""

from parley_search.analysis import ANALYSIS
from parley_search.clients import AuthClient
from parley_search.store import Database, Store
from parley_search.usecases.indexing import Wake
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.search import IndexState


class Rebuilding:
    """The verbs `rebuild` and `state`. What is in the index is found until it is replaced."""

    def __init__(self, database: Database, auth: AuthClient, wake: Wake) -> None:
        self._database = database
        self._auth = auth
        self._wake = wake

    async def rebuild(self, cmd: AdminRequest) -> IndexState:
        """Begin, unless it is under way already. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        await self._auth.demand_admin(cmd)
        async with self._database.begin() as store:
            meta = await store.meta.lock()
            if meta.rebuilding is None:
                await _begin(store, meta.epoch)
            state = await _state(store)
        self._wake.compare()
        self._wake.page()
        return state

    async def state(self, cmd: AdminRequest) -> IndexState:
        """Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        await self._auth.demand_admin(cmd)
        async with self._database.begin() as store:
            return await _state(store)

    async def renew_analysis(self) -> bool:
        """Begin if the index was made by an older analysis than this code's. Whether that was so. What a newer one has made stays:
        while a new version is rolled out, both run."""
        async with self._database.begin() as store:
            meta = await store.meta.lock()
            if meta.analysis >= ANALYSIS:
                return False
            await _begin(store, meta.epoch)
        return True

    async def finish(self) -> bool:
        """Whether a rebuild is over by this."""
        async with self._database.begin() as store:
            return await store.meta.finish()


async def _begin(store: Store, epoch: str) -> None:
    await store.meta.begin_rebuild(epoch, ANALYSIS)
    await store.rooms.again(new_epoch=False)


async def _state(store: Store) -> IndexState:
    meta = await store.meta.get()
    counts = await store.meta.counts()
    return IndexState(
        messages=counts.messages,
        rooms=counts.rooms,
        rooms_behind=counts.behind,
        epoch=meta.epoch,
        rebuilding=meta.rebuilding,
        done=0 if meta.rebuilding is None else counts.rooms - counts.unpaged,
        total=0 if meta.rebuilding is None else counts.rooms,
    )
