"""Rules and values of accounts: pure, tested without a database."""
