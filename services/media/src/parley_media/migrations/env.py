from parley_media.tables import metadata
from parley_shared.db.environment import run_migrations

run_migrations(metadata)
