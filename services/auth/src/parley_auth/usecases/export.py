"""Everything that auth keeps of somebody, for himself; secrets are kept as hashes, and are nobody's to read."""

from parley_auth.store import Begin
from parley_auth.usecases import views
from parley_shared.contracts.auth import OnlyActor, Session
from parley_shared.contracts.export import ExportedAccount, SignIn
from parley_shared.errors import Code, Refused
from parley_shared.limits import PAGE_MAX

MOST_SIGN_INS = 1_000


class Export:
    """The verb `export_account`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def account(self, cmd: OnlyActor) -> ExportedAccount:
        """Raises Refused: BAD_TOKEN if the account is gone or disabled."""
        async with self._begin() as store:
            user = await store.users.get(cmd.actor.user_id)
            if user is None or user.disabled or user.erased:
                raise Refused(Code.BAD_TOKEN, "This account can no longer be used.")
            sessions = await store.sessions.of_user(user.id, now=await store.now(), limit=PAGE_MAX)
            logins = await store.journal.logins_of(user.id, MOST_SIGN_INS)
        return ExportedAccount(
            profile=views.me(user),
            sessions=[
                Session(
                    id=row.id,
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                    ip=row.ip,
                    user_agent=row.user_agent,
                    current=row.id == cmd.actor.session_id,
                )
                for row in sessions
            ],
            sign_ins=[
                SignIn(at=row["at"], outcome=row["outcome"], ip_prefix=row["ip_prefix"], user_agent=row["user_agent"])
                for row in logins
            ],
        )
