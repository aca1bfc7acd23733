"""The whole suite on one machine: servers, migrations, services."""
