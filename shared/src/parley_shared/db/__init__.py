"""PostgreSQL: engines, leases and migrations. One schema and one role a service."""
