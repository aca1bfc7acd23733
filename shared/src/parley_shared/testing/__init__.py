"""Fixtures for tests on real servers: `pytest_plugins = ["parley_shared.testing.fixtures"]`."""
