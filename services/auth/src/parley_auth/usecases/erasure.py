"""Erasing an account: at once here, and then, for as long as it takes, in every other service."""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from parley_auth.clients import STORES, Stores
from parley_auth.domain import codes, passwords
from parley_auth.domain.throttles import account_key
from parley_auth.hashing import Passwords as Hasher
from parley_auth.publisher import Publisher
from parley_auth.store import Begin, Store
from parley_auth.store.erasures import ErasureRow
from parley_auth.store.revocations import Revoked
from parley_auth.store.users import Credential, UserRow
from parley_auth.usecases.door import Door
from parley_auth.usecases.office import Office
from parley_shared.contracts.erasure import (
    AdminGetErasure,
    Erased,
    EraseMe,
    Erasure,
    ErasureBegun,
    GetErasure,
)
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import new_id

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
"""For so long after its last sign of life a replica has an erasure to itself; longer than any store may take to answer."""
PAUSE = timedelta(seconds=2)
"""Before a store that is away is asked again."""


class Erasures:
    """The verbs `erase_me`, `erasure`, `admin_erasure`, and the saga's work.

    settle: after so long no gateway lets the account in any more, and all stores are asked once more: what a socket wrote in
    its last moments goes, too.
    """

    def __init__(
        self, begin: Begin, door: Door, hasher: Hasher, publisher: Publisher, office: Office, settle: timedelta
    ) -> None:
        self._begin = begin
        self._door = door
        self._hasher = hasher
        self._publisher = publisher
        self._office = office
        self._settle = settle

    async def erase_me(self, cmd: EraseMe) -> ErasureBegun:
        """The account is nobody's from this moment on. A wrong password counts as a failed login.

        Raises Refused: BAD_CREDENTIALS, RATE_LIMITED, LAST_ADMIN, BAD_TOKEN if the session is over.
        """
        async with self._begin() as store:
            user = await self._actor(store, cmd)
            verified = await store.users.credential(user.id)
        async with self._door.attempt(self._door.login(account=user.username_key, ip=None)) as attempt:
            right = await self._hasher.verify(
                None if verified is None else verified.password_hash, passwords.presented(cmd.password)
            )
            if not right or verified is None:
                async with self._begin() as store:
                    await attempt.failed(store)
                raise _wrong()
            code = codes.new_code()
            erasure_id = new_id()
            async with self._begin() as store:
                cursor = await self._erase(store, cmd, verified, erasure_id, codes.digest(code))
                await attempt.succeeded(store)
        await self._publisher.account_changed(user.id, cursor)
        log.info("erasure.begun", erasure_id=str(erasure_id), user_id=str(user.id))
        return ErasureBegun(id=erasure_id, code=code)

    async def _erase(self, store: Store, cmd: EraseMe, verified: Credential, erasure_id: UUID, code_hash: bytes) -> int:
        locked = await store.users.lock_with_admins(cmd.actor.user_id)
        user = await self._actor(store, cmd)
        if await store.users.credential(user.id) != verified:
            raise _wrong()
        others = [row for row in locked if row.id != user.id and row.role == "admin" and not row.disabled]
        if user.role == "admin" and not others:
            raise Refused(Code.LAST_ADMIN, "You are the last admin; name another one first.")
        now = await store.now()
        ended = await store.sessions.end_all(user.id)
        await store.codes.void_reset_codes(user.id)
        version = await store.users.bump(user.id)
        await store.erasures.erase_user(user.id, [account_key(user.username_key)], now)
        entries = await store.journal.forget(user.id)
        store.journal.note("account.erased", at=now, actor_id=user.id, target_id=user.id, erasure_id=str(erasure_id))
        here = Erased(done=True, counts={"accounts": 1, "sessions": len(ended), "audit_entries": entries})
        elsewhere = {name: Erased(done=False, counts={}) for name in STORES}
        await store.erasures.add(erasure_id, user.id, code_hash, now, {"auth": here, **elsewhere})
        return await store.revocations.add([Revoked(user.id, None, version, "end")], now)

    async def _actor(self, store: Store, cmd: EraseMe) -> UserRow:
        user = await store.users.get(cmd.actor.user_id)
        session = await store.sessions.get(cmd.actor.session_id)
        if user is None or user.disabled or user.erased or session is None or session.user_id != user.id:
            raise Refused(Code.BAD_TOKEN, "This session is over; log in again.")
        return user

    async def get(self, cmd: GetErasure) -> Erasure:
        """The receipt, for who has its code. Raises Refused: NOT_FOUND."""
        async with self._begin() as store:
            found = await store.erasures.get(cmd.id)
        if found is None or not hmac.compare_digest(found.code_hash, codes.digest(cmd.code)):
            raise not_found("erasure")
        return _receipt(found)

    async def admin_get(self, cmd: AdminGetErasure) -> Erasure:
        """The receipt. Raises Refused: NOT_FOUND, and as `Office.demand`."""
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            found = await store.erasures.get(cmd.id)
        if found is None:
            raise not_found("erasure")
        return _receipt(found)

    async def work(self, stores: Stores) -> None:
        """One turn: take each erasure that is due and that nobody works on, and bring it as far as the stores let it."""
        while True:
            async with self._begin() as store:
                row = await store.erasures.take(LEASE)
            if row is None:
                return
            await self._advance(row, stores)

    async def _advance(self, row: ErasureRow, stores: Stores) -> None:
        """Whatever happens to this replica meanwhile: another one goes on from what the last transaction says."""
        async with self._begin() as store:
            settled_at = row.requested_at + self._settle
            last = await store.now() >= settled_at
        away = False
        for name in STORES:
            state = row.stores.get(name, Erased(done=False, counts={}))
            asked = False
            while not state.done or (last and not asked):
                asked = True
                try:
                    answer = await stores.erase(name, row.user_id, row.id)
                except Refused as refusal:
                    log.warning("erasure.waiting", erasure_id=str(row.id), store=name, reason=refusal.detail)
                    away = True
                    break
                state = _merged(state, answer)
                async with self._begin() as store:
                    await store.erasures.progress(row.id, name, state, LEASE)
        async with self._begin() as store:
            now = await store.now()
            if last and not away:
                await store.erasures.finish(row.id, now)
                log.info("erasure.done", erasure_id=str(row.id), user_id=str(row.user_id))
            else:
                await store.erasures.wait(row.id, _later(now, settled_at, away))


def _later(now: datetime, settled_at: datetime, away: bool) -> datetime:
    return now + PAUSE if away else max(settled_at, now)


def _merged(before: Erased, answer: Erased) -> Erased:
    """A store that counts each call for itself must not take back what an earlier one found."""
    names = before.counts.keys() | answer.counts.keys()
    counts = {name: max(before.counts.get(name, 0), answer.counts.get(name, 0)) for name in sorted(names)}
    return Erased(done=answer.done, counts=counts)


def _receipt(row: ErasureRow) -> Erasure:
    return Erasure(
        id=row.id,
        user_id=row.user_id,
        state="running" if row.finished_at is None else "done",
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        stores=row.stores,
    )


def _wrong() -> Refused:
    return Refused(Code.BAD_CREDENTIALS, "The password is wrong.", errors={"password": "this is not it"})
