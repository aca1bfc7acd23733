from parley_auth.tables import metadata
from parley_shared.db.environment import run_migrations

run_migrations(metadata)
