"""Rows as they are shown."""

from parley_auth.store.users import UserRow
from parley_shared.contracts.auth import AdminUser, Me, User


def user(row: UserRow) -> User:
    return User(id=row.id, username=row.username, display_name=row.display_name, deleted=row.erased)


def me(row: UserRow) -> Me:
    return Me(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        role=row.role,
        rev=row.rev,
        read_receipts=row.read_receipts,
        created_at=row.created_at,
    )


def admin_user(row: UserRow) -> AdminUser:
    return AdminUser(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        role=row.role,
        disabled=row.disabled,
        deleted=row.erased,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
    )
