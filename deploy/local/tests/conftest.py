pytest_plugins = ["parley_shared.testing.fixtures"]
