"""A package with migrations, for tests."""
